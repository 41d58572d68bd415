import { describe, expect, it } from 'vitest';
import { normalizeBic } from '../../src/core/bic.ts';
import { countryCode } from '../../src/core/country.ts';
import { countries } from '../../src/core/country-names.ts';

describe('countryCode', () => {
  it.each([
    ['AE', 'AE'],
    ['sau', 'SA'],
    ['ARE', 'AE'],
    ['United Arab Emirates', 'AE'],
    ['the UAE', 'AE'],
    ['U.A.E.', 'AE'],
    ['الإمارات العربية المتحدة', 'AE'],
    ['المملكة العربية السعودية', 'SA'],
    ['Kingdom of Saudi Arabia', 'SA'],
    ['Tanzania', 'TZ'],
    ['United Republic of Tanzania', 'TZ'],
    ['Northern Mariana Islands', 'MP'],
    ['Cote d’Ivoire', 'CI'],
    ['CÔTE D’IVOIRE', 'CI'],
    ['Bosnia & Herzegovina', 'BA'],
    ['Hashemite Kingdom of Jordan', 'JO'],
    ['Republic of the Congo', 'CG'],
    ['Democratic Republic of the Congo', 'CD'],
    ['Republic of China', 'TW'],
    ["People's Republic of China", 'CN'],
    ['Republic of Korea', 'KR'],
    ['Turkey', 'TR'],
  ])('%s is %s', (text, code) => {
    expect(countryCode(text)).toBe(code);
  });

  it.each(['Atlantis', 'Dubai', 'Michigan', '', 'Korea', 'XX', '784', 'x'.repeat(10_000), '\u0000'])(
    'guesses nothing from %j',
    (text) => {
      expect(countryCode(text)).toBeNull();
    },
  );

  it('knows all 249 countries by both codes and every name, and no two by the same', () => {
    expect(countries).toHaveLength(249);
    for (const { alpha2, alpha3, names } of countries) {
      expect(alpha2).toMatch(/^[A-Z]{2}$/);
      expect(alpha3).toMatch(/^[A-Z]{3}$/);
      for (const text of [alpha2, alpha3, ...names])
        expect([text, countryCode(text)]).toEqual([text, alpha2]);
    }
  });
});

describe('normalizeBic', () => {
  it('takes eight or eleven characters of ISO 9362 with a country in them, and nothing else', () => {
    expect(['NCBKSAJE', ' mockae01 ', 'DEUTDEFF500'].map(normalizeBic)).toEqual([
      'NCBKSAJE',
      'MOCKAE01',
      'DEUTDEFF500',
    ]);
    expect(['ABCDXKPR', 'ABCDZZPR', 'ABCDUKPR'].map(normalizeBic)).toEqual(['ABCDXKPR', null, null]);
    expect(['KSAOB.SASABB', 'Lean Mockbank', 'NCBK', 'NCBKSAJEX', ''].map(normalizeBic)).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});
