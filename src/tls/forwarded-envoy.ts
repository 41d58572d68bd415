// Reads Envoy's x-forwarded-client-cert: elements separated by commas, each of `Key=value` pairs separated by semicolons.
// Believes one element only, for with two the first may be the caller's own, and takes no name from it, only certificates.
import { readEncodedPem, readEncodedPemChain } from './forwarded-encodings.ts';
import { ForwardedRefused, unreadable, type ForwardedChain } from './forwarded-answer.ts';

/** Throws ForwardedRefused. */
export function readEnvoyElement(value: string): ForwardedChain {
  const pairs = readPairs(value);
  const leafDer = readEncodedPem(soleValue(pairs, 'cert') ?? '');
  const chain = soleValue(pairs, 'chain');
  if (chain === null) return { leafDer, intermediatesDer: [] };
  const [first, ...intermediatesDer] = readEncodedPemChain(chain);
  // Envoy's chain begins with the leaf; another one belongs to somebody else.
  if (first === undefined || Buffer.compare(first, leafDer) !== 0) throw unreadable();
  return { leafDer, intermediatesDer };
}

interface Pair {
  /** In lower case: keys are told apart without it. */
  readonly key: string;
  readonly value: string;
}

/** null: there is none. */
function soleValue(pairs: readonly Pair[], wanted: string): string | null {
  const [found, ...more] = pairs.filter(({ key }) => key === wanted);
  if (more.length > 0) throw new ForwardedRefused('HEADER_REPEATED');
  return found?.value ?? null;
}

/** The pairs of the one element, which they fill to the last character. */
function readPairs(text: string): Pair[] {
  const pairs: Pair[] = [];
  let at = 0;
  do {
    const { pair, end } = readPair(text, at);
    pairs.push(pair);
    if (text.charAt(end) === ',') throw new ForwardedRefused('HEADER_REPEATED');
    at = end + 1;
  } while (at <= text.length);
  return pairs;
}

// Sticky, and without two ways to read one character, so that the text is walked through once.
const keyPattern = /([A-Za-z]+)=/y;
/** Only `"` and `\` end the run of other characters; a `\` stands in front of the character it escapes. */
const quotedPattern = /"([^"\\]*(?:\\.[^"\\]*)*)"/y;
const plainPattern = /[^",;]*/y;

/** `end` is the place of what follows: a semicolon, a comma, or the end of the text. */
function readPair(text: string, start: number): { pair: Pair; end: number } {
  const key = matchAt(keyPattern, text, start);
  const valueAt = start + key.whole.length;
  const isQuoted = text.charAt(valueAt) === '"';
  const found = matchAt(isQuoted ? quotedPattern : plainPattern, text, valueAt);
  const end = valueAt + found.whole.length;
  if (end < text.length && !';,'.includes(text.charAt(end))) throw unreadable();
  const value = isQuoted ? found.group.replaceAll(/\\(.)/g, '$1') : found.whole;
  return { pair: { key: key.group.toLowerCase(), value }, end };
}

/** Must match right here. */
function matchAt(pattern: RegExp, text: string, at: number): { whole: string; group: string } {
  pattern.lastIndex = at;
  const [whole, group = ''] = pattern.exec(text) ?? [];
  if (whole === undefined) throw unreadable();
  return { whole, group };
}
