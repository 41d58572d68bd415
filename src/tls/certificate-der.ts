// A certificate as the verifier sees it: read strictly by our own reader, and once more by OpenSSL, both of which must
// agree. Whatever is odd about it refuses it here, before any signature is looked at.
import { X509Certificate, createHash, type KeyObject } from 'node:crypto';
import { readCertificateExtensions, type CertificateExtensions } from './certificate-extensions.ts';
import { ChainRefused, type ChainRefusal } from './chain-refusals.ts';
import { DerError, derTags, readElements, readOnly, readSole, type DerElement } from './der.ts';
import { expectTag, readBitStringBytes, readIntegerHex, readSequence, readTime } from './der-values.ts';
import { readDistinguishedName, type DistinguishedName } from './distinguished-name.ts';
import {
  checkKeyAlgorithm,
  checkKeyStrength,
  readSignatureAlgorithm,
  type SignatureAlgorithm,
} from './signature-algorithms.ts';

export interface ChainCertificate {
  /** node:crypto's view, for names, key identifiers and signatures. */
  readonly x509: X509Certificate;
  readonly key: KeyObject;
  /** SHA-256 over the DER, and over the SubjectPublicKeyInfo as it stands; lower-case hex. */
  readonly sha256: string;
  readonly spkiSha256: string;
  /** Content bytes of the serial number, hex. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly isSelfIssued: boolean;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** null: not on the list, so that it counts for nothing. Only a root may have such a one, from itself. */
  readonly signatureAlgorithm: SignatureAlgorithm | null;
  readonly extensions: CertificateExtensions;
}

const maxCertificateBytes = 20_000;
/** RFC 5280, 4.1.2.2; authorities that count the zero in front of a high bit apart have one more. */
const maxSerialBytes = 20;
/** `[0] { INTEGER 2 }`: version 3. */
const version3 = 'a003020102';

/** Reads one certificate (DER). Throws ChainRefused. */
export function readChainCertificate(der: Uint8Array): ChainCertificate {
  if (der.length > maxCertificateBytes) throw new ChainRefused('CERTIFICATE_TOO_LARGE');
  const { toBeSigned, outerAlgorithm } = attempt(() => readParts(der));
  const fields = attempt(() => readFields(toBeSigned));
  if (!sameBytes(fields.innerAlgorithm.encoded, outerAlgorithm.encoded))
    throw new ChainRefused('SIGNATURE_ALGORITHM_MISMATCH');
  const signatureAlgorithm = attempt(() => readListedAlgorithm(outerAlgorithm));
  // Our own reading comes first, so that what refuses a certificate does not change with OpenSSL's version.
  const extensions = readCertificateExtensions(fields.extensions);
  // OpenSSL decodes the key while it parses, whatever it is made of.
  attempt(() => checkKeyAlgorithm(fields.publicKeyInfo.encoded));
  const x509 = parseWithOpenSsl(() => new X509Certificate(der));
  const key = parseWithOpenSsl(() => x509.publicKey);
  checkKeyStrength(key);
  const { issuer, subject } = fields;
  const certificate = {
    x509,
    key,
    sha256: sha256Hex(der),
    spkiSha256: sha256Hex(fields.publicKeyInfo.encoded),
    serial: fields.serial,
    issuer,
    subject,
    isSelfIssued: issuer.key === subject.key,
    notBeforeMs: fields.notBeforeMs,
    notAfterMs: fields.notAfterMs,
    signatureAlgorithm,
    extensions,
  };
  const refusal = refuseProfile(certificate);
  if (refusal) throw new ChainRefused(refusal);
  return certificate;
}

function readListedAlgorithm(identifier: DerElement): SignatureAlgorithm | null {
  try {
    return readSignatureAlgorithm(identifier);
  } catch (error) {
    if (error instanceof ChainRefused) return null;
    throw error;
  }
}

function readParts(der: Uint8Array): { toBeSigned: DerElement; outerAlgorithm: DerElement } {
  const [toBeSigned, algorithm, signature, ...rest] = readElements(readOnly(der, derTags.sequence));
  if (rest.length > 0) throw new DerError('fields behind the signature');
  readBitStringBytes(signature);
  return {
    toBeSigned: expectTag(toBeSigned, derTags.sequence),
    outerAlgorithm: expectTag(algorithm, derTags.sequence),
  };
}

interface CertificateFields {
  readonly innerAlgorithm: DerElement;
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKeyInfo: DerElement;
  readonly extensions: DerElement | undefined;
}

/** RFC 5280, 4.1. */
function readFields(toBeSigned: DerElement): CertificateFields {
  const [version, serialField, algorithm, issuer, validity, subject, keyInfo, ...optional] = readElements(
    toBeSigned.content,
  );
  if (version === undefined || !sameBytes(version.encoded, Buffer.from(version3, 'hex')))
    throw new ChainRefused('CERTIFICATE_NOT_V3');
  const serial = readIntegerHex(serialField);
  if (serial.replace(/^00/, '').length > 2 * maxSerialBytes) throw new DerError('serial number is too long');
  const [notBefore, notAfter, ...moreTimes] = readSequence(validity);
  if (moreTimes.length > 0) throw new DerError('more fields than there are');
  const [keyAlgorithm, keyBits, ...moreKey] = readSequence(keyInfo);
  expectTag(keyAlgorithm, derTags.sequence);
  readBitStringBytes(keyBits);
  if (moreKey.length > 0) throw new DerError('malformed key');
  return {
    innerAlgorithm: expectTag(algorithm, derTags.sequence),
    serial,
    issuer: readDistinguishedName(issuer),
    subject: readDistinguishedName(subject),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    publicKeyInfo: expectTag(keyInfo, derTags.sequence),
    extensions: readOptionalFields(optional),
  };
}

/** The list of extensions, behind the unique identifiers of old (`[1]`, `[2]`), which say nothing to us. */
function readOptionalFields(fields: readonly DerElement[]): DerElement | undefined {
  const tags = fields.map(({ tag }) => tag);
  const ordered = tags.every((tag, index) => index === 0 || (tags[index - 1] ?? 0) % 0x20 < tag % 0x20);
  if (!ordered || tags.some((tag) => ![0x81, 0x82, 0xa3].includes(tag)))
    throw new DerError('more fields than there are');
  const extensions = fields.find(({ tag }) => tag === 0xa3);
  return extensions && readSole(extensions.content);
}

type ProfiledCertificate = Pick<ChainCertificate, 'issuer' | 'subject' | 'extensions'>;

/** What RFC 5280 demands of every conforming certificate, and OpenSSL checks as `-x509_strict`. */
function refuseProfile({ issuer, subject, extensions }: ProfiledCertificate): ChainRefusal | null {
  const { alternativeNames, basicConstraints, subjectKeyId } = extensions;
  const isCa = basicConstraints?.isCa ?? false;
  if (issuer.parts.length === 0) return 'NAME_EMPTY';
  if (subject.parts.length === 0 && (isCa || !alternativeNames?.critical)) return 'NAME_EMPTY';
  if (isCa && subjectKeyId === null) return 'KEY_IDENTIFIER_MISSING';
  return null;
}

function parseWithOpenSsl<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch {
    throw new ChainRefused('CERTIFICATE_UNREADABLE');
  }
}

function attempt<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw new ChainRefused('CERTIFICATE_MALFORMED');
    throw error;
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
