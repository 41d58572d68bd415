// What the application reads: the newest balances by the documented order, booked payments and none twice, an overview
// of accounts; by an index.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CanonicalBalance } from '../../src/core/canonical.ts';
import type { Instant } from '../../src/core/instant.ts';
import { upsertAccounts } from '../../src/store/account-store.ts';
import { upsertBalances } from '../../src/store/balance-store.ts';
import { upsertTransactions } from '../../src/store/transaction-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { clearSyncTables } from '../support/sync-parts.ts';
import { account, balance, customerId, entityId, instant, transaction } from '../support/sync-records.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());
beforeEach(() => clearSyncTables(test.database));

const of = { entityId, accountId: 'a', customerId, keyRing: null };
const monday = '2026-05-11T08:00:00.000Z';
const tuesday = '2026-05-12T08:00:00.000Z';

type Balance = readonly [type: string, amount: string, at?: string, facts?: Partial<CanonicalBalance>];

async function storeBalances(
  given: readonly Balance[],
  list: { readonly refreshedAt?: Instant } = {},
): Promise<void> {
  const balances = given.map(([balanceType, amount, at = monday, facts = {}]) =>
    balance({ balanceType, amount, reportedAt: instant(at), ...facts }),
  );
  await test.database.transaction((inside) => upsertBalances(inside, { ...of, ...list, balances }));
}

type Row = Readonly<Record<string, unknown>>;

async function view(name: string): Promise<Row[]> {
  const { rows } = await sql<Row>`select * from ${test.database.table(name)}`.execute(test.database.db);
  return rows;
}

const chosen = async () =>
  (await view('current_balances')).map((row) => [row['available_type'], row['booked_type']]);

describe('current_balances', () => {
  const ofEverything: readonly Balance[] = [
    'OPENING_AVAILABLE',
    'CLOSING_AVAILABLE',
    'INTERIM_AVAILABLE',
    'PREVIOUSLY_CLOSED_BOOKED',
    'OPENING_BOOKED',
    'CLOSING_BOOKED',
    'INTERIM_BOOKED',
    'balance',
    'EXPECTED',
    'FORWARD_AVAILABLE',
    'INFORMATION',
    'INTERIM_CLEARED',
    'CLOSING_CLEARED',
  ].map((type, place) => [type, String(place + 1), `2026-05-11T08:00:00.${100 + place}Z`]);

  it.each([
    [[], 'INTERIM_AVAILABLE', 'INTERIM_BOOKED'],
    [['INTERIM_AVAILABLE', 'INTERIM_BOOKED'], 'CLOSING_AVAILABLE', 'CLOSING_BOOKED'],
    [
      ['INTERIM_AVAILABLE', 'INTERIM_BOOKED', 'CLOSING_AVAILABLE', 'CLOSING_BOOKED'],
      'OPENING_AVAILABLE',
      'OPENING_BOOKED',
    ],
    [
      [
        'INTERIM_AVAILABLE',
        'INTERIM_BOOKED',
        'CLOSING_AVAILABLE',
        'CLOSING_BOOKED',
        'OPENING_AVAILABLE',
        'OPENING_BOOKED',
      ],
      'balance',
      'PREVIOUSLY_CLOSED_BOOKED',
    ],
  ])('without %j takes %s and %s out of one report', async (missing, available, booked) => {
    await storeBalances(ofEverything.filter(([type]) => !missing.includes(type)));
    expect(await chosen()).toEqual([[available, booked]]);
  });

  it('takes the one number of v1 for both, where there is nothing else', async () => {
    await storeBalances([['balance', '7']]);
    expect(await view('current_balances')).toMatchObject([
      {
        available_signed_amount: '7',
        available_type: 'balance',
        booked_signed_amount: '7',
        booked_type: 'balance',
      },
    ]);
  });

  it('never takes an older report, whatever its type and whenever it came', async () => {
    await storeBalances([
      ['CLOSING_AVAILABLE', '2', tuesday],
      ['INTERIM_AVAILABLE', '1', monday],
    ]);
    await storeBalances([['INTERIM_AVAILABLE', '9', '2026-05-10T08:00:00Z']]);
    expect(await view('current_balances')).toMatchObject([
      { available_type: 'CLOSING_AVAILABLE', available_amount: '2', booked_amount: null },
    ]);
  });

  it('goes by the order of types in what one list had, wherever each time came from', async () => {
    const ofList = { refreshedAt: instant(tuesday) };
    await storeBalances(
      [
        ['CLOSING_AVAILABLE', '2', tuesday, { reportedAtSource: 'refreshed_at' }],
        ['INTERIM_AVAILABLE', '1', monday],
        ['INTERIM_BOOKED', '3', monday],
      ],
      ofList,
    );
    await storeBalances([['INTERIM_AVAILABLE', '9', '2026-05-10T08:00:00Z']], {
      refreshedAt: instant(monday),
    });
    expect(await view('current_balances')).toMatchObject([
      { available_type: 'INTERIM_AVAILABLE', available_amount: '1', booked_amount: '3' },
    ]);
  });

  it('has a row for each currency, signs what the bank signs, and says what credit is in it', async () => {
    const lines = [{ included: true, type: 'CREDIT', amount: '100', currency: 'AED' }];
    await storeBalances([
      ['INTERIM_AVAILABLE', '12.50', monday, { creditLines: lines }],
      ['INTERIM_BOOKED', '87.5', monday, { creditDebitIndicator: 'DEBIT' }],
      ['INTERIM_AVAILABLE', '3', monday, { currency: 'USD', creditDebitIndicator: null }],
    ]);
    const rows = (await view('current_balances')).toSorted((a, b) =>
      String(a['currency']) < String(b['currency']) ? -1 : 1,
    );
    expect(rows).toMatchObject([
      {
        currency: 'AED',
        customer_id: customerId,
        available_signed_amount: '12.50',
        available_includes_credit: true,
        available_credit_lines: lines,
        available_reported_at: new Date(monday),
        available_reported_at_source: 'date_time',
        booked_signed_amount: '-87.5',
        booked_indicator: 'DEBIT',
        booked_credit_lines: [],
      },
      {
        currency: 'USD',
        available_amount: '3',
        available_signed_amount: null,
        available_includes_credit: false,
      },
    ]);
  });
});

function storeList(day: number, amount: string) {
  const list = { refreshedAt: instant(`2026-05-${day}T12:00:00Z`), balances: [balance({ amount })] };
  return test.database.transaction((inside) => upsertBalances(inside, { ...of, ...list }));
}

describe('a balance read again', () => {
  it('under the same report time keeps the figures of the newest list, which is no change', async () => {
    await storeList(11, '1');
    await storeList(13, '3');
    expect(await storeList(12, '2')).toMatchObject({ changed: 0, unchanged: 1 });
    expect(await storeList(14, '3')).toMatchObject({ changed: 0, unchanged: 1 });
    await storeList(13, '5');
    expect(await view('balances')).toMatchObject([{ amount: '3' }]);
  });
});

describe('booked_transactions', () => {
  it('has what is booked and nothing superseded; a row without a status counts, one of another status does not', async () => {
    const statuses = ['BOOKED', null, 'PENDING', 'REJECTED', 'UNSUPPORTED', 'SETTLED'];
    const rows = statuses.map((status) => transaction(`t-${status}`, { status }));
    await test.database.transaction((inside) =>
      upsertTransactions(test.database, inside, {
        ...of,
        syncId: 's',
        eventKey: null,
        refreshedAt: null,
        transactions: [...rows, transaction('gone')],
      }),
    );
    await sql`update ${test.database.table('transactions')} set superseded_at = now() where transaction_id = 'gone'`.execute(
      test.database.db,
    );
    const booked = await view('booked_transactions');
    expect(new Set(booked.map((row) => row['transaction_id']))).toEqual(new Set(['t-BOOKED', 't-null']));
    expect(Object.keys(booked[0] ?? {})).not.toContain('raw');
  });
});

describe('account_overview', () => {
  it('shows an account with its bank and balances, also one that has none', async () => {
    await test.database.db
      .insertInto('entities')
      .values({ entity_id: entityId, bank_identifier: 'LEAN_MB1', bank_name: 'Mockbank' })
      .execute();
    const accounts = [account('a', { iban: 'AE070331234567890123456' }), account('b')];
    await test.database.transaction((inside) =>
      upsertAccounts(inside, { ...of, syncId: 's', refreshedAt: null, accounts }),
    );
    await storeBalances([['INTERIM_AVAILABLE', '10']]);
    const rows = (await view('account_overview')).toSorted((a, b) =>
      String(a['account_id']) < String(b['account_id']) ? -1 : 1,
    );
    expect(rows).toMatchObject([
      {
        account_id: 'a',
        bank_name: 'Mockbank',
        entity_state: 'active',
        iban: 'AE070331234567890123456',
        balance_currency: 'AED',
        available_signed_amount: '10',
      },
      { account_id: 'b', balance_currency: null, available_signed_amount: null },
    ]);
  });
});

describe('a view', () => {
  it.each(['current_balances', 'booked_transactions', 'account_overview'])(
    '%s finds one account by an index',
    async (name) => {
      const plan = await test.database.transaction(async (inside) => {
        // On tables this small only the choice between ways is switched off, not the ways themselves.
        await sql`set local enable_seqscan = off`.execute(inside);
        const { rows } = await sql<Record<string, string>>`
          explain select * from ${test.database.table(name)} where entity_id = 'e' and account_id = 'a'
        `.execute(inside);
        return rows.flatMap((row) => Object.values(row)).join('\n');
      });
      expect(plan).toMatch(/Index (Only )?(Scan|Cond)/);
      expect(plan).not.toMatch(/Seq Scan/);
    },
  );

  it('account_overview reads of one customer the balances of the customer’s accounts alone', async () => {
    const plan = await test.database.transaction(async (inside) => {
      await sql`set local enable_seqscan = off`.execute(inside);
      await sql`set local enable_bitmapscan = off`.execute(inside);
      const { rows } = await sql<Record<string, string>>`
        explain select * from ${test.database.table('account_overview')} where customer_id = 'c'
      `.execute(inside);
      return rows.flatMap((row) => Object.values(row)).join('\n');
    });
    expect(plan).toMatch(/Index Scan using accounts_customer .*\n\s*Index Cond: \(customer_id = 'c'/);
    expect(plan).toMatch(
      /Index Scan using balances_pkey .*\n\s*Index Cond: \(\(entity_id = account.entity_id\) AND \(account_id = account.account_id\)/,
    );
  });
});
