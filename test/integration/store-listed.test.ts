// People and orders: five tables, one way of storing. What holds for one of them is asked of each.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readKeyRing } from '../../src/sealing/key-ring.ts';
import { open, rawRecord } from '../../src/sealing/seal.ts';
import { upsertBeneficiaries } from '../../src/store/beneficiary-store.ts';
import type { TablesTransaction } from '../../src/store/database.ts';
import { upsertDirectDebits } from '../../src/store/direct-debit-store.ts';
import { upsertIdentities } from '../../src/store/identity-store.ts';
import {
  forgetSeenListed,
  noAccount,
  removeUnseenListed,
  type ListedTable,
} from '../../src/store/listed-item-store.ts';
import { upsertScheduledPayments } from '../../src/store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../../src/store/standing-order-store.ts';
import type { StoredCounts } from '../../src/store/stored-counts.ts';
import {
  beneficiary,
  directDebit,
  everyOrderOfThree,
  identity,
  scheduledPayment,
  standingOrder,
} from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

const day = (number: number) => instant(`2026-05-${String(number).padStart(2, '0')}T12:00:00Z`);
const list = {
  entityId: 'e',
  accountId: 'a',
  customerId: 'c',
  syncId: 's1',
  refreshedAt: day(10),
  keyRing: null,
};
type List = Omit<typeof list, 'customerId' | 'keyRing' | 'refreshedAt'> & {
  readonly customerId: string | null;
  readonly refreshedAt: ReturnType<typeof day> | null;
  readonly keyRing: ReturnType<typeof readKeyRing>;
};
/** Keys, or a key with the text of one of its columns. */
type Items = readonly (string | readonly [key: string, text: string])[];
type Put = (inside: TablesTransaction, of: List, items: Items) => Promise<StoredCounts>;

const split = (item: Items[number]) => (typeof item === 'string' ? ([item, 'as it was'] as const) : item);

interface Listed {
  readonly table: ListedTable;
  readonly key: string;
  /** The column that holds the item's text. */
  readonly text: string;
  readonly put: Put;
}

const listed: readonly Listed[] = [
  {
    table: 'identities',
    key: 'party_key',
    text: 'full_name',
    put: (inside, of, items) =>
      upsertIdentities(opened.database, inside, {
        ...of,
        items: items.map(split).map(([key, fullName]) => identity(key, { fullName })),
      }),
  },
  {
    table: 'beneficiaries',
    key: 'beneficiary_id',
    text: 'reference',
    put: (inside, of, items) =>
      upsertBeneficiaries(opened.database, inside, {
        ...of,
        items: items.map(split).map(([key, reference]) => beneficiary(key, { reference })),
      }),
  },
  {
    table: 'direct_debits',
    key: 'direct_debit_id',
    text: 'name',
    put: (inside, of, items) =>
      upsertDirectDebits(opened.database, inside, {
        ...of,
        items: items.map(split).map(([key, name]) => directDebit(key, { name })),
      }),
  },
  {
    table: 'standing_orders',
    key: 'standing_order_id',
    text: 'purpose',
    put: (inside, of, items) =>
      upsertStandingOrders(opened.database, inside, {
        ...of,
        items: items.map(split).map(([key, purpose]) => standingOrder(key, { purpose })),
      }),
  },
  {
    table: 'scheduled_payments',
    key: 'scheduled_payment_id',
    text: 'reference',
    put: (inside, of, items) =>
      upsertScheduledPayments(opened.database, inside, {
        ...of,
        items: items.map(split).map(([key, reference]) => scheduledPayment(key, { reference })),
      }),
  },
];

beforeEach(async () => {
  for (const { table } of listed) await opened.database.db.deleteFrom(table).execute();
});

interface Row {
  readonly key: string;
  readonly text: string | null;
  readonly removed: boolean;
  readonly raw: Uint8Array;
  readonly customer_id: string | null;
  /** Postgres' own number of the row's version. */
  readonly version: string;
}

describe.for(listed)('$table', ({ table, key, text, put: putInside }) => {
  const put = (items: Items, facts: Partial<List> = {}) =>
    opened.database.transaction((inside) => putInside(inside, { ...list, ...facts }, items));
  const removeUnseen = (facts: Partial<List> = {}) =>
    opened.database.transaction((inside) =>
      removeUnseenListed(opened.database, inside, { ...list, ...facts, table }),
    );
  async function rows(): Promise<Row[]> {
    const result = await sql<Row>`
      select ${sql.ref(key)} as key, ${sql.ref(text)} as text, removed_at is not null as removed, raw, customer_id,
        ctid::text as version
      from ${opened.database.table(table)} order by 1
    `.execute(opened.database.db);
    return result.rows;
  }
  const seen = async () => (await rows()).map((row) => [row.key, row.text, row.removed]);

  it('twice are as once, and a page that is stored again is not even written again', async () => {
    expect(await put(['x', 'y'])).toEqual({ inserted: 2, changed: 0, unchanged: 0, refused: 0 });
    const first = await rows();
    expect(await put(['x', 'y'])).toEqual({ inserted: 0, changed: 0, unchanged: 2, refused: 0 });
    expect(await rows()).toEqual(first);
    expect(await put([['x', 'other'], 'y'], { syncId: 's2' })).toMatchObject({ changed: 1, unchanged: 1 });
    expect(await seen()).toEqual([
      ['x', 'other', false],
      ['y', 'as it was', false],
    ]);
  });

  it('are the newest list, in whatever order the lists come, and an older one only says what is still there', async () => {
    const lists = [
      { syncId: 's1', refreshedAt: day(9), items: [['x', 'old'], 'y'] as const },
      { syncId: 's2', refreshedAt: day(10), items: [['x', 'newer'], 'y'] as const },
      { syncId: 's3', refreshedAt: day(11), items: [['x', 'newest'], 'y'] as const },
    ] as const;
    for (const order of everyOrderOfThree) {
      await opened.database.db.deleteFrom(table).execute();
      for (const { items, ...of } of order.map((place) => lists[place])) {
        await put(items, of);
        await removeUnseen(of);
      }
      expect([order, await seen()]).toEqual([
        order,
        [
          ['x', 'newest', false],
          ['y', 'as it was', false],
        ],
      ]);
    }
  });

  it('that a complete list does not have are marked once, kept, and come back when they are seen again', async () => {
    await put(['x', 'y']);
    await put(['x'], { syncId: 's2', refreshedAt: day(11) });
    expect(await removeUnseen({ syncId: 's2', refreshedAt: day(11) })).toBe(1);
    expect(await removeUnseen({ syncId: 's2', refreshedAt: day(11) })).toBe(0);
    expect(await put(['y'], { syncId: 's3' })).toMatchObject({ changed: 0, unchanged: 1 });
    expect(await seen()).toEqual([
      ['x', 'as it was', false],
      ['y', 'as it was', true],
    ]);
    expect(await put(['y'], { syncId: 's4', refreshedAt: day(12) })).toMatchObject({ changed: 1 });
    expect((await seen())[1]).toEqual(['y', 'as it was', false]);
  });

  it('of another account or entity are left alone', async () => {
    await put(['x'], { accountId: noAccount });
    await put(['x'], { entityId: 'e2' });
    await put(['y'], { syncId: 's2', refreshedAt: day(11) });
    expect(await removeUnseen({ syncId: 's2', refreshedAt: day(11) })).toBe(0);
    expect(await rows()).toHaveLength(3);
  });

  it('of a list that starts over count as seen only if the list still has them', async () => {
    await put(['x', 'y'], { syncId: 's2' });
    await opened.database.transaction((inside) =>
      forgetSeenListed(opened.database, inside, { ...list, syncId: 's2', table }),
    );
    await put(['x'], { syncId: 's2' });
    expect(await removeUnseen({ syncId: 's2' })).toBe(1);
    expect(await seen()).toEqual([
      ['x', 'as it was', false],
      ['y', 'as it was', true],
    ]);
  });

  it('that cannot be stored do not hold up their neighbours', async () => {
    expect(await put(['x', ['odd', 'a\u0000b'], ['half', '\uD800']])).toEqual({
      inserted: 1,
      changed: 0,
      unchanged: 0,
      refused: 2,
    });
    expect(await seen()).toEqual([['x', 'as it was', false]]);
  });

  it('get their customer once it is known, which is no change', async () => {
    await put(['x'], { customerId: null });
    expect(await put(['x'])).toMatchObject({ changed: 0, unchanged: 1 });
    expect(await rows()).toMatchObject([{ customer_id: 'c' }]);
  });

  it('keep their own text sealed, and it opens for no other row', async () => {
    const keyRing = readKeyRing({ keysBase64: [randomBytes(32).toString('base64')], sealing: 'on' });
    await put(['x', 'y'], { keyRing });
    const [x, y] = await rows();
    const opens = (raw: Uint8Array, name: string) =>
      Buffer.from(open(keyRing, rawRecord(table, ['e', 'a', name]), raw)).toString();
    expect(opens(x?.raw ?? new Uint8Array(), 'x')).toContain('"x"');
    expect(() => opens(y?.raw ?? new Uint8Array(), 'x')).toThrow(/./);
    expect(Buffer.from(x?.raw ?? []).includes('"x"')).toBe(false);
  });
});

describe('orders', () => {
  it('keep every digit of their amounts, and their days as written', async () => {
    const putDebits = listed.find(({ table }) => table === 'direct_debits');
    await opened.database.transaction(async (inside) => putDebits?.put(inside, list, ['x']));
    const row = await opened.database.db
      .selectFrom('direct_debits')
      .select(['previous_payment_amount', 'previous_payment_date', 'previous_payment_currency'])
      .select('previous_payment_at')
      .executeTakeFirst();
    expect(row).toEqual({
      previous_payment_amount: '123456789012345678.0000000001',
      previous_payment_date: '2026-02-05',
      previous_payment_currency: 'KWD',
      previous_payment_at: new Date('2026-02-05T08:13:48.155Z'),
    });
  });
});
