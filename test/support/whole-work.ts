// Everything that a worker does to Postgres, in one short run: intake, events, syncs of every kind, sweeps, numbering,
// retention, and what an application asks for, up to an erasure. For tests of what may or must stand under a worker.
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { syncDataNames } from '../../src/core/sync-data.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { eventually } from './eventually.ts';
import { createWorkerWorld, type WorkerWorld } from './running-worker.ts';

export const wholeWorkTimeoutMs = 120_000;
const bounded = { timeoutMs: wholeWorkTimeoutMs / 2, everyMs: 100 };
const hourMs = 3_600_000;

const at = new Date(Date.now() - 2 * hourMs).toISOString();
const customers = generateCustomers({ seed: 'whole', entities: 2, accounts: 1, transactions: 4, at });
const bodies = planDeliveries({ customers, count: 16, duplicateRate: 0.25, seed: 'whole' }).map(
  ({ body }) => body,
);

/** Of a worker that fetches everything and keeps as little as it may; `env` as WorkerWorld has it. */
export function createWholeWorld(env: Readonly<Record<string, string>> = {}): Promise<WorkerWorld> {
  return createWorkerWorld({
    customers,
    lean: { oauth: { clientSecret: 'secret-of-tests' } },
    env: { SYNC_DATA: syncDataNames.join(','), BODY_KEEP_DAYS: '0', WORKER_CONCURRENCY: '16', ...env },
    sweepEveryMs: 100,
  });
}

/** Gives a worker that was started all of it, and waits until it is done; nothing is left of the first customer then. */
export async function doWholeWork(world: WorkerWorld): Promise<void> {
  const { database } = world.test;
  await world.deliver(bodies);
  await eventually(async () => expect(await world.tables()).toEqual(expectedTables(customers)), bounded);
  await nothingWaits(database);
  const [gone, stays] = customers.entities;
  await ask(database, sql`request_sync(${stays?.entityId}, true)`);
  await ask(database, sql`request_refresh(${stays?.entityId})`);
  await ask(database, sql`request_erase(${gone?.customerId})`);
  const done = ['erase', 'refresh', 'sync'].map((kind) => ({ kind, state: 'done', failure_code: null }));
  await eventually(async () => expect(await requestsOf(database)).toEqual(done), bounded);
  await nothingWaits(database);
  const left = await database.db.selectFrom('transactions').select('entity_id').distinct().execute();
  expect(left).toEqual([{ entity_id: stays?.entityId }]);
}

async function ask({ db, schema }: Database, call: ReturnType<typeof sql>): Promise<void> {
  await sql`select ${sql.id(schema)}.${call}`.execute(db);
}

function requestsOf({ db }: Database) {
  return db.selectFrom('requests').select(['kind', 'state', 'failure_code']).orderBy('kind').execute();
}

/** Events are concluded and emptied, syncs done, every sweep has come to its end once, every change is numbered. */
async function nothingWaits(database: Database): Promise<void> {
  const counts = sql<Record<string, number>>`
    select
      (select count(*)::integer from ${database.table('webhook_events')} where body is not null) as bodies,
      (select count(*)::integer from ${database.table('sync_runs')} where state in ('waiting', 'running')) as runs,
      (select count(*)::integer from ${database.table('changes')} where position is null) as unnumbered,
      (select count(*)::integer from ${database.table('sweep_progress')} where finished_at is null) as sweeps
  `;
  await eventually(
    async () =>
      expect((await counts.execute(database.db)).rows).toEqual([
        { bodies: 0, runs: 0, unnumbered: 0, sweeps: 0 },
      ]),
    bounded,
  );
}
