// Which keys and signatures count: RSA from 2048 bits, the three NIST curves, Ed25519 and Ed448, with SHA-2. A list of
// what is allowed, compared byte by byte; what is not on it is refused.
import type { KeyObject } from 'node:crypto';
import { constants, verify } from 'node:crypto';
import { ChainRefused } from './chain-refusals.ts';
import { derTags, readElements, readOnly, readSole, type DerElement } from './der.ts';
import { expectTag, readBitStringBytes, readOid, readSequence, readSmallInteger } from './der-values.ts';

/** Node's name of the digest, null where the algorithm has its own; the salt's bytes for RSASSA-PSS. */
export interface SignatureAlgorithm {
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
  readonly keyTypes: readonly string[];
  readonly pssSaltLength: number | null;
}

const rsaTypes = ['rsa'] as const;
const plain = (digest: SignatureAlgorithm['digest'], keyTypes: readonly string[]) =>
  ({ digest, keyTypes, pssSaltLength: null }) as const;

/** AlgorithmIdentifier without tag and length (RFC 4055, 5758, 8410) → what it is. */
const fixedAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['06092a864886f70d01010b0500', plain('sha256', rsaTypes)],
  ['06092a864886f70d01010c0500', plain('sha384', rsaTypes)],
  ['06092a864886f70d01010d0500', plain('sha512', rsaTypes)],
  ['06082a8648ce3d040302', plain('sha256', ['ec'])],
  ['06082a8648ce3d040303', plain('sha384', ['ec'])],
  ['06082a8648ce3d040304', plain('sha512', ['ec'])],
  ['06032b6570', plain(null, ['ed25519'])],
  ['06032b6571', plain(null, ['ed448'])],
]);

const pssOid = '2a864886f70d01010a';
const maskGenerationOid = '2a864886f70d010108';
const digestOids: ReadonlyMap<string, { digest: 'sha256' | 'sha384' | 'sha512'; bytes: number }> = new Map([
  ['608648016503040201', { digest: 'sha256', bytes: 32 }],
  ['608648016503040202', { digest: 'sha384', bytes: 48 }],
  ['608648016503040203', { digest: 'sha512', bytes: 64 }],
]);
const maxSaltBytes = 512;

/** Throws ChainRefused for what is not allowed, DerError for what is malformed. */
export function readSignatureAlgorithm(identifier: DerElement): SignatureAlgorithm {
  const known = fixedAlgorithms.get(Buffer.from(identifier.content).toString('hex'));
  if (known) return known;
  const [oid, parameters] = readSequence(identifier);
  if (readOid(oid) === pssOid) return readPss(parameters);
  throw new ChainRefused('SIGNATURE_ALGORITHM_NOT_ALLOWED');
}

/** RFC 4055, 3.1: digest, mask over the same digest, salt at least as long as the digest, and no trailer field. */
function readPss(parameters: DerElement | undefined): SignatureAlgorithm {
  const fields = readSequence(parameters);
  const [digestField, maskField, saltField] = fields;
  if (fields.length !== 3) throw new ChainRefused('SIGNATURE_ALGORITHM_NOT_ALLOWED');
  const digestName = readDigest(readSole(expectTag(digestField, 0xa0).content));
  const [maskOid, maskDigest] = readSequence(readSole(expectTag(maskField, 0xa1).content));
  const saltLength = readSmallInteger(readSole(expectTag(saltField, 0xa2).content));
  const known = digestOids.get(digestName);
  const allowed =
    known !== undefined &&
    readOid(maskOid) === maskGenerationOid &&
    readDigest(maskDigest) === digestName &&
    saltLength >= known.bytes &&
    saltLength <= maxSaltBytes;
  if (!allowed) throw new ChainRefused('SIGNATURE_ALGORITHM_NOT_ALLOWED');
  return { digest: known.digest, keyTypes: ['rsa', 'rsa-pss'], pssSaltLength: saltLength };
}

function readDigest(identifier: DerElement | undefined): string {
  const [oid, parameters, ...rest] = readSequence(identifier);
  const isNull = parameters === undefined || (parameters.tag === 0x05 && parameters.content.length === 0);
  if (!isNull || rest.length > 0) throw new ChainRefused('SIGNATURE_ALGORITHM_NOT_ALLOWED');
  return readOid(oid);
}

/** AlgorithmIdentifier of a key, in full for all but RSASSA-PSS, whose parameters the signature must fit anyway. */
const keyAlgorithms: ReadonlySet<string> = new Set([
  '06092a864886f70d0101010500', // rsaEncryption
  '06072a8648ce3d020106082a8648ce3d030107', // P-256
  '06072a8648ce3d020106052b81040022', // P-384
  '06072a8648ce3d020106052b81040023', // P-521
  '06032b6570',
  '06032b6571',
]);
const pssKeyPrefix = `0609${pssOid}`;

const minRsaBits = 2048;
/** A longer one makes a single check a burden. */
const maxRsaBits = 8192;
const maxRsaExponent = 2n ** 32n;

/** RSA of `maxRsaBits` with the longest exponent fits; nothing else comes near. */
const maxKeyBytes = 1100;

/** Of a SubjectPublicKeyInfo, before anybody builds a key from it. Throws KEY_NOT_ALLOWED, DerError. */
export function checkKeyAlgorithm(publicKeyInfo: Uint8Array): void {
  const [identifier, bits] = readElements(readOnly(publicKeyInfo, derTags.sequence));
  const algorithm = Buffer.from(expectTag(identifier, derTags.sequence).content).toString('hex');
  const known = keyAlgorithms.has(algorithm) || algorithm.startsWith(pssKeyPrefix);
  if (!known || readBitStringBytes(bits).length > maxKeyBytes) throw new ChainRefused('KEY_NOT_ALLOWED');
}

/** Throws KEY_NOT_ALLOWED. */
export function checkKeyStrength(key: KeyObject): void {
  if (!isStrongKey(key)) throw new ChainRefused('KEY_NOT_ALLOWED');
}

function isStrongKey(key: KeyObject): boolean {
  const type = key.asymmetricKeyType;
  if (type !== 'rsa' && type !== 'rsa-pss') return true;
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < minRsaBits || modulusLength > maxRsaBits) return false;
  return publicExponent >= 3n && publicExponent < maxRsaExponent && publicExponent % 2n === 1n;
}

/** Is this the signature of `key` over `signed`? Never throws for a bad signature. */
export function verifySignature(options: {
  algorithm: SignatureAlgorithm;
  key: KeyObject;
  signed: Uint8Array;
  signature: Uint8Array;
}): boolean {
  const { algorithm, key, signed, signature } = options;
  if (!algorithm.keyTypes.includes(key.asymmetricKeyType ?? '')) return false;
  const padding =
    algorithm.pssSaltLength === null
      ? {}
      : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: algorithm.pssSaltLength };
  try {
    return verify(algorithm.digest, signed, { key, ...padding }, signature);
  } catch {
    return false;
  }
}
