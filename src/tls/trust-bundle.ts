// The anchors a client's chain must end in, read once when the file is loaded. Only a self-signed authority is an
// anchor; an intermediate in the file helps to find the way and is never trusted by itself.
import { createHash } from 'node:crypto';
import { readChainCertificate, type ChainCertificate } from './certificate-der.ts';
import { ChainRefused, type ChainRefusal } from './chain-refusals.ts';
import { refuseAuthority } from './path-rules.ts';

export interface TrustBundle {
  readonly roots: readonly ChainCertificate[];
  readonly intermediates: readonly ChainCertificate[];
  /** Certificates of the file that cannot be used, by their place in it. */
  readonly unusable: readonly { readonly index: number; readonly reason: ChainRefusal }[];
  /** Changes with the file's certificates; part of the key of a remembered verdict. */
  readonly version: string;
}

/** Reads every certificate (DER). Never throws for what is in them: see `unusable`, and BUNDLE_EMPTY when judging. */
export function readTrustBundle(certificatesDer: readonly Uint8Array[]): TrustBundle {
  const roots: ChainCertificate[] = [];
  const intermediates: ChainCertificate[] = [];
  const unusable: { index: number; reason: ChainRefusal }[] = [];
  for (const [index, der] of certificatesDer.entries()) {
    const certificate = attemptToRead(() => readChainCertificate(der));
    const reason = typeof certificate === 'string' ? certificate : refuseInBundle(certificate);
    if (reason !== null) unusable.push({ index, reason });
    else if (typeof certificate !== 'string') (isRoot(certificate) ? roots : intermediates).push(certificate);
  }
  const sha256s = certificatesDer.map((der) => createHash('sha256').update(der).digest('hex'));
  const version = createHash('sha256').update(sha256s.join(' ')).digest('hex');
  return { roots, intermediates, unusable, version };
}

/** A certificate that a peer presents, or why it cannot be used. */
export function readOrReason(der: Uint8Array): ChainCertificate | ChainRefusal {
  const certificate = attemptToRead(() => readChainCertificate(der));
  return typeof certificate === 'string' ? certificate : (refuseAlgorithm(certificate) ?? certificate);
}

function attemptToRead(read: () => ChainCertificate): ChainCertificate | ChainRefusal {
  try {
    return read();
  } catch (error) {
    if (error instanceof ChainRefused) return error.reason;
    throw error;
  }
}

/** A root that could never issue anything is named here, so that nobody finds out by refused deliveries. */
function refuseInBundle(certificate: ChainCertificate): ChainRefusal | null {
  if (isSelfSigned(certificate)) return refuseAuthority(certificate);
  return refuseAlgorithm(certificate);
}

/** A root is trusted because it is in the file: its signature of itself proves nothing, by whatever algorithm. */
function refuseAlgorithm({ signatureAlgorithm }: ChainCertificate): ChainRefusal | null {
  return signatureAlgorithm === null ? 'SIGNATURE_ALGORITHM_NOT_ALLOWED' : null;
}

function isRoot(certificate: ChainCertificate): boolean {
  const { x509 } = certificate;
  // Its key identifiers, too, have to name itself.
  return isSelfSigned(certificate) && x509.checkIssued(x509);
}

function isSelfSigned({ x509, key, isSelfIssued }: ChainCertificate): boolean {
  return isSelfIssued && x509.verify(key);
}
