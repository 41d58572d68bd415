// Is this delivery from Lean? Pure judgement over what the connection and the request hold.
// Never answers "yes" for lack of evidence: a method that is switched on must prove itself on every request.
import type { Proof } from '../core/delivery.ts';
import { verifyWebhookSignature } from '../lean/webhook-signature.ts';
import type { ChainVerdict } from '../tls/certificate-chain.ts';
import type { ChainRefusal } from '../tls/chain-refusals.ts';

/** What is known of the certificate a connection presented, at the moment of one request. */
export interface PeerCertificate {
  /** Lower-case hex, SHA-256 over the leaf's DER. */
  readonly sha256: string;
  /** The leaf's exact names as LEAN_CLIENT_NAMES would hold them, for the log. */
  readonly names: string;
  /** The verdict on the whole chain, under the anchors, the lists and the time of this request. */
  readonly chain: ChainVerdict;
  /** The handshake's own verdict about the chain; null where it is not asked, as it knows no purpose but clientAuth. */
  readonly isVerifiedByTls: boolean | null;
  /** Whether the chain stands and the leaf is on LEAN_CLIENT_NAMES. */
  readonly isLean: boolean;
}

/** Why a certificate is refused; a label of a metric too, so a closed list. */
export type CertificateReason = ChainRefusal | 'NOT_PRESENTED' | 'HANDSHAKE_UNVERIFIED' | 'NOT_ON_LIST';

export interface CertificateRefusal {
  readonly code: 'CERTIFICATE_REQUIRED' | 'CERTIFICATE_INVALID' | 'CERTIFICATE_NOT_LEAN';
  readonly reason: CertificateReason;
}

/** The one judgement about the certificate, the same at the handshake and at each request; null = it is Lean's. */
export function judgeCertificate(peer: PeerCertificate | null): CertificateRefusal | null {
  if (peer === null) return { code: 'CERTIFICATE_REQUIRED', reason: 'NOT_PRESENTED' };
  if (peer.chain.verdict === 'reject') return refuseChain(peer.chain.reason);
  if (peer.isVerifiedByTls === false) return { code: 'CERTIFICATE_INVALID', reason: 'HANDSHAKE_UNVERIFIED' };
  return peer.isLean ? null : { code: 'CERTIFICATE_NOT_LEAN', reason: 'NOT_ON_LIST' };
}

/** A key that is not pinned says nothing against the chain: somebody else's certificate of the same authority. */
function refuseChain(reason: ChainRefusal): CertificateRefusal {
  return { code: reason === 'KEY_PIN_REQUIRED' ? 'CERTIFICATE_NOT_LEAN' : 'CERTIFICATE_INVALID', reason };
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
