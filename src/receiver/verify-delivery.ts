// Is this delivery from Lean? Pure judgement over what the connection and the request hold.
// Never answers "yes" for lack of evidence: a method that is switched on must prove itself on every request.
import type { Proof } from '../core/delivery.ts';
import { verifyWebhookSignature } from '../lean/webhook-signature.ts';

/** What is known of the certificate a connection presented; the chain was verified in the handshake. */
export interface PeerCertificate {
  /** Lower-case hex, SHA-256 over the leaf's DER. */
  readonly sha256: string;
  /** The leaf's exact names as LEAN_CLIENT_NAMES would hold them, for the log. */
  readonly names: string;
  /** The span in which the leaf itself is valid, as epoch milliseconds. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** The handshake's own verdict about the chain. */
  readonly chainVerified: boolean;
  /** Whether the leaf is on LEAN_CLIENT_NAMES. */
  readonly isLean: boolean;
}

export type CertificateRefusal = 'CERTIFICATE_REQUIRED' | 'CERTIFICATE_INVALID' | 'CERTIFICATE_NOT_LEAN';

/** null = it is Lean's. */
export function judgeCertificate(peer: PeerCertificate | null, nowMs: number): CertificateRefusal | null {
  if (peer === null) return 'CERTIFICATE_REQUIRED';
  if (!chainStands(peer, nowMs)) return 'CERTIFICATE_INVALID';
  return peer.isLean ? null : 'CERTIFICATE_NOT_LEAN';
}

/**
 * The one judgement about the chain that each request gets. The handshake verified all of it; the leaf's dates are looked
 * at again, because a connection outlives a handshake. Issuers' dates are not: what a peer presents is not the path that
 * was verified (an expired cross-certificate in it proves nothing), and the greatest age of a connection covers them.
 */
function chainStands({ chainVerified, validFromMs, validToMs }: PeerCertificate, nowMs: number): boolean {
  return chainVerified && validFromMs <= nowMs && nowMs <= validToMs;
}

export type SignatureRefusal = 'SIGNATURE_MISSING' | 'SIGNATURE_INVALID';

/** null = signed with one of our secrets. `rawHeaders` as node:http gives them, so that a repeated header is seen. */
export function judgeSignature(request: {
  rawBody: Uint8Array;
  rawHeaders: readonly string[];
  secrets: readonly string[];
}): SignatureRefusal | null {
  const { rawBody, rawHeaders, secrets } = request;
  const signatureHeaders = headerValues(rawHeaders, 'lean-signature');
  const verdict = verifyWebhookSignature({ rawBody, signatureHeaders, secrets });
  if (verdict === 'valid') return null;
  return verdict === 'missing' ? 'SIGNATURE_MISSING' : 'SIGNATURE_INVALID';
}

/** The signature is the stronger proof: its secret is ours alone, while any customer of Lean can have Lean call us. */
export function proofOf(verify: { certificate: boolean; signature: boolean }): Proof {
  if (verify.signature) return 'signature';
  return verify.certificate ? 'certificate' : 'none';
}

/** Every value of a header, in order; `name` in lower case. */
function headerValues(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}
