// What the rows promise whatever comes in which order: reply texts of generated customers, at three refreshes of theirs,
// through reading, normalizing and storing. The rows after reading everything once and in order are the judge.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { normalizeAccounts } from '../../src/lean/normalize-account.ts';
import { normalizeBalances } from '../../src/lean/normalize-balance.ts';
import { normalizeTransactions } from '../../src/lean/normalize-transaction.ts';
import { upsertAccounts } from '../../src/store/account-store.ts';
import { upsertBalances } from '../../src/store/balance-store.ts';
import type { StoredCounts } from '../../src/store/stored-counts.ts';
import { upsertTransactions } from '../../src/store/transaction-store.ts';
import { generateCustomers, refreshEntity, type SimulatedEntity } from '../simulator/customers.ts';
import { comparedTablesSql, type ComparedTable } from '../simulator/expected-tables.ts';
import { accountsReply, balancesReply, transactionsReply } from '../simulator/reply-bodies.ts';
import { unsignedSpelling } from '../support/amount-spellings.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { exactValue, scaledValue } from '../support/exact-decimal.ts';
import { firstPage, readText } from '../support/lean-replies.ts';
import { clearSyncTables } from '../support/sync-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

/** One list as Lean sent it, at one refresh: what a step of a sync gets. */
interface Delivery {
  readonly kind: 'accounts' | 'balances' | 'transactions';
  readonly accountId: string;
  readonly bodyText: string;
  readonly syncId: string;
}

interface Outcome {
  /** Items that could not be read. */
  readonly unreadable: number;
  readonly counts: StoredCounts;
}

async function deliver({ kind, accountId, bodyText, syncId }: Delivery): Promise<Outcome> {
  const { database } = opened;
  const of = { entityId: 'e', customerId: 'c', accountId, syncId, eventKey: null, keyRing: null };
  switch (kind) {
    case 'accounts': {
      const reply = readText(bodyText, (source) => readPage(source, listKinds.accounts, firstPage));
      const accounts = normalizeAccounts(reply.items);
      const { refreshedAt } = reply;
      const stored = await database.transaction((inside) =>
        upsertAccounts(inside, { ...of, refreshedAt, accounts }),
      );
      const [inserted, changed] = [stored.inserted.length, stored.changed.length];
      const counts = { inserted, changed, unchanged: stored.unchanged.length, refused: stored.refused };
      return { unreadable: reply.unreadable.length, counts };
    }
    case 'balances': {
      const reply = readText(bodyText, (source) => readPage(source, listKinds.balances, firstPage));
      const { records, unreadable } = normalizeBalances(reply.items, reply);
      const { refreshedAt } = reply;
      const counts = await database.transaction((inside) =>
        upsertBalances(inside, { ...of, refreshedAt, balances: records }),
      );
      return { unreadable: reply.unreadable.length + unreadable.length, counts };
    }
    case 'transactions': {
      const reply = readText(bodyText, (source) => readPage(source, listKinds.transactions, firstPage));
      const transactions = normalizeTransactions(reply.items);
      const { refreshedAt } = reply;
      const counts = await database.transaction((inside) =>
        upsertTransactions(database, inside, { ...of, refreshedAt, transactions }),
      );
      return { unreadable: reply.unreadable.length, counts };
    }
  }
}

const refreshes = ['2026-05-11T08:00:00.000Z', '2026-05-12T08:00:00.000Z', '2026-05-13T08:00:00.000Z'];

/** What Lean gives of one entity right after each of its refreshes; the newest last. */
function deliveriesOf(seed: string): Delivery[] {
  const [first = ''] = refreshes;
  const { entities } = generateCustomers({ seed, entities: 1, accounts: 2, transactions: 7, at: first });
  const [entity] = entities;
  if (entity === undefined) throw new Error('no entity');
  return refreshes.flatMap((at) => {
    if (at !== first) refreshEntity(entity, { at, count: 2 });
    return snapshotOf(entity, at);
  });
}

function snapshotOf(entity: SimulatedEntity, at: string): Delivery[] {
  const facts = { resultsId: 'r', timestamp: at, refreshedAt: at, page: 0, size: 100 };
  const common = { syncId: at, accountId: '' };
  return [
    { ...common, kind: 'accounts' as const, bodyText: accountsReply(entity, facts) },
    ...entity.accounts.flatMap((account): Delivery[] => {
      const owned = { ...common, accountId: account.accountId };
      return [
        { ...owned, kind: 'balances', bodyText: corrected(balancesReply({ entity, account }, facts), at) },
        { ...owned, kind: 'transactions', bodyText: transactionsReply({ entity, account }, facts) },
      ];
    }),
  ];
}

/** One balance of every list is of a report all of them speak of, each with figures of its own. */
function corrected(bodyText: string, at: string): string {
  const balance = `{"type":"CLOSING_CLEARED","amount":{"currency":"AED","amount":${Date.parse(at)}},
    "credit_debit_indicator":"CREDIT","date_time":"2026-05-01T00:00:00Z"}`;
  return bodyText.replace('"balances":[', `"balances":[${balance},`);
}

async function rowsOf() {
  const queries = comparedTablesSql(opened.schema);
  const tables: readonly ComparedTable[] = ['accounts', 'balances', 'transactions'];
  const rows: Partial<Record<ComparedTable, string[]>> = {};
  for (const table of tables) {
    const { rows: unordered } = await sql.raw(queries[table]).execute(opened.database.db);
    rows[table] = unordered.map((row) => JSON.stringify(row)).toSorted();
  }
  return rows;
}

/** The time of every row's list, to see that none goes back. */
async function listTimes() {
  const { rows } = await sql<{ key: string; at: Date }>`
    select account_id || '/' || transaction_id as key, refreshed_at as at from ${opened.database.table('transactions')}
    union all select account_id, refreshed_at from ${opened.database.table('accounts')}
    union all select account_id || balance_type || reported_at::text, refreshed_at
      from ${opened.database.table('balances')}`.execute(opened.database.db);
  return new Map(rows.map(({ key, at }) => [key, at.getTime()]));
}

async function rowsInOrder(deliveries: readonly Delivery[]) {
  await clearSyncTables(opened.database);
  for (const delivery of deliveries) await deliver(delivery);
  return rowsOf();
}

const seeds = fc.stringMatching(/^[a-z]{1,10}$/);
const runs = { numRuns: 3 };

describe('rows', () => {
  it('end the same in any order of the lists, each once or twice, and no row ever goes back in time', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.infiniteStream(fc.nat()), async (seed, dice) => {
        const deliveries = deliveriesOf(seed);
        const expected = await rowsInOrder(deliveries);
        await clearSyncTables(opened.database);
        const again = deliveries.filter(() => dice.next().value % 3 === 0);
        const shuffled = [...deliveries, ...again]
          .map((delivery) => ({ delivery, place: dice.next().value }))
          .toSorted((one, other) => one.place - other.place);
        let before = new Map<string, number>();
        for (const { delivery } of shuffled) {
          await deliver(delivery);
          const after = await listTimes();
          for (const [key, at] of before) expect(after.get(key)).toBeGreaterThanOrEqual(at);
          before = after;
        }
        expect(await rowsOf()).toEqual(expected);
      }),
      runs,
    );
  });

  it('are the same after everything has come a second time, and nothing is told as changed', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const deliveries = deliveriesOf(seed);
        const once = await rowsInOrder(deliveries);
        for (const delivery of deliveries) {
          const { counts } = await deliver(delivery);
          expect(counts).toMatchObject({ inserted: 0, changed: 0, refused: 0 });
        }
        expect(await rowsOf()).toEqual(once);
      }),
      runs,
    );
  });

  it('and what could not be read are as many as the items that came', async () => {
    const strangers = ['null', '7', '{"amount":{"amount":"much"}}', '{"account_id":"\\u0000"}', '[]'];
    const place = fc.tuple(fc.constantFrom(...strangers), fc.nat());
    await fc.assert(
      fc.asyncProperty(seeds, fc.array(place, { maxLength: 4 }), async (seed, odd) => {
        await clearSyncTables(opened.database);
        for (const delivery of deliveriesOf(seed)) {
          const member = `"${delivery.kind}":[`;
          const strange = odd.map(([text]) => text).join(',');
          const bodyText = delivery.bodyText.replace(
            member,
            strange === '' ? member : `${member}${strange},`,
          );
          const { unreadable, counts } = await deliver({ ...delivery, bodyText });
          const { inserted, changed, unchanged, refused } = counts;
          expect(unreadable).toBe(odd.length);
          expect(refused).toBe(0);
          const body: unknown = JSON.parse(delivery.bodyText);
          const items: unknown = Object(body).data[delivery.kind];
          expect(inserted + changed + unchanged).toBe(Array.isArray(items) ? items.length : -1);
        }
      }),
      runs,
    );
  });
});

describe('money', () => {
  it('between two closing balances is the sum of what was booked, to the last digit', async () => {
    const bookings = fc.array(fc.tuple(fc.boolean(), unsignedSpelling), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(unsignedSpelling, bookings, async (opening, booked) => {
        await clearSyncTables(opened.database);
        const sum = booked.reduce((total, [isCredit, amount]) => {
          const digits = scaledValue(amount, 10) ?? 0n;
          return total + (isCredit ? digits : -digits);
        }, 0n);
        const closing = (scaledValue(opening, 10) ?? 0n) + sum;
        const balances = [
          balanceOf('2026-05-11T00:00:00Z', { amount: opening, isCredit: true }),
          balanceOf('2026-05-12T00:00:00Z', { amount: tenDecimals(closing), isCredit: closing >= 0n }),
        ];
        const transactions = booked.map(
          ([isCredit, amount], at) =>
            `{"transaction_id":"t${at}","amount":{"amount":${amount},"currency":"AED"},"status":"BOOKED",
            "booking_date_time":"2026-05-12T00:00:00Z","local_time_zone":"UTC+00:00",
            "credit_debit_indicator":"${isCredit ? 'CREDIT' : 'DEBIT'}"}`,
        );
        const delivery = { accountId: 'a', syncId: 's' };
        await deliver({ ...delivery, kind: 'balances', bodyText: listText('balances', balances) });
        await deliver({
          ...delivery,
          kind: 'transactions',
          bodyText: listText('transactions', transactions),
        });
        const { rows } = await sql<{ difference: string; total: string }>`
          select (select sum(case credit_debit_indicator when 'CREDIT' then amount else -amount end
              * case when reported_at > '2026-05-11T12:00:00Z' then 1 else -1 end)
            from ${opened.database.table('balances')} where balance_type = 'CLOSING_BOOKED')::text as difference,
          (select sum(signed_amount) from ${opened.database.table('transactions')}
            where booking_date = '2026-05-12' and status = 'BOOKED' and superseded_at is null)::text as total
        `.execute(opened.database.db);
        const [{ difference, total } = { difference: '', total: '-' }] = rows;
        expect(exactValue(total)).toBe(exactValue(difference));
        expect(exactValue(total)).toBe(exactValue(tenDecimals(sum, true)));
      }),
      runs,
    );
  });
});

function balanceOf(at: string, { amount, isCredit }: { amount: string; isCredit: boolean }): string {
  return `{"type":"CLOSING_BOOKED","amount":{"currency":"AED","amount":${amount}},"date_time":"${at}",
    "credit_debit_indicator":"${isCredit ? 'CREDIT' : 'DEBIT'}"}`;
}

function listText(member: string, items: readonly string[]): string {
  return `{"status":"OK","refreshed_at":"2026-05-12T08:00:00Z","data":{"${member}":[${items.join(',')}]}}`;
}

/** Whole digits of ten decimals as decimal text; without its sign unless that is asked for. */
function tenDecimals(digits: bigint, signed = false): string {
  const text = (digits < 0n ? -digits : digits).toString().padStart(11, '0');
  return `${signed && digits < 0n ? '-' : ''}${text.slice(0, -10)}.${text.slice(-10)}`;
}
