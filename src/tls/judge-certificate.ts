// Is the certificate a caller presented Lean's own? The one judgement, over what is known of it at the moment of a request.
// Never answers "yes" for lack of evidence, and never asks how the certificate came here.
import type { ChainVerdict } from './certificate-chain.ts';
import type { ChainRefusal } from './chain-refusals.ts';
import type { ForwardedRefusal } from './forwarded-certificate.ts';

/** What is known of the certificate a caller presented, at the moment of one request. */
export interface PeerCertificate {
  /** Lower-case hex, SHA-256 over the leaf's DER. */
  readonly sha256: string;
  readonly leafDer: Uint8Array;
  /** The leaf's exact names as LEAN_CLIENT_NAMES would hold them, for the log. */
  readonly names: string;
  /** The leaf's key as LEAN_CLIENT_NAMES would hold it; empty when the leaf cannot be read. */
  readonly keyPin: string;
  /** The verdict on the whole chain, under the anchors, the lists and the time of this request. */
  readonly chain: ChainVerdict;
  /** The handshake's own verdict about the chain; null where there was none, or none for the purpose that counts. */
  readonly isVerifiedByTls: boolean | null;
  /** Whether the chain stands and the leaf is on LEAN_CLIENT_NAMES. */
  readonly isLean: boolean;
}

/** What a connection or a request holds of a certificate. */
export type PeerReading =
  | { readonly kind: 'absent' }
  /** A proxy forwarded something that is not believed, or that is no certificate. */
  | { readonly kind: 'unreadable'; readonly reason: UnreadableReason }
  | { readonly kind: 'presented'; readonly peer: PeerCertificate };

export type UnreadableReason = ForwardedRefusal | 'PROXY_NOT_TRUSTED';

/** Why a certificate is refused; a label of a metric too, so a closed list. */
export type CertificateReason =
  | ChainRefusal
  | UnreadableReason
  | 'NOT_PRESENTED'
  | 'HANDSHAKE_UNVERIFIED'
  | 'NOT_ON_LIST';

export interface CertificateRefusal {
  readonly code: 'CERTIFICATE_REQUIRED' | 'CERTIFICATE_INVALID' | 'CERTIFICATE_NOT_LEAN';
  readonly reason: CertificateReason;
}

/** The same at the handshake and at each request, for a socket and for a header; null = it is Lean's. */
export function judgeCertificate(reading: PeerReading): CertificateRefusal | null {
  if (reading.kind === 'absent') return { code: 'CERTIFICATE_REQUIRED', reason: 'NOT_PRESENTED' };
  if (reading.kind === 'unreadable') return { code: 'CERTIFICATE_INVALID', reason: reading.reason };
  const { chain, isVerifiedByTls, isLean } = reading.peer;
  if (chain.verdict === 'reject') return refuseChain(chain.reason);
  if (isVerifiedByTls === false) return { code: 'CERTIFICATE_INVALID', reason: 'HANDSHAKE_UNVERIFIED' };
  return isLean ? null : { code: 'CERTIFICATE_NOT_LEAN', reason: 'NOT_ON_LIST' };
}

/** A key that is not pinned says nothing against the chain: somebody else's certificate of the same authority. */
function refuseChain(reason: ChainRefusal): CertificateRefusal {
  return { code: reason === 'KEY_PIN_REQUIRED' ? 'CERTIFICATE_NOT_LEAN' : 'CERTIFICATE_INVALID', reason };
}
