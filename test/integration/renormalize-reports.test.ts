// `npm run ops -- renormalize` over consents and banks, of which events speak too: what an event says meanwhile stands,
// and each is told as its own.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { normalizerVersion } from '../../src/core/canonical.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { Database, TablesTransaction } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { StatementTimeout } from '../../src/store/statement-limit.ts';
import { eventually } from '../support/eventually.ts';
import { needsRealEngines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { operate } from '../support/operator.ts';
import { onRows, orderOf, reportedItems, storeReports } from '../support/renormalize-parts.ts';
import { clearSyncTables } from '../support/sync-parts.ts';
import { testKeyRing } from '../support/worker-parts.ts';

const env = { PAYLOAD_KEYS: Buffer.alloc(32, 7).toString('base64') };

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
  await stampInstallation(test.database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
});
afterAll(() => test.drop());
beforeEach(async () => {
  await clearSyncTables(test.database);
  for (const table of ['consents', 'banks'] as const) await test.database.db.deleteFrom(table).execute();
});

/** As an older normalizer might have left them. */
async function age(table: string): Promise<void> {
  await sql`update ${test.database.table(table)} set normalizer_version = 1`.execute(test.database.db);
}

/** Runs `then` once, when a transaction has read stored reports and before it goes on. */
function afterReading(then: () => Promise<void>): Database {
  let wasRead = false;
  const plugin = onRows(async (rows) => {
    if (wasRead || rows.every(({ fieldOrders }) => fieldOrders == null)) return;
    wasRead = true;
    await then();
  });
  return {
    ...test.database,
    transaction: (run) => test.database.transaction((inside) => run(inside.withPlugin(plugin))),
  };
}

/** What an event of the third day says, in a transaction of its own. */
function report(write: (inside: TablesTransaction) => Promise<unknown>) {
  let pid: number | null = null;
  let isDone = false;
  const committed = test.database
    .transaction(async (inside) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(inside);
      pid = rows[0]?.pid ?? null;
      await write(inside);
    })
    .finally(() => (isDone = true));
  return {
    committed,
    isDoneOrWaits: () =>
      eventually(async () => {
        const { rows } = await sql<{ waits: boolean }>`
          select cardinality(pg_blocking_pids(${pid}::integer)) > 0 as waits`.execute(test.database.db);
        expect(isDone || rows[0]?.waits === true).toBe(true);
      }),
  };
}

const ofEvent = { order: orderOf(3), source: 'event', keyRing: testKeyRing } as const;

it.for([
  {
    table: 'consents',
    write: (inside: TablesTransaction) => {
      const consents = [{ ...reportedItems().consent, status: 'EXPIRED', expiresAt: null }];
      const whose = { entityId: 'entity', customerId: 'customer' };
      return upsertConsents(test.database, inside, { ...ofEvent, ...whose, consents });
    },
    said: { status: 'EXPIRED' },
  },
  {
    table: 'banks',
    write: (inside: TablesTransaction) => {
      const banks = [{ ...reportedItems().bank, name: null, activeData: true }];
      return upsertBanks(test.database, inside, { ...ofEvent, banks });
    },
    said: { active_data: true },
  },
])('keeps what an event says of $table while they are read anew', async ({ table, write, said }, context) => {
  needsRealEngines(context, 'postgres');
  await storeReports(test.database);
  await age(table);
  let committed: Promise<void> | undefined;
  const database = afterReading(async () => {
    const begun = report(write);
    ({ committed } = begun);
    await begun.isDoneOrWaits();
  });
  const { code } = await operate(['renormalize', '--yes'], { database, env });
  expect([code, committed !== undefined]).toEqual([0, true]);
  await committed;
  const { rows } = await sql`select * from ${test.database.table(table)}`.execute(test.database.db);
  expect(rows).toMatchObject([{ ...said, normalizer_version: normalizerVersion }]);
});

it('tells of each consent and each bank under its own id, and to its own customer', async () => {
  const { consent, bank } = reportedItems();
  const item = { order: orderOf(1), source: 'item', keyRing: testKeyRing, entityId: null } as const;
  await test.database.transaction(async (inside) => {
    for (const id of ['1', '2']) {
      const one = {
        ...consent,
        consentId: `consent-${id}`,
        raw: consent.raw.replace('"consent"', `"consent-${id}"`),
      };
      const whose = { customerId: `customer-${id}` };
      await upsertConsents(test.database, inside, { ...item, ...whose, consents: [one] });
    }
    await upsertBanks(test.database, inside, { ...item, banks: [{ ...bank, activeData: false }] });
    await upsertBanks(test.database, inside, {
      ...ofEvent,
      banks: [{ ...bank, name: null, activeData: false }],
    });
  });
  await age('consents');
  await age('banks');
  const { db } = test.database;
  await db.updateTable('consents').set({ expires_at: null }).execute();
  await db.updateTable('banks').set({ name: 'former' }).execute();
  expect((await operate(['renormalize', '--yes'], { database: test.database, env })).code).toBe(0);
  const told = await db.selectFrom('changes').selectAll().orderBy('change_id').execute();
  const again = { changed: 1, renormalized: true };
  const ofConsent = (id: string) => ({
    change: 'consent.updated',
    entity_id: null,
    customer_id: `customer-${id}`,
    details: { consentId: `consent-${id}`, status: 'ACTIVE', consentType: null, ...again },
  });
  expect(told).toMatchObject([
    ofConsent('1'),
    ofConsent('2'),
    { change: 'bank.updated', details: { bankIdentifier: 'bank', isAvailable: false, ...again } },
  ]);
});

it('does without a total where counting takes too long', async () => {
  await storeReports(test.database);
  await age('banks');
  const plugin = onRows(async ([row]) => {
    if (Object.keys(row ?? {}).join() === 'count') throw new StatementTimeout('too long');
  });
  const database = { ...test.database, db: test.database.db.withPlugin(plugin) };
  const { code, progress } = await operate(['renormalize'], { database, env, answer: 'y' });
  expect(code).toBe(0);
  expect(progress).toContain('renormalize: 1 items');
});
