// What the rows of people, beneficiaries and orders promise whatever comes in which order: reply texts of generated
// customers, at three refreshes of theirs, through reading, normalizing and storing.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Instant } from '../../src/core/instant.ts';
import { listKinds, readPage, type ListPage } from '../../src/lean/lean-lists.ts';
import type { ReplySource } from '../../src/lean/lean-reply.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../../src/lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import type { WireItem } from '../../src/lean/read-list.ts';
import { upsertBeneficiaries } from '../../src/store/beneficiary-store.ts';
import type { Database, Executor } from '../../src/store/database.ts';
import { upsertDirectDebits } from '../../src/store/direct-debit-store.ts';
import { upsertIdentities } from '../../src/store/identity-store.ts';
import type { UpsertListed } from '../../src/store/listed-item-store.ts';
import { upsertScheduledPayments } from '../../src/store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../../src/store/standing-order-store.ts';
import type { StoredCounts } from '../../src/store/stored-counts.ts';
import { generateCustomers, refreshEntity } from '../simulator/customers.ts';
import { furtherTablesSql } from '../simulator/expected-further-tables.ts';
import {
  accountIdentitiesReply,
  beneficiariesReply,
  directDebitsReply,
  scheduledPaymentsReply,
  standingOrdersReply,
} from '../simulator/reply-arrangements.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { firstPage, readText } from '../support/lean-replies.ts';
import { clearSyncTables } from '../support/sync-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

interface ListedKind<Wire, Canonical> {
  readonly read: (source: ReplySource) => ListPage<Wire> | null;
  readonly normalize: (items: readonly WireItem<Wire>[]) => Canonical[];
  readonly upsert: (
    database: Database,
    inside: Executor,
    list: UpsertListed<Canonical>,
  ) => Promise<StoredCounts>;
}

/** Stores the list of a reply; gives how many items came and what they came to. */
function storing<Wire, Canonical>({ read, normalize, upsert }: ListedKind<Wire, Canonical>) {
  return async (bodyText: string, accountId: string) => {
    const reply = readText(bodyText, read);
    const refreshedAt: Instant | null = reply.refreshedAt;
    const of = { entityId: 'e', customerId: 'c', accountId, syncId: refreshedAt?.at ?? '', keyRing: null };
    const counts = await opened.database.transaction((inside) =>
      upsert(opened.database, inside, { ...of, refreshedAt, items: normalize(reply.items) }),
    );
    return {
      items: reply.items.length + reply.unreadable.length,
      unreadable: reply.unreadable.length,
      counts,
    };
  };
}

const kinds = {
  identities: {
    reply: accountIdentitiesReply,
    store: storing({
      read: (source) => readPage(source, listKinds.accountIdentities, firstPage),
      normalize: normalizeIdentities,
      upsert: upsertIdentities,
    }),
  },
  beneficiaries: {
    reply: beneficiariesReply,
    store: storing({
      read: (source) => readPage(source, listKinds.beneficiaries, firstPage),
      normalize: normalizeBeneficiaries,
      upsert: upsertBeneficiaries,
    }),
  },
  direct_debits: {
    reply: directDebitsReply,
    store: storing({
      read: (source) => readPage(source, listKinds.directDebits, firstPage),
      normalize: normalizeDirectDebits,
      upsert: upsertDirectDebits,
    }),
  },
  standing_orders: {
    reply: standingOrdersReply,
    store: storing({
      read: (source) => readPage(source, listKinds.standingOrders, firstPage),
      normalize: normalizeStandingOrders,
      upsert: upsertStandingOrders,
    }),
  },
  scheduled_payments: {
    reply: scheduledPaymentsReply,
    store: storing({
      read: (source) => readPage(source, listKinds.scheduledPayments, firstPage),
      normalize: normalizeScheduledPayments,
      upsert: upsertScheduledPayments,
    }),
  },
} as const;
const tables = [
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const;

interface Delivery {
  readonly table: (typeof tables)[number];
  readonly accountId: string;
  readonly bodyText: string;
}

const refreshes = ['2026-05-11T08:00:00.000Z', '2026-05-12T08:00:00.000Z', '2026-05-13T08:00:00.000Z'];

/** What Lean gives of one entity right after each of its refreshes; the newest last. */
function deliveriesOf(seed: string): Delivery[] {
  const [first = ''] = refreshes;
  const { entities } = generateCustomers({
    seed,
    entities: 1,
    accounts: 1,
    region: 'sa',
    transactions: 1,
    at: first,
  });
  return refreshes.flatMap((at) =>
    entities.flatMap((entity) => {
      if (at !== first) refreshEntity(entity, { at });
      const facts = { resultsId: 'r', timestamp: at, refreshedAt: at, page: 0, size: 100 };
      return entity.accounts.flatMap((account) =>
        tables.map((table) => ({
          table,
          accountId: account.accountId,
          bodyText: kinds[table].reply({ entity, account }, facts),
        })),
      );
    }),
  );
}

async function deliverAll(deliveries: readonly Delivery[]) {
  const stored = [];
  for (const { table, bodyText, accountId } of deliveries) {
    stored.push(await kinds[table].store(bodyText, accountId));
  }
  return stored;
}

async function rowsOf() {
  const queries = furtherTablesSql(opened.schema);
  const rows: string[] = [];
  for (const table of tables) {
    const found = await sql.raw(queries[table]).execute(opened.database.db);
    rows.push(...found.rows.map((row) => `${table} ${JSON.stringify(row)}`).toSorted());
  }
  return rows;
}

it('people and orders end the same in any order of the lists, once or twice, and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[a-z]{1,10}$/), fc.infiniteStream(fc.nat()), async (seed, dice) => {
      const deliveries = deliveriesOf(seed);
      await clearSyncTables(opened.database);
      for (const { items, unreadable, counts } of await deliverAll(deliveries)) {
        const { inserted, changed, unchanged, refused } = counts;
        expect([unreadable, refused, inserted + changed + unchanged]).toEqual([0, 0, items]);
      }
      const expected = await rowsOf();
      expect(expected.length).toBeGreaterThan(tables.length);

      await deliverAll(deliveries);
      expect(await rowsOf()).toEqual(expected);

      await clearSyncTables(opened.database);
      const again = deliveries.filter(() => dice.next().value % 3 === 0);
      const shuffled = [...deliveries, ...again]
        .map((delivery) => ({ delivery, place: dice.next().value }))
        .toSorted((one, other) => one.place - other.place);
      await deliverAll(shuffled.map(({ delivery }) => delivery));
      expect(await rowsOf()).toEqual(expected);
    }),
    { numRuns: 5 },
  );
});
