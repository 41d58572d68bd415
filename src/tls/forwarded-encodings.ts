// The encodings in which load balancers write certificates into a header: each reader takes one spelling and refuses all
// others with ForwardedRefused. None of them repairs, skips or guesses; the work grows with the length and no faster.
import { DerError, derTags, readElements, readOnly } from './der.ts';
import { ForwardedRefused, unreadable } from './forwarded-answer.ts';

/** The verifier's own bound. */
const maxCertificateBytes = 20_000;

/** URL-encoded PEM of one certificate. */
export function readEncodedPem(value: string): Uint8Array {
  const [certificate, ...more] = readEncodedPemChain(value);
  if (certificate === undefined || more.length > 0) throw unreadable();
  return certificate;
}

/** URL-encoded PEM of one certificate after the other. A `+` is a `+`: this is no form. */
export function readEncodedPemChain(value: string): Uint8Array[] {
  return readPem(decodePercent(value));
}

/** Base64 of certificates in DER, separated by commas. */
export function readBase64List(value: string): Uint8Array[] {
  return value.split(',').map(readBase64Certificate);
}

/** Base64 of one certificate in DER. */
export function readBase64Certificate(value: string): Uint8Array {
  return checkCertificate(readBase64(value));
}

/** Base64 of certificates in DER, one directly behind the other. */
export function readBase64Concatenation(value: string): Uint8Array[] {
  const bytes = readBase64(value);
  return attempt(() => readElements(bytes)).map(({ encoded }) => checkCertificate(encoded));
}

/** A byte sequence of RFC 8941: base64 between colons. Parameters, of which RFC 9440 knows none, are refused. */
export function readByteSequence(value: string): Uint8Array {
  if (!value.startsWith(':') || !value.endsWith(':')) throw unreadable();
  return readBase64Certificate(value.slice(1, -1));
}

/** A list of byte sequences of RFC 8941; blanks may stand around its commas. */
export function readByteSequenceList(value: string): Uint8Array[] {
  return value.split(',').map((member) => readByteSequence(withoutBlanks(member)));
}

/** Spaces and tabs only. Not by a pattern, which would begin its search for the last blanks anew at each blank. */
function withoutBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text.charAt(start))) start += 1;
  while (end > start && isBlank(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t';
}

function decodePercent(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw unreadable();
  }
}

const armour = { begin: '-----BEGIN CERTIFICATE-----', end: '-----END CERTIFICATE-----' } as const;

/** Certificates with nothing in front of, between or behind them but ends of lines. */
function readPem(text: string): Uint8Array[] {
  const blocks: string[] = [];
  let open: string[] | null = null;
  for (const line of text.split(/\r?\n/)) {
    if (open === null) {
      if (line === armour.begin) open = [];
      else if (line !== '') throw unreadable();
    } else if (line === armour.end) {
      blocks.push(open.join(''));
      open = null;
    } else if (line === '') {
      throw unreadable();
    } else {
      open.push(line);
    }
  }
  if (open !== null) throw unreadable();
  return blocks.map(readBase64Certificate);
}

/** The one spelling of these bytes: padded, no blanks, no other alphabet, no bits left over. */
function readBase64(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64') !== value) throw unreadable();
  return bytes;
}

// RFC 5280, 4.1: what is signed, the algorithm, the signature.
const certificateTags: readonly number[] = [derTags.sequence, derTags.sequence, derTags.bitString];

/** One certificate from the first byte to the last, by its outline; the verifier reads the rest. */
function checkCertificate(der: Uint8Array): Uint8Array {
  if (der.length > maxCertificateBytes) throw new ForwardedRefused('HEADER_TOO_LARGE');
  const tags = attempt(() => readElements(readOnly(der, derTags.sequence))).map(({ tag }) => tag);
  if (tags.length !== certificateTags.length || tags.some((tag, index) => tag !== certificateTags[index]))
    throw unreadable();
  return der;
}

function attempt<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw unreadable();
    throw error;
  }
}
