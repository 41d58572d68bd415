// Reads certificates, keys and trust anchors from files and refuses what could not work or would trust too much.
// Never hands out an empty list of anchors: node:tls takes that for "every public authority there is".
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { AppError } from '../core/app-error.ts';
import { readRevocationLists, type RevocationLists } from './revocation-list.ts';
import { readTrustBundle, type TrustBundle } from './trust-bundle.ts';

export interface CertificateDescription {
  readonly subject: string;
  /** SHA-256 over the certificate's DER, lower-case hex. */
  readonly sha256: string;
  /** ISO 8601, UTC. */
  readonly notAfter: string;
  /** Whole days until `notAfter`; negative once it has passed. */
  readonly daysLeft: number;
}

/** Our own certificate, with whatever chain its file holds, and its key. */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly leaf: X509Certificate;
  /** Every certificate of the file, the leaf first. */
  readonly certificates: readonly X509Certificate[];
}

export interface CaBundle {
  readonly pem: string;
  /** Every certificate of the file, roots and intermediates, in its order. */
  readonly certificates: readonly X509Certificate[];
  /** The same certificates as the verifier of clients reads them. */
  readonly trust: TrustBundle;
}

/** Revocation lists, for OpenSSL as text and for the verifier of clients as it reads them. */
export interface CrlSet {
  readonly pems: readonly string[];
  readonly lists: RevocationLists;
}

const dayMs = 86_400_000;

/**
 * Loads a certificate (leaf first) and its private key, unencrypted PEM.
 * Throws TLS_MATERIAL_INVALID naming the file when one is missing or unreadable, when they do not belong together,
 * or when the leaf is expired or not valid yet.
 */
export async function loadKeyPair(options: {
  certFile: string;
  keyFile: string;
  now?: Date;
}): Promise<KeyPair> {
  const { certFile, keyFile, now = new Date() } = options;
  const certPem = await readText(certFile);
  const keyPem = await readText(keyFile);
  const certificates = parseCertificates(certPem, certFile);
  const [leaf] = certificates;
  if (leaf === undefined) throw invalid(certFile, 'it holds no certificate');
  if (leaf.validFromDate > now) throw invalid(certFile, `it is valid only from ${leaf.validFrom}`);
  if (leaf.validToDate < now) throw invalid(certFile, `it expired on ${leaf.validTo}`);
  const key = attempt(keyFile, 'it is no unencrypted PEM private key', () => createPrivateKey(keyPem));
  if (!leaf.checkPrivateKey(key)) throw invalid(keyFile, `it is not the key of ${certFile}`);
  attempt(certFile, 'OpenSSL refuses it together with its key', () =>
    createSecureContext({ cert: certPem, key: keyPem, ciphers: strictCiphers }),
  );
  return { certPem, keyPem, leaf, certificates };
}

/**
 * Loads trust anchors. Throws TLS_MATERIAL_INVALID naming the file when it is missing, holds no certificate or
 * something that is none, holds an expired one, or holds no self-signed root that the verifier of clients can use
 * (no chain could ever end in it).
 */
export async function loadCaBundle(options: { file: string; now?: Date }): Promise<CaBundle> {
  const { file, now = new Date() } = options;
  const pem = await readText(file);
  const certificates = parseCertificates(pem, file);
  const expired = certificates.find((certificate) => certificate.validToDate < now);
  if (expired) throw invalid(file, `${oneLine(expired.subject)} expired on ${expired.validTo}`);
  const trust = readTrustBundle(certificates.map(({ raw }) => raw));
  if (trust.roots.length === 0) {
    const unusable = trust.unusable.map(
      ({ index, reason }) => `, and certificate ${index + 1} is unusable (${reason})`,
    );
    throw invalid(file, `it holds no self-signed root certificate${unusable.join('')}`);
  }
  return { pem, certificates, trust };
}

/**
 * Loads revocation lists (PEM), each checked by itself, so that a bad one among good ones is found.
 * With any list at all both OpenSSL and the verifier of clients demand a current one for every authority of a chain.
 * Throws TLS_MATERIAL_INVALID when the file is missing, holds no list, or one that either of them cannot read or use.
 */
export async function loadCrls(file: string): Promise<CrlSet> {
  const text = await readText(file);
  const pems = text.match(crlBlock) ?? [];
  if (pems.length === 0) throw invalid(file, 'it holds no revocation list');
  if (text.split('-----BEGIN X509 CRL-----').length - 1 !== pems.length)
    throw invalid(file, 'a revocation list in it is cut off');
  const ders = pems.map(derOfPem);
  for (const [index, pem] of pems.entries()) {
    const what = `revocation list ${index + 1}`;
    attempt(file, `${what} cannot be read`, () => createSecureContext({ crl: pem }));
    const { isComplete, lists } = readRevocationLists(ders.slice(index, index + 1));
    if (!isComplete) throw invalid(file, `${what} is not strict DER of version 2 with a next update`);
    if (!lists.every(({ isWhole }) => isWhole))
      throw invalid(file, `${what} is of a kind that is not supported: delta, indirect or limited to a part`);
  }
  return { pems, lists: readRevocationLists(ders) };
}

/** What an operator wants to see of a certificate. `now` only decides the days left. */
export function describeCertificate(certificate: X509Certificate, now: Date): CertificateDescription {
  return {
    subject: oneLine(certificate.subject),
    sha256: createHash('sha256').update(certificate.raw).digest('hex'),
    notAfter: certificate.validToDate.toISOString(),
    daysLeft: Math.floor((certificate.validToDate.getTime() - now.getTime()) / dayMs),
  };
}

/** OpenSSL's own list at level 2: no key below 112 bits of security (RSA 2048), no SHA-1, whatever the platform's default. */
export const strictCiphers = 'DEFAULT:@SECLEVEL=2';

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const crlBlock = /-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g;

/** The certificates of one PEM text; throws when there is none or when a block is none. */
function parseCertificates(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(certificateBlock) ?? [];
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (begun === 0) throw invalid(file, 'it holds no certificate');
  if (begun !== blocks.length) throw invalid(file, 'a certificate in it is cut off');
  return blocks.map((block, index) =>
    attempt(file, `certificate ${index + 1} cannot be read`, () => new X509Certificate(block)),
  );
}

function derOfPem(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}

async function readText(file: string): Promise<string> {
  try {
    // Windows editors start a file with a byte order mark, which OpenSSL does not read past.
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    throw invalid(file, 'it cannot be read', error);
  }
}

function attempt<Result>(file: string, reason: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw invalid(file, reason, error);
  }
}

function invalid(file: string, reason: string, cause?: unknown): AppError {
  return new AppError('TLS_MATERIAL_INVALID', `${file}: ${reason}`, cause === undefined ? {} : { cause });
}

/** node:crypto prints a name with one attribute per line. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}
