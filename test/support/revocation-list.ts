// Revocation lists of the authorities that tests make.
// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 wants it loaded first, for its effect
import 'reflect-metadata';
import { PemConverter, X509CrlGenerator } from '@peculiar/x509';
import type { Issuer } from './pki.ts';

const hourMs = 3_600_000;

/** A list (PEM) that is current for an hour. */
export async function createRevocationList(
  issuer: Issuer,
  revokedSerials: readonly string[] = [],
): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(Date.now() - hourMs),
    nextUpdate: new Date(Date.now() + hourMs),
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    entries: revokedSerials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() })),
  });
  return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}
