import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalAccountSchema,
  canonicalBalanceSchema,
  canonicalTransactionSchema,
} from '../../src/core/canonical.ts';
import { readInstant } from '../../src/core/local-date.ts';
import {
  readAccountsV1,
  readBalanceV1,
  readResultsV1,
  readTransactionsV1,
} from '../../src/lean/lean-v1-replies.ts';
import { normalizeAccounts } from '../../src/lean/normalize-account.ts';
import { normalizeBalances } from '../../src/lean/normalize-balance.ts';
import { normalizeTransactions } from '../../src/lean/normalize-transaction.ts';
import { wireTransactionV1Schema } from '../../src/lean/wire-v1.ts';
import type { ReplySource } from '../../src/lean/lean-reply.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { judgeText, readFixture } from '../support/lean-replies.ts';

const dubai = wireTransactionV1Schema('Asia/Dubai');
const times = { refreshedAt: null, timestamp: readInstant('2020-07-31T07:11:39.862804Z'), httpDate: null };

function payload(text: string): string {
  return `{"status":"OK","payload":${text},"results_id":"r-1","message":"…","timestamp":"2020-07-31T07:11:39.862804Z"}`;
}

/** Synthetic: Lean documents v1's transactions by their schema only. */
function transactions(...items: readonly string[]) {
  const bodyText = payload(`{"type":"transactions","transactions":[${items.join(',')}]}`);
  const reply = judgeText({ bodyText }, (source) => readTransactionsV1(source, dubai));
  if (reply.kind !== 'ok') throw new Error(reply.kind);
  expect(reply).toMatchObject({ isLastPage: true, isEndKnown: true });
  return { rows: normalizeTransactions(reply.items), unreadable: reply.unreadable };
}

function bookingDay(zone: string, timestamp: string) {
  const bodyText = payload(
    `{"transactions":[{"id":"t","amount":1,"currency_code":"AED","timestamp":"${timestamp}"}]}`,
  );
  const reply = judgeText({ bodyText }, (source) =>
    readTransactionsV1(source, wireTransactionV1Schema(zone)),
  );
  return reply.kind === 'ok' ? normalizeTransactions(reply.items)[0]?.bookingDate : reply.kind;
}

function balances(text: string, accountId: string | null = null) {
  const reply = judgeText({ bodyText: payload(text) }, (source) => readBalanceV1(source, accountId));
  return reply.kind === 'ok' ? normalizeBalances(reply.items, reply).records : reply;
}

describe('v1 accounts', () => {
  it('v1-response-accounts-partial: the whole list at once, IBANs without blanks', () => {
    const page = readFixture('v1-response-accounts-partial', readAccountsV1);
    expect(page).toMatchObject({ isLastPage: true, isEndKnown: true, unreadable: [] });
    const accounts = normalizeAccounts(page.items);
    for (const account of accounts) canonicalAccountSchema.parse(account);
    expect(accounts).toEqual([
      {
        accountId: '3d586d40-04d9-4657-80b7-65bb8cce1e9a',
        status: null,
        currency: 'SAR',
        accountType: null,
        accountSubType: 'Checkings',
        nickname: 'Mockbank1 Checkings Account',
        description: null,
        accountHolderName: null,
        openingDate: null,
        iban: 'SA0380000000608010167519',
        identifiers: [{ scheme_name: 'IBAN', identification: 'SA03 8000 0000 6080 1016 7519', name: null }],
        servicer: null,
        raw: expect.stringContaining('"bank_identifier": "LEANMB1"'),
        // Documented are CURRENT, SAVINGS and CREDIT; the bank's own word stays.
        warnings: ['WORD_UNKNOWN'],
      },
      expect.objectContaining({
        accountId: '3e9e4289-9e4f-480f-af68-3181cb35218e',
        accountSubType: 'Savings',
        currency: 'SAR',
      }),
    ]);
  });
});

describe('v1 transactions', () => {
  const item = '"id":"t-1","amount":-50.10,"currency_code":"AED","timestamp":"2021-10-01T20:00:00Z"';

  it('turn a signed amount into an unsigned one and its indicator: CREDIT is money in', () => {
    const { rows } = transactions(
      `{${item}}`,
      '{"id":"t-2","amount":12,"currency_code":"AED"}',
      '{"id":"t-3","amount":-0.00,"currency_code":"AED"}',
    );
    expect(rows.map(({ amount, creditDebitIndicator }) => [amount, creditDebitIndicator])).toEqual([
      ['50.10', 'DEBIT'],
      ['12', 'CREDIT'],
      ['0.00', 'CREDIT'],
    ]);
    expect(rows[0]).toMatchObject({ amountMinor: '5010', warnings: [] });
  });

  it("count local midnight written in UTC as the bank's own day", () => {
    expect(bookingDay('Asia/Dubai', '2021-10-01T20:00:00Z')).toBe('2021-10-02');
    expect(bookingDay('Asia/Riyadh', '2021-10-01T21:00:00Z')).toBe('2021-10-02');
    expect(bookingDay('Asia/Dubai', '2021-10-02T09:30:00Z')).toBe('2021-10-02');
  });

  it('are pending or booked only where v1 says so', () => {
    const { rows } = transactions(
      '{"id":"a","amount":1,"currency_code":"AED","pending":true}',
      '{"id":"b","amount":1,"currency_code":"AED","pending":false}',
      '{"id":"c","amount":1,"currency_code":"AED"}',
    );
    expect(rows.map(({ status }) => status)).toEqual(['PENDING', 'BOOKED', null]);
  });

  it('keep text, reference, category, value time and their own raw text', () => {
    const text =
      '{"id":"t","amount":-5,"currency_code":"AED","description":"CARREFOUR","transaction_reference":"R-7",' +
      '"value_timestamp":"2021-10-03T08:00:00Z","transaction_timestamp":"2021-10-02T08:00:00Z",' +
      '"insights":{"description_cleansed":"Carrefour","category":"GROCERIES","category_confidence":0.9},"running_balance":17.5}';
    expect(transactions(text).rows).toMatchObject([
      {
        transactionId: 't',
        idSource: 'lean',
        description: 'CARREFOUR',
        reference: 'R-7',
        category: 'GROCERIES',
        bookedAt: { text: '2021-10-02T08:00:00Z' },
        valueAt: { text: '2021-10-03T08:00:00Z' },
        raw: text,
      },
    ]);
  });

  it('that cannot be read hold up none of their neighbours', () => {
    const { rows, unreadable } = transactions('{"id":"x","amount":"much"}', 'null', `{${item}}`);
    expect(rows.map(({ transactionId }) => transactionId)).toEqual(['t-1']);
    expect(unreadable).toHaveLength(2);
  });
});

describe('the v1 balance', () => {
  it('is one unsigned amount with its indicator, at the time of the reply', () => {
    const text =
      '{"balance":-120.50,"currency_code":"AED","account_id":"a","account_type":"CREDIT","type":"balance"}';
    expect(balances(text, 'a')).toMatchObject([
      {
        balanceType: 'balance',
        amount: '120.50',
        creditDebitIndicator: 'DEBIT',
        currency: 'AED',
        reportedAt: { text: '2020-07-31T07:11:39.862804Z' },
        reportedAtSource: 'timestamp',
        raw: text,
        warnings: [],
      },
    ]);
  });

  it("is never another account's, and never none at all", () => {
    const unreadable = { failure: { code: 'LEAN_REPLY_UNREADABLE' } };
    expect(balances('{"balance":1,"account_id":"b"}', 'a')).toMatchObject(unreadable);
    expect(balances('{"currency_code":"AED"}', 'a')).toMatchObject(unreadable);
    expect(balances('null', 'a')).toMatchObject(unreadable);
  });
});

describe('v1 results', () => {
  it.each([
    ['accounts', '{"accounts":[]}'],
    ['transactions', '{"transactions":[]}'],
    ['balances', '{"balance":1,"currency_code":"AED"}'],
    ['identities', '{"full_name":"Sandbox User"}'],
    ['other', '{"type":"something"}'],
  ])('are told apart by what they hold: %s', (dataType, text) => {
    const reply = judgeText({ bodyText: payload(text) }, (source) => readResultsV1(source, dubai));
    expect(reply).toMatchObject({ kind: 'ok', dataType });
  });

  it.each(['v1-response-pending', 'v1-response-pending-later-doc'])('%s: are still to come', (name) => {
    const { bodyText } = readLeanFixture(name);
    expect(judgeText({ bodyText }, readAccountsV1)).toMatchObject({
      kind: 'pending',
      resultsId: '6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4',
    });
  });

  it('v1-response-reconnect-required: carries the reconnect id inside its payload', () => {
    const { bodyText } = readLeanFixture('v1-response-reconnect-required');
    expect(judgeText({ bodyText }, readAccountsV1)).toMatchObject({
      failure: { code: 'RECONNECT_REQUIRED', reconnectId: '20afcfd3-7ee3-44b8-9d6e-bf74b259fb90' },
    });
  });
});

function readDubai(source: ReplySource) {
  return readTransactionsV1(source, dubai);
}

function itemsOf<Data extends { readonly items: readonly unknown[] }>(
  text: string,
  read: (source: ReplySource) => Data | null,
): Data['items'] {
  const reply = judgeText({ bodyText: payload(text) }, read);
  return reply.kind === 'ok' ? reply.items : [];
}

describe('normalizing v1 is total', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('-1e5', '\u0000', '2021-10-01T20:00:00Z', true));
  const names = [
    'id',
    'account_id',
    'currency_code',
    'timestamp',
    'value_timestamp',
    'pending',
    'type',
    'iban',
    'name',
    'description',
  ];
  const item = fc
    .tuple(
      fc.dictionary(fc.constantFrom(...names), value),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    .map(([any, amount]) => JSON.stringify({ account_id: 'a', ...any, amount, balance: amount }));

  it('for accounts', () => {
    fc.assert(
      fc.property(item, (text) => {
        const rows = normalizeAccounts(itemsOf(`{"accounts":[${text}]}`, readAccountsV1));
        expect(rows.filter((row) => !canonicalAccountSchema.safeParse(row).success)).toEqual([]);
      }),
    );
  });

  it('for transactions', () => {
    fc.assert(
      fc.property(item, (text) => {
        const rows = normalizeTransactions(itemsOf(`{"transactions":[${text}]}`, readDubai));
        expect(rows.filter((row) => !canonicalTransactionSchema.safeParse(row).success)).toEqual([]);
      }),
    );
  });

  it('for balances', () => {
    fc.assert(
      fc.property(item, (text) => {
        const rows = normalizeBalances(
          itemsOf(text, (source) => readBalanceV1(source, null)),
          times,
        ).records;
        expect(rows.filter((row) => !canonicalBalanceSchema.safeParse(row).success)).toEqual([]);
      }),
    );
  });
});
