// The rules of RFC 5280 for a leaf, for an issuer and for a whole path, one by one: each returns why it refuses, or null.
// Signatures, names and revocation have files of their own.
import type { ChainCertificate } from './certificate-der.ts';
import { extendedKeyUsages, keyUsageBits } from './certificate-extensions.ts';
import type { ChainRefusal } from './chain-refusals.ts';

export type ClientPolicy =
  | { readonly purpose: 'clientAuth' }
  /** Also without the client purpose; the leaf's key (base64 of SHA-256 over its SPKI) must then be one of these. */
  | { readonly purpose: 'serverAuth'; readonly keyPins: readonly string[] };

export function refuseLeaf(leaf: ChainCertificate, nowMs: number): ChainRefusal | null {
  const { basicConstraints, keyUsage } = leaf.extensions;
  if (basicConstraints?.isCa) return 'LEAF_IS_CA';
  if (keyUsage !== null && !(keyUsage & keyUsageBits.digitalSignature)) return 'LEAF_KEY_USAGE';
  if (keyUsage !== null && keyUsage & keyUsageBits.keyCertSign) return 'LEAF_KEY_USAGE';
  return refuseDates(leaf, nowMs);
}

/** Could it ever issue a certificate, wherever in a path it stands? */
export function refuseAuthority({ extensions }: ChainCertificate): ChainRefusal | null {
  const { basicConstraints, keyUsage } = extensions;
  if (!basicConstraints?.isCa || !basicConstraints.critical) return 'ISSUER_NOT_CA';
  if (((keyUsage ?? 0) & keyUsageBits.keyCertSign) === 0) return 'ISSUER_KEY_USAGE';
  return null;
}

/** May `issuer` stand above `path`, which runs from the leaf to the certificate it would have issued? */
export function refuseIssuer(
  issuer: ChainCertificate,
  { path, nowMs }: { path: readonly ChainCertificate[]; nowMs: number },
): ChainRefusal | null {
  // Only a root, which is its own issuer, may leave out which key signed it.
  if ((path.at(-1)?.extensions.authorityKeyId?.keyId ?? null) === null) return 'KEY_IDENTIFIER_MISSING';
  const refusal = refuseAuthority(issuer);
  if (refusal !== null) return refusal;
  const pathLength = issuer.extensions.basicConstraints?.pathLength ?? null;
  const authoritiesBelow = path.slice(1).filter(({ isSelfIssued }) => !isSelfIssued).length;
  if (pathLength !== null && authoritiesBelow > pathLength) return 'PATH_LENGTH_EXCEEDED';
  return refuseDates(issuer, nowMs);
}

/** An authority's list of purposes limits those below it, the anchor's too. */
export function refusePurpose(path: readonly ChainCertificate[], policy: ClientPolicy): ChainRefusal | null {
  const forClients = allHavePurpose(path, extendedKeyUsages.clientAuth);
  if (policy.purpose === 'clientAuth') return forClients ? null : 'PURPOSE_NOT_ALLOWED';
  if (!forClients && !allHavePurpose(path, extendedKeyUsages.serverAuth)) return 'PURPOSE_NOT_ALLOWED';
  const key = Buffer.from(path[0]?.spkiSha256 ?? '', 'hex').toString('base64');
  return policy.keyPins.includes(key) ? null : 'KEY_PIN_REQUIRED';
}

/** No list allows every purpose. `anyExtendedKeyUsage` is no client purpose, as OpenSSL has it. */
function allHavePurpose(path: readonly ChainCertificate[], purpose: string): boolean {
  return path.every(({ extensions }) => extensions.extendedKeyUsage?.includes(purpose) ?? true);
}

/** The moment of `notAfter` itself is past, as OpenSSL has it. */
export function refuseDates(
  { notBeforeMs, notAfterMs }: ChainCertificate,
  nowMs: number,
): ChainRefusal | null {
  if (nowMs < notBeforeMs) return 'NOT_YET_VALID';
  return nowMs >= notAfterMs ? 'EXPIRED' : null;
}
