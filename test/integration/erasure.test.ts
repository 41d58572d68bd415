// Erasing a customer: nothing of theirs is left, nothing of it comes back by any way, and nobody else is touched.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { eraseCustomer, erasedTables } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { openStepJobs } from '../../src/store/sync-step-store.ts';
import { fillArrangements } from '../support/arrangement-records.ts';
import { needsRealEngines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { createSyncParts, partsOfTwoAccounts, pending } from '../support/sync-parts.ts';
import { customerId, entityId, transaction as transactionOf } from '../support/sync-records.ts';
import { createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

const erasedAt = new Date('2026-05-20T00:00:00Z');
const before = '2026-05-12T14:34:40Z';
const after = '2026-05-20T00:00:01Z';
const other = { entityId: 'entity-2', customerId: 'customer-2' };

let test: TestDatabase;
let database: Database;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
  worker = createWorkerParts(database);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
});
afterEach(() => test.drop());

const erase = (rowsPerTransaction = 3) =>
  eraseCustomer(database, { customerId, now: erasedAt, rowsPerTransaction });

const created = (eventId: string, timestamp: string, of = { entityId, customerId }) =>
  entityBody({ eventId, timestamp, ...of });
const refreshed = (eventId: string, timestamp: string, of: { entityId: string; customerId: string | null }) =>
  refreshBody({ eventId, timestamp, ...of });
const announced = (eventId: string, resultsId: string) =>
  webhookBody({ type: 'results.ready', eventId, payload: { id: resultsId } });

/** Events, a sync with all its rows and versions, a sync that waits and results that are open. */
async function fillWithEverything(): Promise<void> {
  await worker.intake([{ body: created('e1', before) }, { body: created('o1', before, other) }]);
  await worker.applyEvent('e1');
  await worker.applyEvent('o1');
  const parts = partsOfTwoAccounts(database);
  await parts.request();
  await parts.drain();
  parts.world.transactions.set('b', [transactionOf('u1', { amount: '99.00' })]);
  parts.world.refreshedAt = '2026-05-11T12:32:54.746Z';
  await parts.request({ reason: 'refresh' });
  await parts.drain();
  parts.world.intercept = ({ kind }) => (kind === 'accounts' ? pending('results-1') : undefined);
  await parts.request();
  const [step] = parts.queue.values();
  if (step !== undefined) await parts.run(step.data);
  await parts.request();
  await worker.intake([
    { body: announced('ready', 'results-1') },
    { body: webhookBody({ type: 'payment.created', eventId: 'p1', payload: { customer_id: customerId } }) },
    {
      body: webhookBody({ type: 'entity.updated', eventId: 'q1', payload: { id: entityId, permissions: 7 } }),
    },
  ]);
  await worker.applyEvent('ready');
  await worker.applyEvent('q1');
  await fillArrangements(database);
  const theirs = partsOfTwoAccounts(database);
  await theirs.request(other);
  await theirs.drain();
}

async function countRows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of erasedTables) {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from ${database.table(table)}
    `.execute(database.db);
    counts[table] = rows[0]?.count ?? -1;
  }
  return counts;
}

/** Every row of every table as text, but for those that only the other customer has. */
async function everything(): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${database.schema} and table_type = 'BASE TABLE' order by 1
  `.execute(database.db);
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await sql<{ text: string }>`
      select row::text as text from ${database.table(name)} as row
    `.execute(database.db);
    texts.push(...rows.map(({ text }) => `${name} ${text}`));
  }
  return texts.join('\n');
}

const namesThem = /customer-1|entity-1|results-1/;

describe('after the erasure of a customer', () => {
  it('no table names them, their entities or their results any more, and what is of others is untouched', async () => {
    await fillWithEverything();
    expect(Object.entries(await countRows()).filter(([, count]) => count === 0)).toEqual([]);
    expect(await everything()).toMatch(namesThem);
    const erased = await erase();
    expect(erased).toMatchObject({
      entities: 1,
      rows: { entities: 1, accounts: 2, balances: 2, transactions: 6, transaction_versions: 1, sync_runs: 4 },
    });
    expect(await everything()).not.toMatch(namesThem);
    expect(await countRows()).toMatchObject({
      webhook_events: 1,
      entities: 1,
      accounts: 2,
      balances: 2,
      transactions: 6,
      sync_runs: 1,
    });
  });

  it('whatever comes for them again is concluded on arrival without its body, and nothing of it is written', async () => {
    await fillWithEverything();
    await erase();
    const rows = await countRows();
    const report = await worker.intake([
      { body: created('e1', before) },
      { body: refreshed('r1', before, { entityId, customerId: null }) },
      { body: refreshed('r2', after, { entityId: 'entity-of-theirs', customerId }) },
      { body: refreshed('r3', after, { entityId: 'entity-of-theirs', customerId: null }) },
      { body: announced('ready', 'results-1') },
      { body: webhookBody({ type: 'payment.created', eventId: 'p1', payload: { customer_id: customerId } }) },
    ]);
    expect(report).toMatchObject({ outcome: 'stored', events: 0 });
    const again = (await eventRows(database)).filter(({ event_key: key }) => key !== 'o1');
    const later = await worker.intake([
      { body: refreshed('r4', after, { entityId: 'entity-of-theirs', customerId: null }) },
    ]);
    expect(later).toMatchObject({ events: 0 });
    expect(again).toHaveLength(6);
    for (const row of again) {
      expect(row).toMatchObject({
        state: 'ignored',
        failure_code: 'CUSTOMER_ERASED',
        body: null,
        customer_id: null,
        entity_id: null,
      });
    }
    expect(await countRows()).toMatchObject({ ...rows, webhook_events: expect.any(Number) });
  });

  it('their redelivered events stay dropped after they have connected anew, and the new connection works', async () => {
    await fillWithEverything();
    await erase();
    const anew = { entityId: 'entity-9', customerId };
    await worker.intake([
      { body: refreshed('r9', after, anew) },
      { body: created('e9', after, anew) },
      { body: created('e1', before) },
      { body: refreshed('r1', after, { entityId, customerId }) },
      { body: refreshed('r0', before, { entityId: 'entity-0', customerId }) },
    ]);
    const rows = await eventRows(database);
    const codes = Object.fromEntries(rows.map((row) => [row.event_key, row.failure_code]));
    expect(codes).toEqual({
      o1: null,
      e9: null,
      r9: null,
      e1: 'CUSTOMER_ERASED',
      r1: 'CUSTOMER_ERASED',
      r0: 'CUSTOMER_ERASED',
    });
    await worker.applyEvent('e9');
    await worker.applyEvent('r9');
    const parts = partsOfTwoAccounts(database);
    for (const job of await openStepJobs(database, { limit: 100 })) parts.queue.set(job.id, job);
    await parts.drain();
    const synced = await database.db
      .selectFrom('transactions')
      .select('customer_id')
      .where('entity_id', '=', 'entity-9')
      .execute();
    expect(synced).toHaveLength(6);
    expect(
      (await eventRows(database)).filter(({ state }) => state === 'processed').map((row) => row.event_key),
    ).toEqual(['e9', 'o1', 'r9']);
  });

  it('an entity.created dated before it, or of no date, brings nothing back', async () => {
    await fillWithEverything();
    await erase();
    await worker.intake([
      { body: created('e1', before) },
      { body: created('e2', erasedAt.toISOString()) },
      { body: entityBody({ eventId: 'e3', timestamp: null, entityId, customerId }) },
    ]);
    expect(worker.eventJobs.filter(({ data }) => ['e2', 'e3'].includes(data.eventKey))).toEqual([]);
    expect(await everything()).not.toMatch(namesThem);
  });

  it('a call to Lean that was under way stores nothing', async () => {
    await fillWithEverything();
    const parts = createSyncParts(database);
    const { syncId } = await parts.request({ entityId: 'entity-3' });
    const [step] = parts.queue.values();
    parts.world.intercept = async () => {
      await erase();
      return undefined;
    };
    const report = step && (await parts.run(step.data));
    expect(report).toMatchObject({ outcome: 'nothing_to_do' });
    expect(syncId).toBeTruthy();
    expect(await everything()).not.toMatch(/customer-1|entity-3/);
  });

  it('an event that was kept, and named nobody by its columns, is concluded and emptied before it is applied', async () => {
    await fillWithEverything();
    await worker.intake([{ body: announced('late', 'results-1') }]);
    await erase();
    expect(await worker.applyEvent('late')).toMatchObject({ outcome: 'CUSTOMER_ERASED' });
    expect((await eventRows(database)).find((row) => row.event_key === 'late')).toMatchObject({
      state: 'ignored',
      failure_code: 'CUSTOMER_ERASED',
      body: null,
    });
    expect(await everything()).not.toMatch(namesThem);
  });
});

describe('an erasure', () => {
  it('that stopped between any two of its transactions is finished by repeating it', async () => {
    await fillWithEverything();
    for (let stopAfter = 1; ; stopAfter += 1) {
      if (await eraseUpTo(stopAfter)) break;
      const report = await worker.intake([{ body: created(`again-${stopAfter}`, before) }]);
      expect(report).toMatchObject({ events: 0 });
    }
    expect(await everything()).not.toMatch(namesThem);
    expect(await countRows()).toMatchObject({ entities: 1, accounts: 2, transactions: 6 });
  });

  it('of somebody unknown here keeps what comes later from being stored', async () => {
    expect(await erase()).toMatchObject({ entities: 0 });
    expect(await worker.intake([{ body: created('e1', before) }])).toMatchObject({ events: 0 });
    expect(await everything()).not.toMatch(namesThem);
  });

  it('waits for a batch that is being stored, so that none slips in behind it', async (context) => {
    needsRealEngines(context, 'postgres');
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const slow = { ...database, transaction: held(database, reached, goOn.promise) };
    const storing = createWorkerParts(slow).intake([{ body: created('e1', before) }]);
    await reached.promise;
    let hasErased = false;
    const erasing = erase().then(() => (hasErased = true));
    await eventually(async () => expect(hasErased || (await somebodyWaits())).toBe(true));
    goOn.resolve();
    await Promise.all([storing, erasing]);
    expect(await everything()).not.toMatch(namesThem);
  });

  it('needs the key that migrate makes with the stamp', async () => {
    await database.db.deleteFrom('installation').execute();
    await expect(erase()).rejects.toMatchObject({ code: 'SCHEMA_OUTDATED' });
  });

  it('covers every table that says whose a row is', async () => {
    const { rows } = await sql<{ name: string }>`
      select distinct table_name as name from information_schema.columns
      where table_schema = ${database.schema} and column_name in ('customer_id', 'entity_id')
        and table_name not in (select table_name from information_schema.views where table_schema = ${database.schema})
    `.execute(database.db);
    for (const { name } of rows) expect(erasedTables).toContain(name);
  });
});

/** For a lock by name, in this database; every test has its own names. */
async function somebodyWaits(): Promise<boolean> {
  const { rows } = await sql`
    select from pg_locks where locktype = 'advisory' and not granted
      and (classid::bigint << 32) + objid::bigint
        = hashtextextended(${`lean-erasure:${database.schema}`}, 0)
  `.execute(database.db);
  return rows.length > 0;
}

/** Every transaction commits only once `goOn` says so. */
function held(
  whole: Database,
  reached: PromiseWithResolvers<void>,
  goOn: Promise<void>,
): Database['transaction'] {
  return (run) =>
    whole.transaction(async (inside) => {
      const result = await run(inside);
      reached.resolve();
      await goOn;
      return result;
    });
}

/** As if the process died after so many transactions; says whether it had come to its end by then. */
async function eraseUpTo(transactions: number): Promise<boolean> {
  let left = transactions;
  const dying: Database = {
    ...database,
    transaction(run) {
      if (left === 0) throw new Error('the process is gone');
      left -= 1;
      return database.transaction(run);
    },
  };
  try {
    await eraseCustomer(dying, { customerId, now: erasedAt, rowsPerTransaction: 3 });
    return true;
  } catch {
    return false;
  }
}
