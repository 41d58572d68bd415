// Amounts in every spelling a bank's JSON may have: up to 18 digits before the point and 10 after it, integers, zeros at
// the end, zero itself, and exponents.
import fc from 'fast-check';

const whole = fc.stringMatching(/^(0|[1-9]\d{0,17})$/);
const fraction = fc.stringMatching(/^\d{1,10}$/);

/** The source text of a JSON number without a sign. */
export const unsignedSpelling: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(whole, fraction).map(([before, after]) => `${before}.${after}`) },
  { weight: 2, arbitrary: whole },
  whole.map((before) => `${before}.0`),
  fc.constantFrom('0', '0.0', '0.00', '0e5', '0.0E-3', '999999999999999999.9999999999', '0.0000000001'),
  fc
    .tuple(
      fc.stringMatching(/^[1-9]\d{0,5}(\.\d{1,6})?$/),
      fc.constantFrom('e', 'E'),
      fc.integer({ min: -4, max: 10 }),
    )
    .map(([digits, letter, power]) => `${digits}${letter}${power}`),
  fc.stringMatching(/^[1-9]\.\d{1,5}[eE]\+\d$/),
);

/** As v1 writes it: debits have a minus. */
export const signedSpelling: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('', '-'), unsignedSpelling)
  .map(([sign, amount]) => `${sign}${amount}`);
