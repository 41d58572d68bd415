// What a peer is told on its command line, and how it says that it listens. Peers have no other settings.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export const peerSettingsSchema = z.strictObject({
  /** 0 takes a free one. */
  port: z.int(),
  certFile: z.string(),
  keyFile: z.string(),
  /** Who may have issued callers' certificates. */
  clientCaFile: z.string(),
  redisUrl: z.string().optional(),
  /** Of the sample: the API it calls before it answers, and as whom. */
  leanUrl: z.string().optional(),
  leanToken: z.string().optional(),
  leanCertFile: z.string().optional(),
  leanKeyFile: z.string().optional(),
});
export type PeerSettings = z.infer<typeof peerSettingsSchema>;

export function readPeerSettings(): PeerSettings {
  return peerSettingsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
}

/** Only who holds a certificate of that authority gets through the handshake. */
export function peerTls({ certFile, keyFile, clientCaFile }: PeerSettings) {
  return {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ca: readFileSync(clientCaFile),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3' as const,
  };
}

export function sayListening(url: string): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`);
}
