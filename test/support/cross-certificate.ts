// A second certificate for an authority that has one already, as authorities hand out when they replace their root.
// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 wants it loaded first, for its effect
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createAuthority, type Issuer } from './pki.ts';

const dayMs = 86_400_000;

/** PEM: the name and the key of `authority`, signed by a former root that nobody trusts any more; expired yesterday. */
export async function createExpiredCrossCertificate(authority: Issuer): Promise<string> {
  const former = await createAuthority({ name: 'CN=Former Root CA,O=Lean test' });
  const { certificate, keys } = authority;
  const cross = await x509.X509CertificateGenerator.create({
    serialNumber: '4a01',
    subject: certificate.subject,
    issuer: former.certificate.subject,
    notBefore: new Date(Date.now() - 2 * dayMs),
    notAfter: new Date(Date.now() - dayMs),
    publicKey: keys.publicKey,
    signingKey: former.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(former.keys.publicKey),
    ],
  });
  return `${cross.toString('pem').trim()}\n`;
}
