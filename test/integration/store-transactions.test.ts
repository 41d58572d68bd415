import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { open } from '../../src/sealing/seal.ts';
import { upsertTransactions, type UpsertTransactions } from '../../src/store/transaction-store.ts';
import {
  forgetSeen,
  supersedeVanished,
  type SupersedeVanished,
} from '../../src/store/transaction-version-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { clearSyncTables } from '../support/sync-parts.ts';
import { instant, transaction } from '../support/sync-records.ts';
import { testKeyRing } from '../support/worker-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

const of = { entityId: 'e', accountId: 'a', customerId: 'c' };

function store(facts: Partial<UpsertTransactions>) {
  const options = {
    ...of,
    syncId: 's1',
    eventKey: null,
    refreshedAt: instant('2026-05-10T12:00:00Z'),
    transactions: [],
    keyRing: null,
    ...facts,
  };
  return opened.database.transaction((inside) => upsertTransactions(opened.database, inside, options));
}

async function stored() {
  return opened.database.db.selectFrom('transactions').selectAll().orderBy('transaction_id').execute();
}

const ids = async () => (await stored()).map((row) => row.transaction_id);

async function versions() {
  return opened.database.db
    .selectFrom('transaction_versions')
    .select(['transaction_id', 'version', 'amount', 'event_key'])
    .orderBy('version')
    .execute();
}

const rowId = () =>
  sql<{
    id: string;
  }>`select xmin::text || ctid::text as id from ${opened.database.table('transactions')}`.execute(
    opened.database.db,
  );

const vanish = (facts: Partial<SupersedeVanished> = {}) =>
  opened.database.transaction((inside) =>
    supersedeVanished(inside, {
      ...of,
      syncId: 's2',
      from: null,
      to: null,
      availableFrom: null,
      refreshedAt: null,
      ...facts,
    }),
  );

describe('transactions', () => {
  it('keep every digit of the amount, in the column and in its sign', async () => {
    const amount = '123456789012345678.12345678';
    await store({ transactions: [transaction('t', { amount, amountMinor: '99999999999999999999' })] });
    const { rows } = await sql<{ amount: string; signed: string; minor: string }>`
      select amount::text, signed_amount::text as signed, amount_minor::text as minor
      from ${opened.database.table('transactions')}`.execute(opened.database.db);
    expect(rows).toEqual([{ amount, signed: `-${amount}`, minor: '99999999999999999999' }]);
  });

  it('have no sign where the bank does not say, and none is guessed', async () => {
    await store({ transactions: [transaction('t', { creditDebitIndicator: null })] });
    expect(await stored()).toMatchObject([{ signed_amount: null, credit_debit_indicator: null }]);
  });

  it('round-trip money of any size the model allows', async () => {
    const digits = fc.stringMatching(/^[1-9]\d{0,19}(\.\d{1,19}[1-9])?$/);
    await fc.assert(
      fc.asyncProperty(digits, async (amount) => {
        await store({ transactions: [transaction('t', { amount })] });
        expect((await stored())[0]?.amount).toBe(amount);
      }),
      { numRuns: 25 },
    );
  });

  it('are counted as new, changed or unchanged, and a changed one leaves its former version', async () => {
    const [one, two] = [transaction('t1'), transaction('t2')];
    expect(await store({ transactions: [one, two] })).toEqual({
      inserted: 2,
      changed: 0,
      unchanged: 0,
      refused: 0,
      immutableChanged: 0,
    });
    const dearer = transaction('t2', { amount: '20.00' });
    expect(await store({ transactions: [one, dearer], eventKey: 'event-2' })).toEqual({
      inserted: 0,
      changed: 1,
      unchanged: 1,
      refused: 0,
      immutableChanged: 1,
    });
    await store({ transactions: [transaction('t2', { amount: '30.00' })], eventKey: 'event-3' });
    expect(await versions()).toEqual([
      { transaction_id: 't2', version: 1, amount: '12.34', event_key: 'event-2' },
      { transaction_id: 't2', version: 2, amount: '20.00', event_key: 'event-3' },
    ]);
    expect(await stored()).toMatchObject([{ amount: '12.34' }, { amount: '30.00' }]);
  });

  it('are not written again when nothing of them changed', async () => {
    await store({ transactions: [transaction('t')] });
    const before = await rowId();
    await store({ transactions: [transaction('t')] });
    expect((await rowId()).rows).toEqual(before.rows);
  });

  it('of a newer refresh are never overwritten by an older one', async () => {
    await store({ transactions: [transaction('t', { amount: '2.00' })] });
    const older = { refreshedAt: instant('2026-05-09T12:00:00Z'), syncId: 's2' };
    const counts = await store({ transactions: [transaction('t', { amount: '1.00' })], ...older });
    expect(counts).toMatchObject({ changed: 0, unchanged: 1 });
    expect(await stored()).toMatchObject([{ amount: '2.00', seen_sync_id: 's2' }]);
    expect(await versions()).toEqual([]);
  });

  it('end the same in any order of their refreshes', async () => {
    const refreshes = [1, 2, 3].map((day) => ({
      refreshedAt: instant(`2026-05-0${day}T12:00:00Z`),
      transactions: [transaction('t', { amount: `${day}.00` })],
    }));
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(refreshes, { minLength: 3 }), async (order) => {
        await opened.database.db.deleteFrom('transactions').execute();
        for (const refresh of order) await store(refresh);
        expect((await stored())[0]?.amount).toBe('3.00');
      }),
      { numRuns: 6 },
    );
  });

  it('with one id twice in one page are one row, the last', async () => {
    const twice = [transaction('t', { amount: '1.00' }), transaction('t', { amount: '2.00' })];
    expect(await store({ transactions: twice })).toMatchObject({ inserted: 1 });
    expect(await stored()).toMatchObject([{ amount: '2.00' }]);
  });

  it('that cannot be stored do not hold up their neighbours', async () => {
    const odd = [
      transaction('zero', { description: 'a\u0000b' }),
      transaction('huge', { amount: '1e999999' }),
      transaction('negative', { amount: '-1' }),
    ];
    const counts = await store({ transactions: [transaction('t1'), ...odd, transaction('t2')] });
    expect(counts).toMatchObject({ inserted: 2, changed: 0, unchanged: 0, refused: 3 });
    expect((await stored()).map((row) => row.transaction_id)).toEqual(['t1', 't2']);
  });

  it('keep what Lean wrote, sealed for this row alone', async () => {
    await store({ transactions: [transaction('t')], keyRing: testKeyRing });
    const raw = (await stored())[0]?.raw ?? new Uint8Array();
    expect(Buffer.from(raw).includes('transaction_id')).toBe(false);
    const record = { purpose: 'raw', recordId: 'transactions:e:a:t' } as const;
    expect(Buffer.from(open(testKeyRing, record, raw)).toString()).toBe('{"transaction_id":"t"}');
  });

  it('get their customer once it is known, which is no change of a payment', async () => {
    await store({ transactions: [transaction('t')], customerId: null });
    expect(await store({ transactions: [transaction('t')] })).toMatchObject({ changed: 0, unchanged: 1 });
    expect(await stored()).toMatchObject([{ customer_id: 'c' }]);
  });

  it('more than one statement holds are stored all the same', async () => {
    const many = Array.from({ length: 1_201 }, (_, index) => transaction(`t${index}`));
    expect(await store({ transactions: many })).toMatchObject({ inserted: 1_201 });
  });
});

describe('equal payments without an id', () => {
  const fingerprint = `fp_${'0a'.repeat(32)}`;
  const unnamed = () => transaction(fingerprint, { idSource: 'fingerprint' });

  it('on two pages of a list stay as many as they are', async () => {
    expect(await store({ transactions: [unnamed(), unnamed()] })).toMatchObject({ inserted: 2 });
    const other = transaction(`fp_${'0b'.repeat(32)}`, { idSource: 'fingerprint' });
    expect(await store({ transactions: [other, unnamed(), transaction('t')] })).toMatchObject({
      inserted: 3,
    });
    const numbered = [0, 1, 2].map((number) => `${fingerprint}_${number}`);
    expect(await ids()).toEqual([...numbered, `${other.transactionId}_0`, 't'].toSorted());
  });

  it('beyond ten keep being told apart', async () => {
    for (let page = 0; page < 4; page += 1) await store({ transactions: [unnamed(), unnamed(), unnamed()] });
    expect(new Set(await ids()).size).toBe(12);
  });

  it('are the same rows when the list is read again, from its first page or by another sync', async () => {
    const pages = [[unnamed(), unnamed()], [unnamed()]];
    for (const transactions of pages) await store({ transactions });
    const before = await ids();
    await opened.database.transaction((inside) => forgetSeen(inside, { ...of, syncId: 's1' }));
    for (const transactions of pages) await store({ transactions });
    for (const transactions of pages) await store({ transactions, syncId: 's2' });
    expect(await ids()).toEqual(before);
    expect(await versions()).toEqual([]);
  });
});

describe('superseding what vanished', () => {
  it.each([
    ['a settled one inside the list', '2026-05-05', 'BOOKED', 'IMMUTABLE', 1],
    ['not a settled one of its first day', '2026-05-01', 'BOOKED', 'IMMUTABLE', 0],
    ['not a settled one from before the list', '2026-04-30', 'BOOKED', 'IMMUTABLE', 0],
    ['a pending one of any day', '2026-04-30', 'PENDING', 'IMMUTABLE', 1],
    ['a mutable one inside the list', '2026-05-05', 'BOOKED', 'MUTABLE', 1],
    ['not a mutable one that is too old for the list', '2026-04-30', 'BOOKED', 'MUTABLE', 0],
    ['not one of a status nobody knows that is too old for the list', '2026-04-30', 'SETTLED', 'MUTABLE', 0],
    ['not one without a status that is too old for the list', '2026-04-30', null, null, 0],
  ])('takes %s', async (_name, bookingDate, status, mutability, expected) => {
    await store({ transactions: [transaction('gone', { bookingDate, status, mutability })] });
    await store({ transactions: [transaction('kept', { bookingDate: '2026-05-01' })], syncId: 's2' });
    expect(await vanish()).toBe(expected);
    expect(await vanish()).toBe(0);
  });

  it('reaches as far back as Lean says that it holds data', async () => {
    await store({ transactions: [transaction('gone', { bookingDate: '2026-04-30' })] });
    expect(await vanish()).toBe(0);
    expect(await vanish({ availableFrom: '2026-04-01' })).toBe(1);
  });

  it('leaves alone what a newer list has confirmed, and the other way round', async () => {
    const [older, newer] = [instant('2026-05-09T12:00:00Z'), instant('2026-05-11T12:00:00Z')];
    const pendingOne = transaction('gone', { status: 'PENDING' });
    await store({ transactions: [pendingOne] });
    expect(await vanish({ refreshedAt: older })).toBe(0);
    expect(await vanish({ refreshedAt: newer })).toBe(1);
    expect(await store({ transactions: [pendingOne], syncId: 's3' })).toMatchObject({ changed: 0 });
    expect(await stored()).toMatchObject([{ supersede_rule: 'vanished' }]);
    expect(await store({ transactions: [pendingOne], syncId: 's4', refreshedAt: newer })).toMatchObject({
      changed: 1,
    });
    expect(await stored()).toMatchObject([{ supersede_rule: null }]);
  });

  it('keeps to the window that was read', async () => {
    await store({ transactions: [transaction('gone', { bookingDate: '2026-05-05', status: 'PENDING' })] });
    expect(await vanish({ from: '2026-05-06', to: null })).toBe(0);
    expect(await vanish({ from: null, to: '2026-05-04' })).toBe(0);
    expect(await vanish({ from: '2026-05-05', to: '2026-05-05' })).toBe(1);
  });

  it('is taken back when the row is seen again, and counted as a change', async () => {
    await store({ transactions: [transaction('t', { status: 'PENDING' })] });
    await vanish();
    expect(
      await store({ transactions: [transaction('t', { status: 'PENDING' })], syncId: 's3' }),
    ).toMatchObject({
      changed: 1,
      unchanged: 0,
    });
    expect(await stored()).toMatchObject([{ superseded_at: null, supersede_rule: null }]);
  });
});
