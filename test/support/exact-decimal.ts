// What a decimal is worth, by whole numbers only and without a line of the service's code: the judge of tests that
// money comes through exactly.

/** Equal for equal numbers, whatever their spelling: `10.0`, `1e1` and `10` are `1e1`. Throws for what is no decimal. */
export function exactValue(text: string): string {
  const { digits, power } = partsOf(text);
  if (digits === 0n) return '0';
  let [left, tens] = [digits, power];
  while (left % 10n === 0n) [left, tens] = [left / 10n, tens + 1];
  return `${left}e${tens}`;
}

/** The number times a power of ten, where that is whole; else null. */
export function scaledValue(text: string, exponent: number): bigint | null {
  const { digits, power } = partsOf(text);
  const shift = power + exponent;
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return digits % divisor === 0n ? digits / divisor : null;
}

function partsOf(text: string): { digits: bigint; power: number } {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) throw new Error(`not a decimal: ${text}`);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  return { digits: sign === '-' ? -digits : digits, power: Number(exponent) - fraction.length };
}
