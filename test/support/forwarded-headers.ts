// What a load balancer adds to a request of a client that presented a certificate, for tests of the receiver behind one.
import { X509Certificate } from 'node:crypto';
import { forwardedFormats, type ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import { forwardedSample, type ForwardedCertificates } from '../fixtures/forwarded/index.ts';
import type { Identity } from './pki.ts';

export type HeaderLine = readonly [name: string, value: string];

/** The header lines by which this format tells of a client. */
export function forwardedLines(
  format: ForwardedFormat,
  client: Identity | ForwardedCertificates,
): HeaderLine[] {
  const certificates = 'leafDer' in client ? client : certificatesOf(client);
  const raw = forwardedSample(format, certificates);
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : []));
}

/** What the client presented: its leaf, and what stands behind it. */
export function certificatesOf({ chainPem }: Identity): ForwardedCertificates {
  const blocks = chainPem.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? [];
  const [leafDer = new Uint8Array(), ...intermediatesDer] = blocks.map(
    (block) => new X509Certificate(block).raw,
  );
  return { leafDer, intermediatesDer };
}

/** The lines with the value of the one that holds the certificate changed. */
export function withCertificateValue(
  format: ForwardedFormat,
  lines: readonly HeaderLine[],
  change: (value: string) => string,
): HeaderLine[] {
  return lines.map(([name, value]) => [name, holdsCertificate(format, name) ? change(value) : value]);
}

export function holdsCertificate(format: ForwardedFormat, name: string): boolean {
  return name.toLowerCase() === forwardedFormats[format].headers[0]?.toLowerCase();
}
