// The reader of DER takes one encoding of a value and refuses the others.
import { describe, expect, it } from 'vitest';
import { DerError, readElements, readOnly } from '../../src/tls/der.ts';
import { readBoolean } from '../../src/tls/der-values.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

it('reads elements in a row', () => {
  const elements = readElements(bytes('02 01 05 04 00'));
  expect(elements.map(({ tag, content }) => [tag, [...content]])).toEqual([
    [0x02, [5]],
    [0x04, []],
  ]);
});

it('reads a long length', () => {
  const content = new Uint8Array(300).fill(7);
  expect(readOnly(Buffer.concat([bytes('04 82 01 2c'), content]), 0x04)).toHaveLength(300);
});

it('refuses a row whose last value is cut off', () => {
  expect(() => readElements(bytes('05 00 04 02 01'))).toThrow(DerError);
});

it('refuses a tag of more than one byte wherever it stands', () => {
  expect(() => readElements(bytes('05 00 1f 00'))).toThrow(DerError);
});

const readFlag = (hex: string) => readBoolean(readElements(bytes(hex))[0]);

it('knows one true and one false', () => {
  expect([readFlag('01 01 ff'), readFlag('01 01 00')]).toEqual([true, false]);
  for (const odd of ['01 01 01', '01 00', '01 02 ff ff']) expect(() => readFlag(odd)).toThrow(DerError);
});

describe('refuses', () => {
  it.each([
    ['nothing where a value belongs', ''],
    ['a value that is cut off', '04 02 01'],
    ['a length that is cut off', '04 82 01'],
    ['an indefinite length', '30 80 00 00'],
    ['a long form for a short length', '04 81 01 00'],
    ['a length with a leading zero', '04 82 00 80'],
    ['a length of four bytes', '04 84 00 00 00 01 00'],
    ['a tag number above 30', '1f 1f 00'],
    ['bytes behind the value', '04 00 00'],
    ['another tag', '05 00'],
  ])('%s', (_name, hex) => {
    expect(() => readOnly(bytes(hex), 0x04)).toThrow(DerError);
  });
});
