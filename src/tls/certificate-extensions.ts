// Reads the extensions of a certificate. A critical one that is not read here refuses the certificate, and so does one
// that stands twice or is malformed: what we do not understand never makes us more lenient.
import { ChainRefused } from './chain-refusals.ts';
import { DerError, derTags, readElements, readOnly, type DerElement } from './der.ts';
import {
  expectTag,
  readBoolean,
  readIntegerHex,
  readNamedBits,
  readOid,
  readSequence,
  readSmallInteger,
} from './der-values.ts';
import { readGeneralNameList, readGeneralNames, type GeneralName } from './general-names.ts';
import { readNameConstraints, type NameConstraints } from './name-constraints.ts';

export interface BasicConstraints {
  readonly isCa: boolean;
  /** Authorities that may follow below this one; null: any number. */
  readonly pathLength: number | null;
  readonly critical: boolean;
}

/** A certificate by its issuer's names and its serial number; RFC 5280, 4.2.1.1 wants both or none. */
export interface NamedCertificate {
  /** Empty: not said. */
  readonly issuer: readonly GeneralName[];
  /** Content bytes, hex; null: not said. */
  readonly serial: string | null;
}

/** Who signed, by the key's own identifier, or by the name and number of its certificate. */
export interface AuthorityKeyId {
  /** Hex; null: it names no key. */
  readonly keyId: string | null;
  /** The signer's certificate; null: it names none. */
  readonly certificate: NamedCertificate | null;
}

/** null: the extension is not there. */
export interface CertificateExtensions {
  readonly basicConstraints: BasicConstraints | null;
  /** A bit set of `keyUsageBits`. */
  readonly keyUsage: number | null;
  /** Object identifiers, hex of their bytes. */
  readonly extendedKeyUsage: readonly string[] | null;
  readonly alternativeNames: { readonly names: readonly GeneralName[]; readonly critical: boolean } | null;
  readonly nameConstraints: NameConstraints | null;
  readonly authorityKeyId: AuthorityKeyId | null;
  /** Hex. */
  readonly subjectKeyId: string | null;
}

// RFC 5280, 4.2.1.3
export const keyUsageBits = { digitalSignature: 1 << 0, keyCertSign: 1 << 5, crlSign: 1 << 6 } as const;

export const extendedKeyUsages = { serverAuth: '2b06010505070301', clientAuth: '2b06010505070302' } as const;

export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Object identifiers of id-ce, 2.5.29.x, and a few others. */
export const extensionOids = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  distributionPoints: '551d1f',
  certificatePolicies: '551d20',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
} as const;

/**
 * These give a certificate another meaning (a proxy's, a holder of address blocks), critical or not:
 * 1.3.6.1.5.5.7.1.14, .7 and .8.
 */
const refusedOids: ReadonlySet<string> = new Set([
  '2b0601050507010e',
  '2b06010505070107',
  '2b06010505070108',
]);

// 2.16.840.1.113730.1.1, and its bits for a client of TLS and for an authority of TLS.
const netscapeTypeOid = '6086480186f8420101';
const netscapeTypeBits = { client: 1 << 0, authority: 1 << 5 } as const;

/**
 * Those a certificate may mark critical. Policies restrict nothing here, as no policy is asked for; constraints on
 * policies are not implemented, so that they are refused when critical.
 */
const criticalOids: ReadonlySet<string> = new Set([
  extensionOids.keyUsage,
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.nameConstraints,
  extensionOids.certificatePolicies,
  extensionOids.extendedKeyUsage,
]);

/** Throws ChainRefused. `list` is the SEQUENCE OF Extension. */
export function readCertificateExtensions(list: DerElement | undefined): CertificateExtensions {
  const extensions = attemptExtension(() => readExtensionList(list));
  const found = new Map(extensions.map((extension) => [extension.oid, extension]));
  if (found.size !== extensions.length) throw new ChainRefused('EXTENSION_REPEATED');
  if (extensions.some(({ oid }) => refusedOids.has(oid))) throw new ChainRefused('EXTENSION_NOT_SUPPORTED');
  if (found.get(netscapeTypeOid)?.critical) throw new ChainRefused('EXTENSION_NOT_SUPPORTED');
  if (extensions.some(({ oid, critical }) => critical && !criticalOids.has(oid)))
    throw new ChainRefused('EXTENSION_UNKNOWN_CRITICAL');
  const decoded = attemptExtension(() => decodeExtensions(found));
  if (!attemptExtension(() => isNetscapeTypeHarmless(found.get(netscapeTypeOid), decoded)))
    throw new ChainRefused('EXTENSION_NOT_SUPPORTED');
  return decoded;
}

/** Netscape's type of old may only repeat what we demand anyway. */
function isNetscapeTypeHarmless(
  extension: RawExtension | undefined,
  { basicConstraints }: CertificateExtensions,
): boolean {
  if (extension === undefined) return true;
  const bits = readNamedBits(readOnly(extension.value, derTags.bitString));
  return (bits & netscapeTypeBits[basicConstraints?.isCa ? 'authority' : 'client']) !== 0;
}

/** Each with its flag; a flag that says the default must not be written in DER. Throws DerError. */
export function readExtensionList(list: DerElement | undefined): RawExtension[] {
  const extensions = readSequence(list).map((element) => {
    const [oid, ...rest] = readSequence(element);
    const [flag, value] = rest.length === 2 ? rest : [undefined, rest[0]];
    const critical = flag !== undefined && readBoolean(flag);
    if (rest.length > 2 || (flag && !critical)) throw new DerError('malformed extension');
    return { oid: readOid(oid), critical, value: expectTag(value, derTags.octetString).content };
  });
  if (extensions.length === 0) throw new DerError('empty list of extensions');
  return extensions;
}

function decodeExtensions(found: ReadonlyMap<string, RawExtension>): CertificateExtensions {
  const read = <Value>(oid: string, decode: (extension: RawExtension) => Value): Value | null => {
    const extension = found.get(oid);
    return extension === undefined ? null : decode(extension);
  };
  read(extensionOids.certificatePolicies, ({ value }) => readElements(readOnly(value, derTags.sequence)));
  read(extensionOids.distributionPoints, ({ value }) => checkDistributionPoints(value));
  return {
    basicConstraints: read(extensionOids.basicConstraints, readBasicConstraints),
    keyUsage: read(extensionOids.keyUsage, readKeyUsage),
    extendedKeyUsage: read(extensionOids.extendedKeyUsage, readExtendedKeyUsage),
    alternativeNames: read(extensionOids.subjectAltName, ({ value, critical }) => ({
      names: readGeneralNameList(value),
      critical,
    })),
    nameConstraints: read(extensionOids.nameConstraints, ({ value }) => readNameConstraints(value)),
    authorityKeyId: read(extensionOids.authorityKeyIdentifier, readAuthorityKeyId),
    subjectKeyId: read(extensionOids.subjectKeyIdentifier, ({ value }) =>
      toHex(readOnly(value, derTags.octetString)),
    ),
  };
}

function readBasicConstraints({ value, critical }: RawExtension): BasicConstraints {
  const fields = readElements(readOnly(value, derTags.sequence));
  const [first] = fields;
  const isCa = first?.tag === derTags.boolean && readBoolean(first);
  const rest = fields.slice(isCa ? 1 : 0);
  // DER does not write the default; and a path length on what is no authority means nothing.
  if (rest.length > (isCa ? 1 : 0)) throw new DerError('malformed basic constraints');
  return { isCa, pathLength: rest.length === 1 ? readSmallInteger(rest[0]) : null, critical };
}

function readKeyUsage({ value }: RawExtension): number {
  const bits = readNamedBits(readOnly(value, derTags.bitString));
  if (bits === 0) throw new DerError('empty key usage');
  return bits;
}

function readExtendedKeyUsage({ value }: RawExtension): string[] {
  const purposes = readElements(readOnly(value, derTags.sequence)).map(readOid);
  if (purposes.length === 0) throw new DerError('empty extended key usage');
  return purposes;
}

/** Throws DerError. */
export function readAuthorityKeyId({ value }: RawExtension): AuthorityKeyId {
  const fields = readElements(readOnly(value, derTags.sequence));
  const tags = fields.map(({ tag }) => tag);
  const ordered = tags.every((tag, index) => index === 0 || (tags[index - 1] ?? 0) % 0x20 < tag % 0x20);
  if (!ordered || tags.some((tag) => ![0x80, 0xa1, 0x82].includes(tag)))
    throw new DerError('malformed authority key identifier');
  const content = (wanted: number) => fields.find(({ tag }) => tag === wanted)?.content;
  const [keyId, issuer, serial] = [content(0x80), content(0xa1), content(0x82)];
  const certificate = {
    issuer: issuer === undefined ? [] : readGeneralNames(issuer),
    serial:
      serial === undefined
        ? null
        : readIntegerHex({ tag: derTags.integer, content: serial, encoded: serial }),
  };
  const namesCertificate = issuer !== undefined || serial !== undefined;
  return {
    keyId: keyId === undefined ? null : toHex(keyId),
    certificate: namesCertificate ? certificate : null,
  };
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** We do not fetch lists; but OpenSSL refuses a certificate that announces them wrongly, and so do we. */
function checkDistributionPoints(value: Uint8Array): void {
  const points = readElements(readOnly(value, derTags.sequence));
  if (points.length === 0) throw new DerError('no distribution point');
  for (const point of points) {
    for (const { tag, content } of readSequence(point)) {
      if (tag === 0xa0) readGeneralNames(readOnly(content, 0xa0));
      else if (tag === 0xa2) readGeneralNames(content);
      else if (tag === 0x81) readNamedBits(content);
      else throw new DerError('malformed distribution point');
    }
  }
}

function attemptExtension<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw new ChainRefused('EXTENSION_MALFORMED');
    throw error;
  }
}
