// Is this body signed by Lean, and what does a delivery that got in prove? The certificate is judged in tls/.
// Never answers "yes" for lack of evidence, and never reads anything but the raw bytes and header lines.
import type { Proof } from '../core/delivery.ts';
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

/** Every value of a header, in order; `name` in lower case. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}
