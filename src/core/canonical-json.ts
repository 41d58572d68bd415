// One spelling for equal JSON values: keys sorted, no blanks, numbers by value (`10.0` is `10` is `1e1`).
// For comparing and hashing only; what is stored keeps its own spelling.
import { isJsonObject, LosslessNumber } from './lossless-json.ts';

/** Takes what `parseLossless` gives, undefined members left out. Depth is bounded by the parser. */
export function canonicalJson(value: unknown): string {
  if (value instanceof LosslessNumber) return canonicalNumber(value.source);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value ?? null);
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${members.join(',')}}`;
}

/** Digits without leading and trailing zeros, then the power of ten: any two spellings of one number agree. */
function canonicalNumber(source: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source);
  if (!match) return JSON.stringify(source);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = withoutTrailingZeros(digits);
  if (significant === '') return '0';
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

/** By a loop: the pattern /0+$/ takes quadratic time on a long run of zeros that ends in another digit. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}
