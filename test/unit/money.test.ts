import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimalSchema } from '../../src/core/canonical.ts';
import { currencyExponent } from '../../src/core/currency.ts';
import { parseDecimal, toMinorUnits } from '../../src/core/money.ts';

describe('parseDecimal', () => {
  it.each([
    ['10.0', '10.0'],
    ['1934', '1934'],
    ['1e3', '1000'],
    ['1.5E-7', '0.00000015'],
    ['-12.30', '-12.30'],
    ['12.5e1', '125'],
    ['12.345e1', '123.45'],
    ['-0', '0'],
    ['-0.00', '0.00'],
    ['0e99999', '0'],
    ['007.5', '7.5'],
    ['99999999999999999999.99999999999999999999', '99999999999999999999.99999999999999999999'],
    ['1e19', '10000000000000000000'],
    ['1e-20', '0.00000000000000000001'],
    ['0.1000000000000000000000000', '0.10000000000000000000'],
  ])('reads %s as %s', (source, decimal) => {
    expect(parseDecimal(source)).toBe(decimal);
  });

  it.each([
    '',
    'x',
    '1,5',
    '.5',
    '5.',
    '1e',
    'NaN',
    'Infinity',
    ' 1',
    '0x10',
    '1e20',
    '1e-21',
    '1e999999',
    '9'.repeat(21),
  ])('gives nothing for %s: not a number, or beyond 20 digits on a side', (source) => {
    expect(parseDecimal(source)).toBeNull();
  });

  it('round-trips every decimal within bounds, and never writes one the tables refuse', () => {
    const digits = fc.stringMatching(/^(0|[1-9]\d{0,19})(\.\d{1,20})?$/);
    fc.assert(
      fc.property(digits, (decimal) => {
        expect(parseDecimal(decimal)).toBe(decimal);
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^-?\d{1,30}(\.\d{1,30})?(e[+-]?\d{1,3})?$/), (source) => {
        const decimal = parseDecimal(source);
        expect(decimal === null || decimalSchema.safeParse(decimal).success).toBe(true);
      }),
    );
  });
});

describe('toMinorUnits', () => {
  it.each([
    ['12.5', 'AED', '1250'],
    ['10.0', 'SAR', '1000'],
    ['1.234', 'KWD', '1234'],
    ['500', 'JPY', '500'],
    ['1.2345', 'CLF', '12345'],
    ['1.2300', 'SAR', '123'],
    ['123456789012345678.91', 'AED', '12345678901234567891'],
    ['0', 'BHD', '0'],
  ])('gives %s %s as %s', (decimal, currency, minor) => {
    expect(toMinorUnits(decimal, currency)).toBe(minor);
  });

  it('gives nothing where a digit would be lost or the currency is not known', () => {
    expect(toMinorUnits('1.2345', 'KWD')).toBeNull();
    expect(toMinorUnits('0.5', 'JPY')).toBeNull();
    expect(toMinorUnits('1', 'XAU')).toBeNull();
    expect(toMinorUnits('1', null)).toBeNull();
  });

  it('loses nothing: minor units lead back to the amount', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 20n }),
        fc.constantFrom('AED', 'KWD', 'JPY', 'CLF'),
        (minor, code) => {
          const exponent = currencyExponent(code) ?? 0;
          const digits = minor.toString().padStart(exponent + 1, '0');
          const cut = digits.length - exponent;
          const decimal = exponent === 0 ? digits : `${digits.slice(0, cut)}.${digits.slice(cut)}`;
          expect(toMinorUnits(decimal, code)).toBe(minor.toString());
        },
      ),
    );
  });
});

describe('currencyExponent', () => {
  it('knows the Gulf, the currencies without minor units, and no unknown code', () => {
    const codes = [
      'AED',
      'SAR',
      'QAR',
      'BHD',
      'KWD',
      'OMR',
      'JOD',
      'IQD',
      'LYD',
      'TND',
      'JPY',
      'CLF',
      'UYW',
      'ZZZ',
    ];
    expect(codes.map(currencyExponent)).toEqual([2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 0, 4, 4, null]);
    expect(currencyExponent('constructor')).toBeNull();
  });
});
