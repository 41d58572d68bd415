// What normalizing promises for any list, checked on lists of generated customers in every kind and both dialects.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInstant } from '../../src/core/local-date.ts';
import { currencyExponent } from '../../src/core/currency.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { signedSpelling } from '../support/amount-spellings.ts';
import { exactValue, scaledValue } from '../support/exact-decimal.ts';
import { listKindsOfLean, type ListKindOfLean, type NormalizedList } from '../support/normalized-lists.ts';

/** The lists of one account of one generated customer. */
const seed = fc.stringMatching(/^[a-z0-9]{1,12}$/);

function itemsOf(kind: ListKindOfLean, label: string): readonly string[] {
  const { entities } = generateCustomers({
    seed: label,
    entities: 1,
    accounts: 1,
    transactions: 8,
    region: 'sa',
  });
  return entities.flatMap(kind.textsOf);
}

function byKey({ records }: NormalizedList) {
  return new Map(records.map(({ key, record }) => [key, record]));
}

/** No schema takes any of these for an item. */
const unreadable = ['null', '7', '"x"', '[]', 'true', '[{}]'];

const kinds = listKindsOfLean.map((kind): [string, ListKindOfLean] => [kind.name, kind]);
const runs = { numRuns: 6 };

describe.each(kinds)('normalizing %s', (_name, kind) => {
  it("gives every record again from the item's own raw text alone", () => {
    fc.assert(
      fc.property(seed, (label) => {
        const { records } = kind.normalize(itemsOf(kind, label));
        expect(records.length).toBeGreaterThan(0);
        for (const one of records) expect(kind.normalize([one.record.raw]).records).toEqual([one]);
      }),
      runs,
    );
  });

  it('gives the same records in any order of the items', () => {
    fc.assert(
      fc.property(seed, fc.infiniteStream(fc.nat()), (label, order) => {
        const texts = itemsOf(kind, label);
        const shuffled = texts
          .map((text) => ({ text, place: order.next().value }))
          .toSorted((one, other) => one.place - other.place)
          .map(({ text }) => text);
        expect(byKey(kind.normalize(shuffled))).toEqual(byKey(kind.normalize(texts)));
      }),
      runs,
    );
  });

  it('loses no item: each is a record, or is counted as unreadable, or its key came again and the record says so', () => {
    const strangers = fc.array(fc.tuple(fc.constantFrom(...unreadable), fc.nat()), { maxLength: 5 });
    fc.assert(
      fc.property(seed, strangers, fc.nat(), (label, odd, repeated) => {
        const texts = itemsOf(kind, label);
        const again = texts[repeated % texts.length] ?? '';
        const mixed = [...texts, again];
        for (const [text, place] of odd) mixed.splice(place % mixed.length, 0, text);
        const normal = byKey(kind.normalize(texts));
        const list = kind.normalize(mixed);
        expect(list.unreadable).toBe(odd.length);
        expect(list.records).toHaveLength(texts.length);
        const changed = list.records.filter(({ key, record }) => {
          const { warnings } = normal.get(key) ?? { warnings: [] };
          return record.warnings.length !== warnings.length;
        });
        expect(changed.map(({ record }) => record.warnings.includes('ITEM_REPEATED'))).toEqual([true]);
      }),
      runs,
    );
  });

  it('lets one odd member, whatever it holds, touch no other item', () => {
    fc.assert(
      fc.property(seed, fc.nat(), fc.nat(), fc.jsonValue(), (label, which, member, value) => {
        const texts = itemsOf(kind, label);
        const place = which % texts.length;
        const odd = texts.map((text, at) => (at === place ? withMember(text, member, value) : text));
        const list = kind.normalize(odd);
        const normal = byKey(kind.normalize(texts));
        const [spoilt] = kind.normalize([texts[place] ?? '']).records;
        const others = list.records.filter(({ record }) => record.raw !== odd[place]);
        for (const { key, record } of others) expect(record).toEqual(normal.get(key));
        const missing = [...normal.keys()].filter((key) => !others.some((other) => other.key === key));
        expect(missing.filter((key) => key !== spoilt?.key)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});

/** The item with one of its members replaced. */
function withMember(text: string, member: number, value: unknown): string {
  const item: unknown = JSON.parse(text);
  const names = Object.keys(Object(item));
  const name = names[member % names.length] ?? '';
  return JSON.stringify({ ...Object(item), [name]: value });
}

function only(name: string, text: string): unknown {
  const kind = listKindsOfLean.find((one) => one.name === name);
  return kind?.normalize([text]).records[0]?.record;
}

describe('both dialects', () => {
  it('end in one convention: unsigned amount, indicator, and minor units only where they are exact', () => {
    const currency = fc.constantFrom('AED', 'SAR', 'KWD', 'BHD', 'OMR', 'JOD', 'JPY', 'CLF', 'XAU', 'ZZZ');
    fc.assert(
      fc.property(signedSpelling, currency, (signed, code) => {
        const isDebit = signed.startsWith('-') && exactValue(signed) !== '0';
        const unsigned = signed.replace(/^-/, '');
        const exponent = currencyExponent(code);
        const minor = exponent === null ? null : scaledValue(unsigned, exponent);
        const expected = {
          creditDebitIndicator: isDebit ? 'DEBIT' : 'CREDIT',
          currency: code,
          amountMinor: minor === null ? null : String(minor),
          warnings: minor === null ? [exponent === null ? 'CURRENCY_UNKNOWN' : 'MINOR_UNITS_INEXACT'] : [],
        };
        const v1 = only('v1 transactions', `{"id":"t","amount":${signed},"currency_code":"${code}"}`);
        const v2 = only(
          'transactions',
          `{"transaction_id":"t","amount":{"amount":${unsigned},"currency":"${code}"},"credit_debit_indicator":"${isDebit ? 'DEBIT' : 'CREDIT'}"}`,
        );
        for (const record of [v1, v2]) {
          expect(record).toMatchObject(expected);
          expect(exactValue(String(Object(record).amount))).toBe(exactValue(unsigned));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a booking', () => {
  it('of v1 has the local day that its midnight in UTC was made from, in both countries', () => {
    const day = fc.date({
      min: new Date('2000-01-01T00:00:00Z'),
      max: new Date('2099-12-31T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(day, (date) => {
        const local = date.toISOString().slice(0, 10);
        // Dubai is four hours ahead of UTC, the whole year.
        const timestamp = new Date(`${local}T00:00:00+04:00`).toISOString();
        const record = only(
          'v1 transactions',
          `{"id":"t","amount":1,"currency_code":"AED","timestamp":"${timestamp}"}`,
        );
        expect(record).toMatchObject({
          bookingDate: local,
          bookedAtText: timestamp,
          bookedAtPrecision: 'date',
          bookedAt: readInstant(timestamp),
        });
      }),
    );
  });
});
