// Revocation lists of the authorities that tests make.
// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 wants it loaded first, for its effect
import 'reflect-metadata';
import { PemConverter, X509CrlGenerator, X509CrlReason } from '@peculiar/x509';
import type { Issuer } from './pki.ts';

const hourMs = 3_600_000;

/** A list (PEM) that is current for an hour, or until `nextUpdate`. */
export async function createRevocationList(
  issuer: Issuer,
  revokedSerials: readonly string[] = [],
  nextUpdate = new Date(Date.now() + hourMs),
): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(Date.now() - hourMs),
    nextUpdate,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    // Without a reason the generator writes an empty list of extensions, which RFC 5280 does not allow.
    entries: revokedSerials.map((serialNumber) => ({
      serialNumber,
      revocationDate: new Date(),
      reason: X509CrlReason.keyCompromise,
    })),
  });
  return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}
