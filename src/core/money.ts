// Money as exact decimal digits in a string, and as whole minor units. Never a JavaScript number.
import { currencyExponent } from './currency.ts';

/** What the tables hold: at most 20 digits before and 20 after the point. */
const digitLimit = 20;
/** A power of ten beyond this is out of bounds whatever the digits are; keeps hostile exponents from building text. */
const exponentLimit = 60;
/** Longer spellings are not money; bounds the work per number. */
const sourceLimit = 200;

const pattern = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,6}))?$/;

/**
 * A number's source text to plain digits: `1.5E-7` → `0.00000015`. Plain notation keeps its scale (`10.0` stays
 * `10.0`); zero has no sign. Null for what is not a number or does not fit 20 digits on either side of the point.
 */
export function parseDecimal(source: string): string | null {
  const match = source.length > sourceLimit ? null : pattern.exec(source);
  if (!match) return null;
  const [, sign = '', wholeText = '', fractionText = '', exponentText] = match;
  const plain = movePoint(wholeText, fractionText, Number(exponentText ?? '0'));
  if (!plain) return null;
  const digits = plain.fraction === '' ? plain.whole : `${plain.whole}.${plain.fraction}`;
  const isZero = /^[0.]+$/.test(digits);
  return sign === '-' && !isZero ? `-${digits}` : digits;
}

function movePoint(whole: string, fraction: string, exponent: number) {
  const digits = whole + fraction;
  if (/^0+$/.test(digits)) return { whole: '0', fraction: fraction.slice(0, digitLimit) };
  if (Math.abs(exponent) > exponentLimit) return null;
  const point = whole.length + exponent;
  const padded = point > 0 ? digits.padEnd(point, '0') : '0'.repeat(1 - point) + digits;
  const cut = Math.max(point, 1);
  const wholeDigits = padded.slice(0, cut).replace(/^0+(?=\d)/, '');
  const fractionDigits = padded.slice(cut);
  // Zeros beyond the limit lose nothing; any other digit there would.
  if (wholeDigits.length > digitLimit || /[1-9]/.test(fractionDigits.slice(digitLimit))) return null;
  return { whole: wholeDigits, fraction: fractionDigits.slice(0, digitLimit) };
}

export function isNegative(decimal: string): boolean {
  return decimal.startsWith('-');
}

export function absolute(decimal: string): string {
  return isNegative(decimal) ? decimal.slice(1) : decimal;
}

/**
 * `12.5` AED → `1250`, `1.2345` KWD → null: exact or nothing. Null too where ISO 4217 gives the currency no exponent.
 * Takes what `parseDecimal` gave.
 */
export function toMinorUnits(decimal: string, currency: string | null): string | null {
  const exponent = currency === null ? null : currencyExponent(currency);
  if (exponent === null) return null;
  const [whole = '0', fraction = ''] = absolute(decimal).split('.');
  if (/[1-9]/.test(fraction.slice(exponent))) return null;
  const minor = BigInt(whole + fraction.slice(0, exponent).padEnd(exponent, '0'));
  return (isNegative(decimal) ? -minor : minor).toString();
}
