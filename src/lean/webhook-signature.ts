// Is this delivery signed with our webhook secret? Judges the raw bytes only: it never parses them, and takes the
// same time for every wrong signature.
import { createHmac, timingSafeEqual } from 'node:crypto';

export type SignatureVerdict = 'valid' | 'missing' | 'invalid';

export interface SignedDelivery {
  /** The bytes as they came over the wire. */
  readonly rawBody: Uint8Array;
  /** Every `lean-signature` field of the request, from the raw headers: repeats must not be joined. */
  readonly signatureHeaders: readonly string[];
  /** Secrets in force, more than one while they are rotated. Empty ones never match. */
  readonly secrets: readonly string[];
}

const pattern = /^sha512=[0-9a-f]{128}$/;

/**
 * `valid` needs exactly one field `sha512=<hex>` holding the HMAC-SHA512 of the raw body under any of the secrets
 * (docs.leantech.me/docs/webhooks). No secrets, nothing is valid.
 */
export function verifyWebhookSignature({
  rawBody,
  signatureHeaders,
  secrets,
}: SignedDelivery): SignatureVerdict {
  const [header] = signatureHeaders;
  if (header === undefined) return 'missing';
  if (signatureHeaders.length !== 1 || !pattern.test(header)) return 'invalid';
  const given = Buffer.from(header.slice('sha512='.length), 'hex');
  let matches = 0;
  for (const secret of secrets) {
    // Anybody can sign with an empty secret.
    if (secret === '') continue;
    const expected = createHmac('sha512', secret).update(rawBody).digest();
    // No early end: the time must not tell which secret was nearly right.
    matches += Number(timingSafeEqual(given, expected));
  }
  return matches > 0 ? 'valid' : 'invalid';
}
