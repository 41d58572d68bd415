// Is this delivery signed with our webhook secret? Judges the raw bytes only: it never parses them, and takes the
// same time for every wrong signature.
import { timingSafeEqual } from 'node:crypto';
import { createHmacSha512, type HmacSha512 } from './hmac-sha512.ts';

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

// Both are written over from end to end before each comparison: what has the form has this length.
const given = Buffer.alloc('sha512='.length + 128);
const expected = Buffer.alloc(given.length);

/** By secret, of those in force alone: one that was taken out of force is not to be found in memory either. */
const hmacs = new Map<string, HmacSha512>();

function hmacUnder(secret: string, secrets: readonly string[]): HmacSha512 {
  const known = hmacs.get(secret);
  if (known !== undefined) return known;
  for (const former of hmacs.keys()) if (!secrets.includes(former)) hmacs.delete(former);
  const made = createHmacSha512(secret);
  hmacs.set(secret, made);
  return made;
}

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
  given.write(header, 'latin1');
  let matches = 0;
  for (const secret of secrets) {
    // Anybody can sign with an empty secret.
    if (secret === '') continue;
    expected.write(`sha512=${hmacUnder(secret, secrets)(rawBody)}`, 'latin1');
    // No early end: the time must not tell which secret was nearly right.
    matches += Number(timingSafeEqual(given, expected));
  }
  return matches > 0 ? 'valid' : 'invalid';
}
