// The gauges that workers keep for the alerts: each moves with what it tells of.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { openEventQueue, openSyncQueue } from '../../src/queue/work-queues.ts';
import { appendChanges, publishChanges } from '../../src/store/change-store.ts';
import { applyEntityFacts, type EntityState } from '../../src/store/entity-store.ts';
import { ensureSweeps, failSweep, finishSweep } from '../../src/store/sweep-store.ts';
import { startBacklogGauges } from '../../src/worker/backlog-gauges.ts';
import { startDatabaseCheck } from '../../src/worker/database-check.ts';
import { reportJobs } from '../../src/worker/job-report.ts';
import { startQueueGauges } from '../../src/worker/queue-gauges.ts';
import {
  engines,
  needsRealEngines,
  openTestDatabase,
  startPrivateRedis,
  uniquePrefix,
  type TestDatabase,
} from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { clearSyncTables, createSyncParts, partsOfTwoAccounts } from '../support/sync-parts.ts';
import { entityId } from '../support/sync-records.ts';

let test: TestDatabase;
const closers: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());
beforeEach(() => clearSyncTables(test.database));
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** The value of one series; undefined while there is none. */
async function read({ registry }: Metrics, series: string): Promise<number | undefined> {
  const text = await registry.metrics();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function addEntity(id: string, state: EntityState['state'] = 'active'): Promise<void> {
  await applyEntityFacts(test.database, test.database.db, {
    facts: { entityId: id, state: { state, reason: null } },
    order: { ns: 1n, key: id },
  });
}

function startGauges(): Metrics {
  const metrics = createMetrics({ processMetrics: false });
  const gauges = startBacklogGauges({ database: test.database, metrics, intervalMs: 20 });
  closers.push(() => gauges.close());
  return metrics;
}

describe('the upkeep gauges', () => {
  it('count who must act, and find the active entity longest without a sync', async () => {
    const metrics = startGauges();
    await eventually(async () => expect(await read(metrics, 'lean_entities_action_required')).toBe(0));
    expect(await read(metrics, 'lean_entities_oldest_sync_age_seconds')).toBe(0);
    await addEntity('waiting', 'action_required');
    await addEntity('ended', 'ended');
    for (const [id, age] of [['fresh', '1 minute'] as const, ['stale', '3 hours'] as const]) {
      await addEntity(id);
      await sql`update ${test.database.table('entities')} set synced_at = now() - ${age}::interval
        where entity_id = ${id}`.execute(test.database.db);
    }
    await eventually(async () => {
      expect(await read(metrics, 'lean_entities_action_required')).toBe(1);
      const age = await read(metrics, 'lean_entities_oldest_sync_age_seconds');
      expect(Math.abs((age ?? 0) - 10_800)).toBeLessThan(120);
    });
  });

  it('age with a change that nobody numbers, and are 0 again when somebody does', async () => {
    const metrics = startGauges();
    const name = 'lean_changes_oldest_unpublished_age_seconds';
    const details = { type: null };
    await appendChanges(test.database.db, [
      { change: 'event.recorded', entityId, customerId: null, details },
    ]);
    await sql`update ${test.database.table('changes')} set created_at = now() - interval '10 minutes'`.execute(
      test.database.db,
    );
    await eventually(async () => expect(await read(metrics, name)).toBeGreaterThan(590));
    await publishChanges(test.database, { limit: 10 });
    await eventually(async () => expect(await read(metrics, name)).toBe(0));
  });

  it('age with a call to Lean that is due, and say how each sweep is doing', async () => {
    await createSyncParts(test.database).request();
    await sql`update ${test.database.table('sync_steps')} set due_at = now() - interval '1 hour'`.execute(
      test.database.db,
    );
    const { db } = test.database;
    await ensureSweeps(db, ['events', 'banks']);
    await failSweep(db, { sweep: 'events', failureCode: 'LEAN_SERVER_ERROR', againInMs: 1_000 });
    await finishSweep(db, { sweep: 'banks', found: 0, coveredUntil: null, nextInMs: 1_000 });
    const metrics = startGauges();
    await eventually(async () => {
      expect(await read(metrics, 'lean_sync_steps_oldest_due_age_seconds')).toBeGreaterThan(3_590);
      expect(await read(metrics, 'lean_sweep_failures_in_a_row{sweep="events"}')).toBe(1);
      expect(await read(metrics, 'lean_sweep_failures_in_a_row{sweep="banks"}')).toBe(0);
      expect(await read(metrics, 'lean_sweep_finished_age_seconds{sweep="banks"}')).toBeLessThan(600);
    });
    expect(await read(metrics, 'lean_sweep_finished_age_seconds{sweep="events"}')).toBeUndefined();
  });
});

describe('the queue gauges', () => {
  it('count jobs by state, also those with a priority, and the age of the next one', async () => {
    const prefix = uniquePrefix();
    const options = { url: engines.redisUrl, prefix };
    const patient = { ...options, deadlineMs: 20_000 };
    const [events, syncs] = [openEventQueue(patient), openSyncQueue(patient)];
    closers.push(
      () => events.close(),
      () => syncs.close(),
    );
    const metrics = createMetrics({ processMetrics: false });
    const gauges = startQueueGauges({ ...options, metrics, intervalMs: 20 });
    closers.push(() => gauges.close());
    const waiting = (queue: string) => read(metrics, `lean_queue_jobs{queue="${queue}",state="waiting"}`);
    await eventually(async () => expect(await waiting('webhook-events')).toBe(0));
    await events.add([{ id: 'ev_1', data: { eventKey: 'one' } }]);
    const data = { kind: 'freshness', entityId: randomUUID() } as const;
    await syncs.add([
      { id: 'sy_1', data, priority: 3 },
      { id: 'sy_2', data, priority: 3, delayMs: 60_000 },
    ]);
    await eventually(async () => {
      expect(await waiting('webhook-events')).toBe(1);
      expect(await waiting('lean-sync')).toBe(1);
      expect(await read(metrics, 'lean_queue_jobs{queue="lean-sync",state="delayed"}')).toBe(1);
      const age = await read(metrics, 'lean_queue_oldest_age_seconds{queue="lean-sync"}');
      expect(age).toBeGreaterThan(0);
      expect(await read(metrics, 'lean_queue_oldest_age_seconds{queue="webhook-intake"}')).toBe(0);
    });
  });

  it('say that Redis evicts', async (context) => {
    needsRealEngines(context, 'redis');
    for (const [policy, evicts] of [['noeviction', 0] as const, ['allkeys-lru', 1] as const]) {
      const redis = await startPrivateRedis({ args: ['--maxmemory-policy', policy] });
      closers.push(() => redis.stop());
      const metrics = createMetrics({ processMetrics: false });
      const gauges = startQueueGauges({ url: redis.url, prefix: '{p}', metrics, intervalMs: 20 });
      closers.push(() => gauges.close());
      const isMeasured = 'lean_queue_jobs{queue="lean-sync",state="failed"}';
      await eventually(async () => expect(await read(metrics, isMeasured)).toBe(0));
      expect(await read(metrics, 'lean_redis_evicts')).toBe(evicts);
    }
  });
});

it('an entity without a balance has one first balance, timed from its first event', async () => {
  await addEntity(entityId);
  const parts = partsOfTwoAccounts(test.database);
  await parts.request();
  await parts.drain();
  await parts.request();
  await parts.drain();
  expect(await read(parts.metrics, 'lean_first_balance_seconds_count')).toBe(1);
  expect(await read(parts.metrics, 'lean_first_balance_seconds_sum')).toBeGreaterThan(0);
});

it('a pause that Lean asked for is counted with its length, and a job of a call under its operation', async () => {
  const metrics = createMetrics({ processMetrics: false });
  const handle = reportJobs({
    queueName: 'lean-sync',
    logger: silentLogger,
    metrics,
    handle: () =>
      Promise.resolve({
        verdict: { kind: 'paused', delayMs: 5_000 },
        outcome: 'LEAN_RATE_LIMITED',
        operation: 'balances',
      }),
  });
  const job = { id: 'sy_1', data: { kind: 'prove', eventKey: 'one' }, attempt: 1, attempts: 10 } as const;
  await handle(job, new AbortController().signal);
  expect(await read(metrics, 'lean_rate_limit_wait_seconds_sum')).toBe(5);
  const labels = 'queue="lean-sync",outcome="LEAN_RATE_LIMITED",operation="balances"';
  expect(await read(metrics, `lean_jobs_total{${labels}}`)).toBe(1);
});

it('a clock of Postgres that is ahead shows in a worker, and the own clock and every check in a process', async () => {
  const readiness = createReadiness();
  readiness.register('journal', () => ({ ok: false, code: 'NOT_DURABLE' }));
  readiness.register('started', () => ({ ok: true }));
  const metrics = createMetrics({ processMetrics: false, readiness });
  const options = { database: test.database, logger: silentLogger, metrics };
  const check = startDatabaseCheck({ ...options, aheadMs: 90_000, intervalMs: 60_000 });
  expect(await read(metrics, 'lean_database_clock_ahead_seconds')).toBe(90);
  await check.close();
  expect(await read(metrics, 'lean_ready{check="journal"}')).toBe(0);
  expect(await read(metrics, 'lean_ready{check="started"}')).toBe(1);
  expect((await read(metrics, 'lean_process_time_seconds')) ?? 0).toBeGreaterThan(1e9);
});
