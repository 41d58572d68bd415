// Is this leaf on the list of LEAN_CLIENT_NAMES? Names and key come from the verifier's own reading of its DER and are
// compared whole. Never looks at the printed form of a certificate (which can be made to hold any text) nor at its subject.
import { readChainCertificate, type ChainCertificate } from './certificate-der.ts';
import { ChainRefused } from './chain-refusals.ts';
import type { ClientPolicy } from './path-rules.ts';

/**
 * One entry of LEAN_CLIENT_NAMES: an exact subject alternative name (dns in lower case), or the leaf's key
 * (`spki`: base64 of SHA-256 over its SubjectPublicKeyInfo).
 */
export interface LeafPin {
  readonly kind: 'dns' | 'uri' | 'spki';
  readonly value: string;
}

/** dns in lower case, as DNS compares; a URI letter by letter. */
export interface LeafNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
}

export interface LeafIdentity {
  readonly names: LeafNames;
  /** Base64 of SHA-256 over the leaf's SubjectPublicKeyInfo, as after `sha256/` in LEAN_CLIENT_NAMES. */
  readonly spkiSha256: string;
}

/** null: the verifier cannot read this certificate, or one of its names is a trick. It is nobody then. */
export function readLeafIdentity(leafDer: Uint8Array): LeafIdentity | null {
  try {
    return identityOf(readChainCertificate(leafDer));
  } catch (error) {
    if (error instanceof ChainRefused) return null;
    throw error;
  }
}

function identityOf(leaf: ChainCertificate): LeafIdentity | null {
  const names = leafNamesOf(leaf);
  return names && { names, spkiSha256: keyPinOf(leaf) };
}

/** The dNSName and URI entries of a certificate; null when one of them holds a space, which no name does. */
export function leafNamesOf({ extensions }: ChainCertificate): LeafNames | null {
  const entries = extensions.alternativeNames?.names ?? [];
  const texts = (kind: 'dns' | 'uri') => entries.flatMap((name) => (name.kind === kind ? [name.text] : []));
  const names = { dns: texts('dns').map((name) => name.toLowerCase()), uri: texts('uri') };
  return [...names.dns, ...names.uri].some((name) => name.includes(' ')) ? null : names;
}

/** Base64 of SHA-256 over a certificate's SubjectPublicKeyInfo. */
export function keyPinOf({ spkiSha256 }: ChainCertificate): string {
  return Buffer.from(spkiSha256, 'hex').toString('base64');
}

/** What the verifier has to demand of a leaf, by LEAN_CLIENT_PURPOSE and the keys of LEAN_CLIENT_NAMES. */
export function clientPolicy(demand: {
  readonly purpose: ClientPolicy['purpose'];
  readonly pins: readonly LeafPin[];
}): ClientPolicy {
  const { purpose, pins } = demand;
  if (purpose === 'clientAuth') return { purpose };
  return { purpose, keyPins: pins.filter(({ kind }) => kind === 'spki').map(({ value }) => value) };
}

/** True when the leaf carries one of the names or has one of the keys. Nobody matches nothing. */
export function matchesLeafPin(identity: LeafIdentity | null, pins: readonly LeafPin[]): boolean {
  if (identity === null) return false;
  return pins.some(({ kind, value }) => {
    if (kind === 'spki') return value === identity.spkiSha256;
    return identity.names[kind].includes(value);
  });
}

/**
 * The exact names as LEAN_CLIENT_NAMES takes them, separated by commas; empty for nobody. A comma within a name, which
 * LEAN_CLIENT_NAMES cannot hold, is printed as `%2C`, so that one name never looks like two.
 */
export function printLeafNames(identity: LeafIdentity | null): string {
  if (identity === null) return '';
  const { dns, uri } = identity.names;
  const printed = [...dns.map((name) => `dns:${name}`), ...uri.map((name) => `uri:${name}`)];
  return printed.map((name) => name.replaceAll(',', '%2C')).join(',');
}
