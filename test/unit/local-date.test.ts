import { describe, expect, it } from 'vitest';
import { normalizeIban } from '../../src/core/iban.ts';
import { parseInstant } from '../../src/core/instant.ts';
import { localDate, readDate, readInstant } from '../../src/core/local-date.ts';

describe('localDate', () => {
  const evening = parseInstant('2023-10-01T20:00:00Z');

  it.each([
    ['UTC+00:00', '2023-10-01'],
    ['UTC', '2023-10-01'],
    ['+03:00', '2023-10-01'],
    ['UTC+4', '2023-10-02'],
    ['GMT+04:00', '2023-10-02'],
    ['+0400', '2023-10-02'],
    ['-11:00', '2023-10-01'],
    ['Asia/Dubai', '2023-10-02'],
    ['Asia/Riyadh', '2023-10-01'],
    ['Asia/Kolkata', '2023-10-02'],
    ['Mars/Olympus', null],
    ['+25:00', null],
    ['UTC+04:99', null],
    ['', null],
    ['bank time', null],
  ])('in %j it is %s at 20:00 UTC', (zone, day) => {
    expect(evening && localDate(evening, zone)).toBe(day);
  });
});

describe('readInstant and readDate', () => {
  it('take no year that a column cannot hold, and no day that does not exist', () => {
    expect(readInstant('0000-01-01T00:00:00Z')).toBeNull();
    expect(readInstant('9999-12-31T00:00:00Z')).toBeNull();
    expect(readInstant('2261-12-31T23:59:59.999999999Z')?.ns).toBeLessThan(2n ** 63n);
    expect(readInstant('1678-01-01T00:00:00Z')?.ns).toBeGreaterThan(-(2n ** 63n));
    expect(readDate('2025-02-30')).toBeNull();
    expect(readDate('2013-03-15 22:00:00.000 +0400')).toBe('2013-03-15');
    expect(readDate('soon')).toBeNull();
  });
});

describe('normalizeIban', () => {
  it('writes an IBAN without blanks and in upper case', () => {
    expect(normalizeIban('SA03 8000 0000 6080 1016 7519')).toBe('SA0380000000608010167519');
    expect(normalizeIban('ae07 0331 2345 6789 0123 456')).toBe('AE070331234567890123456');
  });

  it('takes nothing with wrong check digits or of another form', () => {
    expect(normalizeIban('SA0380000000608010167518')).toBeNull();
    expect(normalizeIban('************7401')).toBeNull();
    // 00, 01 and 99 leave the right remainder as well, and no bank issues them.
    const accounts = Array.from({ length: 300 }, (_, at) => String(331_234_567_890_123_456n + BigInt(at)));
    const impossible = ['00', '01', '99'].flatMap((check) =>
      accounts.map((account) => `AE${check}0${account}`),
    );
    expect(impossible.map(normalizeIban).filter((iban) => iban !== null)).toEqual([]);
  });
});
