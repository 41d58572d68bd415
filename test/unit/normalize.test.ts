import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  canonicalAccountSchema,
  canonicalBalanceSchema,
  canonicalEntitySchema,
  canonicalTransactionSchema,
} from '../../src/core/canonical.ts';
import { readInstant } from '../../src/core/local-date.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { normalizeAccounts } from '../../src/lean/normalize-account.ts';
import { normalizeBalances } from '../../src/lean/normalize-balance.ts';
import { normalizeEntity } from '../../src/lean/normalize-entity.ts';
import { normalizeTransactions } from '../../src/lean/normalize-transaction.ts';
import { readList, type ItemList } from '../../src/lean/read-list.ts';
import { wireAccountSchema } from '../../src/lean/wire-account.ts';
import { wireBalanceSchema } from '../../src/lean/wire-balance.ts';
import { wireEntitySchema } from '../../src/lean/wire-entity.ts';
import { wireTransactionSchema } from '../../src/lean/wire-transaction.ts';

const times = { refreshedAt: readInstant('2026-05-13T19:39:19.75Z'), timestamp: null, httpDate: null };

function read<Schema extends z.ZodType>(
  schema: Schema,
  items: readonly unknown[],
): ItemList<z.output<Schema>> {
  const bodyText = JSON.stringify({ items });
  const list = readList({ bodyText, body: parseLossless(bodyText), path: ['items'], schema });
  return list ?? { items: [], unreadable: [] };
}

function transactions(...items: readonly Record<string, unknown>[]) {
  const plain = {
    account_id: 'a',
    transaction_id: 't',
    amount: { amount: 1, currency: 'AED' },
    status: 'BOOKED',
  };
  return normalizeTransactions(
    read(
      wireTransactionSchema,
      items.map((item) => Object.assign({}, plain, item)),
    ).items,
  );
}

function transaction(item: Record<string, unknown>) {
  return transactions(item)[0];
}

function hash(item: Record<string, unknown>) {
  return transaction(item)?.contentHash;
}

describe('signs', () => {
  it('takes CREDIT and DEBIT beside an unsigned amount as they are', () => {
    expect(transaction({ credit_debit_indicator: 'DEBIT' })).toMatchObject({
      amount: '1',
      creditDebitIndicator: 'DEBIT',
      warnings: [],
    });
  });

  it.each(['UNSUPPORTED', null, 'credit?', 7])('never guesses a sign from %j', (indicator) => {
    expect(transaction({ credit_debit_indicator: indicator })).toMatchObject({
      creditDebitIndicator: null,
      counterparty: null,
      warnings: ['INDICATOR_UNSUPPORTED'],
    });
  });

  it('leaves the indicator open where a negative amount contradicts CREDIT', () => {
    const amount = { amount: -5.5, currency: 'AED' };
    expect(transaction({ amount, credit_debit_indicator: 'CREDIT' })).toMatchObject({
      amount: '5.5',
      creditDebitIndicator: null,
      warnings: ['AMOUNT_SIGN_CONFLICT'],
    });
    expect(transaction({ amount, credit_debit_indicator: 'DEBIT' })).toMatchObject({
      amount: '5.5',
      creditDebitIndicator: 'DEBIT',
      warnings: ['AMOUNT_SIGNED'],
    });
  });

  it('names the debtor of a credit and the creditor of a debit as the other side', () => {
    const parties = { creditor_account: { name: 'Creditor' }, debtor_account: { name: 'Debtor' } };
    expect(transaction({ ...parties, credit_debit_indicator: 'CREDIT' })?.counterparty?.name).toBe('Debtor');
    expect(transaction({ ...parties, credit_debit_indicator: 'DEBIT' })?.counterparty?.name).toBe('Creditor');
  });
});

function precision(booking_date_time: string | null, local_time_zone: string | null) {
  return transaction({ booking_date_time, local_time_zone })?.bookedAtPrecision;
}

function warningsAt(booking_date_time: string) {
  return transaction({ booking_date_time, credit_debit_indicator: 'DEBIT' })?.warnings;
}

describe('dates', () => {
  it('takes the local day by the zone the item names, and keeps the text', () => {
    const booking_date_time = '2025-08-05T22:20:00Z';
    expect(transaction({ booking_date_time, local_time_zone: 'Asia/Riyadh' })).toMatchObject({
      bookingDate: '2025-08-06',
      bookedAtText: booking_date_time,
    });
    expect(transaction({ booking_date_time, local_time_zone: 'UTC+00:00' })?.bookingDate).toBe('2025-08-05');
  });

  it('takes the day as written where no zone is named, or none that is known', () => {
    const booking_date_time = '2023-10-01T20:00:00Z';
    expect(transaction({ booking_date_time })?.bookingDate).toBe('2023-10-01');
    const odd = transaction({
      booking_date_time,
      local_time_zone: 'Bank/Time',
      credit_debit_indicator: 'DEBIT',
    });
    expect(odd).toMatchObject({ bookingDate: '2023-10-01', warnings: ['TIME_ZONE_UNKNOWN'] });
  });

  it('says whether the bank gave a day or a moment', () => {
    expect(precision('2026-01-01', null)).toBe('date');
    expect(precision('2026-01-01T00:00:00Z', 'UTC+00:00')).toBe('date');
    expect(precision('2026-01-01T00:00:00.000Z', 'Asia/Riyadh')).toBe('date');
    expect(precision('2025-12-31T20:00:00Z', 'Asia/Dubai')).toBe('date');
    expect(precision('2025-12-31T20:00:00Z', 'UTC+03:00')).toBe('instant');
    expect(precision('2025-12-31T20:00:00Z', null)).toBe('instant');
    expect(precision('2026-01-01T00:00:00.000000001Z', 'UTC')).toBe('instant');
    expect(precision('31/12/2025', null)).toBeNull();
    expect(precision(null, 'Asia/Dubai')).toBeNull();
  });

  it('shows a day without a time as that day in every column, whatever the zone', () => {
    const row = transaction({
      booking_date_time: '2026-01-01',
      value_date_time: '2026-01-02',
      local_time_zone: 'America/New_York',
      credit_debit_indicator: 'DEBIT',
    });
    expect(row).toMatchObject({
      bookedAt: { text: '2026-01-01', at: '2026-01-01T00:00:00.000Z' },
      bookingDate: '2026-01-01',
      valueAt: { at: '2026-01-02T00:00:00.000Z' },
      warnings: [],
    });
    const unnamed = { transaction_id: null, value_date_time: '2026-01-02' };
    expect(transaction(unnamed)?.transactionId).toBe(transaction({ transaction_id: null })?.transactionId);
  });

  it('says so where only a zone could tell the local day', () => {
    expect(warningsAt('2023-10-01T20:00:00Z')).toEqual(['TIME_ZONE_MISSING']);
    expect(warningsAt('2023-10-01T00:00:00Z')).toEqual([]);
    expect(warningsAt('2023-10-01T20:00:00+04:00')).toEqual([]);
  });

  it('never puts another date in place of a missing or odd one', () => {
    expect(transaction({})).toMatchObject({
      bookedAt: null,
      bookedAtText: null,
      bookingDate: null,
      valueAt: null,
    });
    const odd = transaction({ booking_date_time: '31/12/2025', credit_debit_indicator: 'DEBIT' });
    expect(odd).toMatchObject({
      bookedAt: null,
      bookedAtText: '31/12/2025',
      bookingDate: null,
      warnings: ['DATE_UNREADABLE'],
    });
    const value = transaction({ value_date_time: '2025-02-30', credit_debit_indicator: 'DEBIT' });
    expect(value).toMatchObject({ valueAt: null, warnings: ['DATE_UNREADABLE'] });
    const day = transaction({ booking_date_time: '2025-02-30', credit_debit_indicator: 'DEBIT' });
    expect(day).toMatchObject({ bookedAt: null, bookingDate: null, warnings: ['DATE_UNREADABLE'] });
  });
});

describe('transaction ids', () => {
  it('keeps equal payments without an id as many as they are, under one fingerprint', () => {
    const rows = transactions({ transaction_id: null }, { transaction_id: null }, { transaction_id: '' });
    const [id] = rows.map((row) => row.transactionId);
    expect(rows.map((row) => [row.transactionId, row.idSource])).toEqual(rows.map(() => [id, 'fingerprint']));
    expect(rows).toHaveLength(3);
    expect(id).toMatch(/^fp_[0-9a-f]{64}$/);
    expect(transaction({ transaction_id: null, status: 'PENDING' })?.transactionId).toBe(id);
  });

  it('takes ids that are numbers or text, and keeps the last of two equal ones', () => {
    expect(transaction({ transaction_id: 127018131 })?.transactionId).toBe('127018131');
    const rows = transactions({ status: 'PENDING' }, { status: 'BOOKED', credit_debit_indicator: 'DEBIT' });
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ status: 'BOOKED', warnings: ['ITEM_REPEATED'] });
  });
});

describe('content hash', () => {
  it('is equal when only the spelling differs, and differs when a column would', () => {
    expect(hash({ regional_data: { x: 1 } })).toBe(hash({}));
    expect(hash({ status: 'PENDING' })).not.toBe(hash({}));
    expect(hash({ amount: { amount: 2, currency: 'AED' } })).not.toBe(hash({}));
  });
});

describe('hostile and odd values', () => {
  it('replaces what Postgres cannot hold and says so', () => {
    const row = transaction({ transaction_information: 'a\u0000b\ud800', credit_debit_indicator: 'DEBIT' });
    expect(row).toMatchObject({ description: 'a\uFFFDb\uFFFD', warnings: ['TEXT_REPLACED'] });
  });

  it('lets a bad item block none of its neighbours and names no value in the reason', () => {
    const list = read(wireTransactionSchema, [
      { transaction_id: 'good', amount: { amount: 1, currency: 'AED' } },
      { transaction_id: 'bad', amount: { amount: '1e999', currency: 'AED' } },
      null,
      { transaction_id: 'none' },
    ]);
    expect(list.items.map(({ wire }) => wire.transaction_id)).toEqual(['good']);
    expect(list.unreadable.map(({ reason }) => reason)).toEqual([
      'amount.amount: not a decimal of at most 20 digits on either side',
      expect.any(String),
      expect.any(String),
    ]);
  });

  it('takes a number where an object belongs for nothing, and where an item belongs for no item', () => {
    const odd = { creditor_account: 7, merchant_details: 1e3, credit_debit_indicator: 'DEBIT' };
    expect(transaction(odd)).toMatchObject({ counterparty: null, merchantName: null, warnings: [] });
    expect(read(wireAccountSchema, [{ account_id: 'a', account: [7], servicer: 7 }]).items).toMatchObject([
      { wire: { account: [], servicer: null } },
    ]);
    expect(read(z.object({}), [7, 'x', [], {}])).toMatchObject({
      items: [{ raw: '{}' }],
      unreadable: [{ reason: 'not an object' }, { reason: 'not an object' }, { reason: 'not an object' }],
    });
  });

  it('reports a balance of no known time instead of using the clock', () => {
    const { items } = read(wireBalanceSchema, [{ type: 'EXPECTED', amount: { amount: 1, currency: 'AED' } }]);
    const none = { refreshedAt: null, timestamp: null, httpDate: null };
    expect(normalizeBalances(items, none)).toMatchObject({
      records: [],
      unreadable: [{ raw: expect.any(String) }],
    });
    expect(normalizeBalances(items, times).records).toMatchObject([{ reportedAtSource: 'refreshed_at' }]);
  });
});

/** Any JSON value, and often a likely one, for every member a schema reads. */
function anyItem(shape: Record<string, unknown>) {
  const likely = fc.constantFrom<unknown>(
    'CREDIT',
    'IBAN',
    '2025-02-30T25:00:00Z',
    '9999-12-31T23:59:59Z',
    '0001-01-01',
    'UTC+14:00',
    '\u0000\ud800',
    'x'.repeat(300),
    -1.5,
    { amount: -1, currency: 'kwd' },
    { amount: '12.3456', currency: null },
    { scheme_name: 'IBAN', identification: '\u0000', name: 7 },
    { name: '\udfff', identification: 1 },
    [{ scheme_name: 'IBAN', identification: 'AE070331234567890123456' }, null, 1],
    [
      { included: 1, type: 'PRE-AGREED\t', amount: { amount: 1, currency: 'AED' } },
      { id: 'c', permissions: { a: true } },
    ],
    { identity: true, accounts: 'yes' },
    ['a', 1, 'a', '\u0000'],
  );
  const member = fc.option(fc.oneof(likely, fc.jsonValue()), { nil: undefined });
  return fc.record(Object.fromEntries(Object.keys(shape).map((key) => [key, member])));
}

describe('normalizing is total: what the wire schema accepts becomes a canonical record', () => {
  const amount = fc.record({
    amount: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.bigInt().map(String)),
    currency: fc.constantFrom('AED', 'KWD', 'zzz', null, '\u0000', 7),
  });

  it('for accounts', () => {
    const item = fc
      .tuple(anyItem(wireAccountSchema.shape), fc.string())
      .map(([any, id]) => Object.assign({}, any, { account_id: id }));
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const records = normalizeAccounts(read(wireAccountSchema, items).items);
        expect(records.filter((record) => !canonicalAccountSchema.safeParse(record).success)).toEqual([]);
      }),
    );
  });

  it('for balances', () => {
    const item = fc
      .tuple(anyItem(wireBalanceSchema.shape), amount)
      .map(([any, money]) => Object.assign({}, any, { amount: money }));
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const { records } = normalizeBalances(read(wireBalanceSchema, items).items, times);
        expect(records.filter((record) => !canonicalBalanceSchema.safeParse(record).success)).toEqual([]);
      }),
    );
  });

  it('for transactions', () => {
    const item = fc
      .tuple(anyItem(wireTransactionSchema.shape), amount)
      .map(([any, money]) => Object.assign({}, any, { amount: money }));
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const records = normalizeTransactions(read(wireTransactionSchema, items).items);
        expect(records.filter((record) => !canonicalTransactionSchema.safeParse(record).success)).toEqual([]);
        expect(new Set(records.map((record) => record.transactionId)).size).toBe(records.length);
      }),
    );
  });

  it('for entities', () => {
    fc.assert(
      fc.property(anyItem(wireEntitySchema.shape), (item) => {
        const wire = wireEntitySchema.safeParse(parseLossless(JSON.stringify({ ...item, id: 'e' })));
        if (!wire.success) return;
        expect(canonicalEntitySchema.safeParse(normalizeEntity(wire.data)).success).toBe(true);
      }),
    );
  });
});
