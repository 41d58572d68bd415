// Is this body signed by Lean, and what does a delivery that got in prove? The certificate is judged in tls/.
// Never answers "yes" for lack of evidence, and never reads anything but the raw bytes and header lines.
import type { Proof } from '../core/delivery.ts';
import { headerValues } from '../core/raw-headers.ts';
import { verifyWebhookSignature } from '../lean/webhook-signature.ts';

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
