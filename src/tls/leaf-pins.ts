// Is this leaf on the list of LEAN_CLIENT_NAMES? Names are read from the certificate's DER and compared whole.
// Never looks at the printed form of a certificate (which can be made to hold any text) nor at its subject.
import { createHash, type X509Certificate } from 'node:crypto';
import { DerError, derTags, readElements, readOnly, type DerElement } from './der.ts';

/**
 * One entry of LEAN_CLIENT_NAMES: an exact subject alternative name (dns in lower case), or the leaf's key
 * (`spki`: base64 of SHA-256 over its SubjectPublicKeyInfo).
 */
export interface LeafPin {
  readonly kind: 'dns' | 'uri' | 'spki';
  readonly value: string;
}

export interface LeafNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
}

/** True when the leaf carries one of the names or has one of the keys. A certificate we cannot read matches nothing. */
export function matchesLeafPin(leaf: X509Certificate, pins: readonly LeafPin[]): boolean {
  const names = readLeafNames(leaf.raw);
  if (names === null) return false;
  const spki = spkiSha256(leaf);
  return pins.some((pin) => {
    if (pin.kind === 'spki') return pin.value === spki;
    return names[pin.kind].includes(pin.value);
  });
}

/** Base64 of SHA-256 over the leaf's SubjectPublicKeyInfo, as after `sha256/` in LEAN_CLIENT_NAMES. */
export function spkiSha256(leaf: X509Certificate): string {
  const spki = leaf.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

/** The dNSName (lower case, as DNS compares) and URI entries of a certificate; null when its DER is not strict. */
export function readLeafNames(certificateDer: Uint8Array): LeafNames | null {
  try {
    return namesOf(readExtensions(certificateDer));
  } catch (error) {
    if (error instanceof DerError) return null;
    throw error;
  }
}

// id-ce-subjectAltName 2.5.29.17, RFC 5280 section 4.2.1.6, as the bytes of its object identifier.
const subjectAltNameOid = '551d11';
const dnsNameTag = 0x82;
const uriTag = 0x86;

function namesOf(extensions: readonly Extension[]): LeafNames {
  const found = extensions.filter((extension) => extension.oid === subjectAltNameOid);
  if (found.length > 1) throw new DerError('two lists of names');
  const [list] = found;
  if (list === undefined) return { dns: [], uri: [] };
  const names = readElements(readOnly(list.value, derTags.sequence));
  return {
    dns: names.filter(({ tag }) => tag === dnsNameTag).map((name) => printable(name).toLowerCase()),
    uri: names.filter(({ tag }) => tag === uriTag).map(printable),
  };
}

/** A name with a NUL, a space or a byte above ASCII is a trick, not a name. */
function printable({ content }: DerElement): string {
  if (content.some((byte) => byte < 0x21 || byte > 0x7e)) throw new DerError('name is not printable ASCII');
  return Buffer.from(content).toString('latin1');
}

interface Extension {
  readonly oid: string;
  readonly value: Uint8Array;
}

// RFC 5280 section 4.1: the extensions are the last field of the to-be-signed part, under the tag [3].
const extensionsTag = 0xa3;

function readExtensions(certificateDer: Uint8Array): Extension[] {
  const [toBeSigned] = readElements(readOnly(certificateDer, derTags.sequence));
  if (toBeSigned?.tag !== derTags.sequence) throw new DerError('no to-be-signed part');
  const last = readElements(toBeSigned.content).at(-1);
  if (last?.tag !== extensionsTag) return [];
  return readElements(readOnly(last.content, derTags.sequence)).map(readExtension);
}

function readExtension({ tag, content }: DerElement): Extension {
  const [oid, ...rest] = tag === derTags.sequence ? readElements(content) : [];
  const [critical, value] = rest.length === 2 ? rest : [undefined, rest[0]];
  const wellFormed = rest.length <= 2 && (critical === undefined || critical.tag === derTags.boolean);
  if (!wellFormed || oid?.tag !== derTags.objectIdentifier || value?.tag !== derTags.octetString) {
    throw new DerError('malformed extension');
  }
  return { oid: Buffer.from(oid.content).toString('hex'), value: value.content };
}
