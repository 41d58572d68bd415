// A receiver's server for tests, around a journal in memory that does as it is told.
import { X509Certificate } from 'node:crypto';
import { Writable } from 'node:stream';
import type { Delivery } from '../../src/core/delivery.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createKeeper, type DeliveryJournal, type StoredSignal } from '../../src/receiver/durability.ts';
import {
  createReceiverServer,
  type ReceiverServer,
  type ReceiverServerOptions,
} from '../../src/receiver/server.ts';
import type { ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import { readRevocationLists } from '../../src/tls/revocation-list.ts';
import type { CaBundle, CrlSet } from '../../src/tls/tls-material.ts';
import type { ClientTrust, TlsMaterial } from '../../src/tls/tls-server.ts';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';
import { createTrustedNetworks } from '../../src/tls/trusted-networks.ts';
import type { Sending } from './lean-sender.ts';
import type { Pki } from './pki.ts';

export const testSecret = 'whsec-of-the-tests';
export const leanPins = [{ kind: 'dns', value: 'webhooks.leantech.me' }] as const;

export type VerifyMode = 'certificate' | 'signature' | 'certificate+signature' | 'none';

interface TestServerOptions extends Partial<
  Pick<
    ReceiverServerOptions,
    | 'secrets'
    | 'bodyLimitBytes'
    | 'inFlightLimit'
    | 'inFlightLimits'
    | 'journalFull'
    | 'listenerLimits'
    | 'webhookPath'
    | 'pins'
    | 'clientPolicy'
    | 'now'
    | 'chains'
    | 'shadow'
    | 'proxyProtocol'
  >
> {
  readonly mode: VerifyMode;
  /** null speaks plain HTTP, as behind a proxy. */
  readonly pki: Pki | null;
  /** How a proxy forwards certificates, from which networks (loopback when left out), and who may have issued them. */
  readonly forwarded?: {
    readonly format: ForwardedFormat;
    readonly trusted?: readonly string[];
    readonly clients: ClientTrust;
  };
  readonly journal?: DeliveryJournal;
  readonly journalDeadlineMs?: number;
  readonly stored?: { signal: StoredSignal; ackDeadlineMs: number };
}

export interface TestServer {
  readonly url: string;
  readonly server: ReceiverServer;
  /** What the journal was given, in order. */
  readonly kept: Delivery[];
  readonly lines: Record<string, unknown>[];
  readonly metrics: ReturnType<typeof createMetrics>;
  close(): Promise<void>;
}

export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  const { mode, pki, forwarded, journalDeadlineMs = 2_000, journal, stored, ...rest } = options;
  const kept: Delivery[] = [];
  const memory = { append: (delivery: Delivery) => Promise.resolve(kept.push(delivery)) };
  const { logger, lines } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const server = await createReceiverServer({
    webhookPath: '/webhooks/lean',
    verify: { certificate: mode.includes('certificate'), signature: mode.includes('signature') },
    shadow: null,
    material: pki
      ? tlsMaterialOf(pki, rest.shadow === 'certificate' ? 'certificate' : mode)
      : { pair: null, clients: forwarded?.clients ?? null },
    forwarded: forwarded
      ? { format: forwarded.format, proxies: createTrustedNetworks(forwarded.trusted ?? ['127.0.0.0/8']) }
      : null,
    proxyProtocol: null,
    pins: leanPins,
    clientPolicy: { purpose: 'clientAuth' },
    secrets: () => [testSecret],
    bodyLimitBytes: 65_536,
    inFlightLimit: 16,
    journalFull: () => false,
    keep: createKeeper({ journal: journal ?? memory, journalDeadlineMs, ...(stored && { stored }) }),
    logger,
    metrics,
    ...rest,
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `${pki ? 'https' : 'http'}://127.0.0.1:${port}`;
  return { url, server, kept, lines, metrics, close: () => server.close({ timeoutMs: 2_000 }) };
}

/** What Lean sends to a server of these tests, with anything about it changed. */
export function fromLean(server: { url: string }, pki: Pki, changes: Partial<Sending> = {}): Sending {
  return {
    url: server.url,
    serverCaPem: pki.serverCaPem,
    identity: pki.lean.webhookClient,
    secret: testSecret,
    body: '{"type":"entity.created"}',
    ...changes,
  };
}

export function tlsMaterialOf(pki: Pki, mode: VerifyMode): TlsMaterial {
  const { certPem, chainPem, keyPem } = pki.receiverServer;
  const leaf = new X509Certificate(certPem);
  return {
    pair: { certPem: chainPem, keyPem, leaf, certificates: [leaf] },
    clients: mode.includes('certificate') ? { anchors: anchorsOf(pki.leanChainPem), crls: null } : null,
  };
}

export function anchorsOf(pem: string): CaBundle {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const certificates = blocks.map((block) => new X509Certificate(block));
  return { pem, certificates, trust: readTrustBundle(certificates.map(({ raw }) => raw)) };
}

/** Revocation lists in use; none at all when there are none. */
export function crlsOf(...pems: readonly string[]): CrlSet | null {
  const ders = pems.map((pem) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64'));
  return pems.length === 0 ? null : { pems, lists: readRevocationLists(ders) };
}

/** A logger whose lines end in an array, parsed. */
export function collectLines() {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) {
        if (line !== '') lines.push({ ...JSON.parse(line) });
      }
      done();
    },
  });
  return { lines, logger: createLogger({ level: 'info', role: 'receiver', destination }) };
}
