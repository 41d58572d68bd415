// Requests that somebody holds, that meet what is slow or broken, or whose worker is gone: each stands in nobody's way,
// and Lean is asked no more often than it is for.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { Database, TablesTransaction } from '../../src/store/database.ts';
import { lockEntity } from '../../src/store/entity-lock.ts';
import { readDigest } from '../../src/store/erasure-store.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { recentRefreshes } from '../../src/store/refresh-request-store.ts';
import { postponeRequest } from '../../src/store/request-conclusion.ts';
import { eraseAsked } from '../../src/worker/erasure-timer.ts';
import { takeUpRequests, type RequestTimerOptions } from '../../src/worker/request-timer.ts';
import { ask, requestRows, type AskingFunction } from '../support/asked-requests.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingLogger, silentLogger } from '../support/silent-logger.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  await arrive('e1', -2);
});
afterEach(() => test.drop());

async function arrive(eventId: string, hours: number, type = 'entity.created'): Promise<void> {
  const worker = createWorkerParts(database);
  const timestamp = new Date(Date.now() + hours * 3_600_000).toISOString();
  await worker.intake([{ body: entityBody({ eventId, timestamp, type, entityId, customerId }) }]);
  await worker.applyEvent(eventId);
}

const call = (name: AskingFunction, id: string, executor = database.db) =>
  ask(database, name, { id, executor });
const ends = async () =>
  (await requestRows(database)).map(({ kind, state, failure_code: code }) => `${kind} ${state} ${code}`);
const needsTwo = (context: TestContext) =>
  context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
const look = (more: Partial<RequestTimerOptions> = {}, stop: AbortSignal | null = null) =>
  takeUpRequests(
    {
      database,
      syncQueue: { add: () => Promise.resolve() },
      logger: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      ...more,
    },
    stop,
  );

/** Somebody waits for what this transaction holds. */
async function isWaitedFor(transaction: TablesTransaction): Promise<void> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
  await eventually(async () => {
    const { rows: waiting } = await sql`
      select from pg_stat_activity where ${rows[0]?.pid}::integer = any(pg_blocking_pids(pid))
    `.execute(database.db);
    expect(waiting).toHaveLength(1);
  });
}

describe('a request that its application has joined in a transaction that is still open', () => {
  it('is left alone, keeps nobody else waiting, and is carried out after the commit', async (context) => {
    needsTwo(context);
    const parts = createSweepParts(database);
    await call('request_refresh', entityId);
    await call('request_sync', entityId);
    await database.transaction(async (transaction) => {
      await call('request_refresh', entityId, transaction);
      await call('request_sync', entityId, transaction);
      await call('request_sync', 'nobody');
      await parts.round();
      const refused = 'sync failed LEAN_ENTITY_UNKNOWN';
      expect(await ends()).toEqual(['refresh waiting null', 'sync waiting null', refused]);
    });
    expect(parts.lean.asked).toEqual([]);
    await parts.round();
    expect((await ends()).slice(0, 2)).toEqual(['refresh done null', 'sync done null']);
    expect(parts.lean.asked).toHaveLength(1);
  });

  it('is never held by who waits for its entity, under whose lock an erasure deletes it', async (context) => {
    needsTwo(context);
    await call('entity_removed', entityId);
    let looking: Promise<unknown> = Promise.resolve();
    await database.transaction(async (transaction) => {
      await lockEntity(database, transaction, entityId);
      looking = look();
      await isWaitedFor(transaction);
      await transaction.deleteFrom('requests').execute();
    });
    await looking;
    expect(await ends()).toEqual([]);
  });
});

describe('putting a request off', () => {
  it('waits for no application that holds it', async (context) => {
    needsTwo(context);
    const requestId = await call('request_sync', entityId);
    const wait = { requestId, againInMs: 60_000, failureCode: 'REQUEST_FAILED' };
    await database.transaction(async (transaction) => {
      await call('request_sync', entityId, transaction);
      await postponeRequest(database.db, wait);
    });
    expect(await ends()).toEqual(['sync waiting null']);
    await postponeRequest(database.db, wait);
    expect(await ends()).toEqual(['sync running REQUEST_FAILED']);
  });
});

describe('a look at what was asked for', () => {
  it('puts off what the database refuses, and goes on', async () => {
    await sql`
      alter table ${database.table('sync_runs')} add constraint refused check (entity_id <> ${sql.lit(entityId)})
    `.execute(database.db);
    await call('request_sync', entityId);
    await call('request_sync', 'nobody');
    await look();
    expect(await ends()).toEqual(['sync running REQUEST_FAILED', 'sync failed LEAN_ENTITY_UNKNOWN']);
  });

  it('ends between two requests when the worker stops', async () => {
    await call('request_sync', entityId);
    await call('entity_removed', entityId);
    expect(await look({}, AbortSignal.abort())).toBe('rest');
    expect(await ends()).toEqual(['sync waiting null', 'entity_removed waiting null']);
  });

  it('starts every sync while Redis is away, and says what came in the way', async () => {
    await call('request_sync', entityId);
    await call('request_sync', 'nobody');
    const { logger, lines } = createRecordingLogger();
    const error = new Error('away');
    await look({ logger, syncQueue: { add: () => Promise.reject(error) } });
    expect(await ends()).toEqual(['sync done null', 'sync failed LEAN_ENTITY_UNKNOWN']);
    expect(lines.map(({ fields }) => fields['error'])).toEqual([error, undefined]);
  });
});

/** As if so much time had passed. */
const inTenMinutes = () =>
  sql`
    update ${database.table('requests')} set due_at = due_at - interval '10 minutes',
      asked_at = asked_at - interval '10 minutes', first_asked_at = first_asked_at - interval '10 minutes'
  `.execute(database.db);

describe('a refresh', () => {
  it('of which nobody knows whether Lean has started it is asked for again only after ten minutes', async () => {
    await call('request_refresh', entityId);
    const parts = createSweepParts(database);
    parts.lean.fail = () => {
      throw Object.assign(new Error('gone'), { code: '08006' });
    };
    expect(await parts.round()).toMatchObject([{ outcome: 'DATABASE_AWAY' }]);
    parts.lean.fail = () => null;
    await parts.round();
    expect(parts.lean.asked).toHaveLength(1);
    expect(await ends()).toEqual(['refresh running null']);
    await inTenMinutes();
    await parts.round();
    expect(parts.lean.asked).toHaveLength(2);
    expect(await ends()).toEqual(['refresh done null']);
  });

  it('of which nobody knows whether Lean has started it counts for the day, also after it had to wait for its bank', async () => {
    await call('request_refresh', entityId);
    const parts = createSweepParts(database);
    parts.lean.fail = () => {
      throw Object.assign(new Error('gone'), { code: '08006' });
    };
    await parts.round();
    await sql`
      update ${database.table('requests')} set due_at = now(), asked_at = now() - interval '5 minutes'
    `.execute(database.db);
    await parts.round();
    expect(parts.lean.asked).toHaveLength(1);
    expect(await ends()).toEqual(['refresh running null']);
    expect((await recentRefreshes(database.db, entityId)).agesMs).toHaveLength(1);
  });

  it('that Lean has started is done once Postgres is back, and is not asked for again', async () => {
    await call('request_refresh', entityId);
    let failures = 3;
    const parts = createSweepParts({
      ...database,
      transaction: (run) =>
        parts.lean.asked.length > 0 && (failures -= 1) >= 0
          ? Promise.reject(Object.assign(new Error('gone'), { code: '08006' }))
          : database.transaction(run),
    });
    expect(await parts.round()).toMatchObject([{ outcome: 'started' }]);
    expect(failures).toBeLessThan(0);
    await inTenMinutes();
    await parts.round();
    expect(parts.lean.asked).toHaveLength(1);
    expect(await ends()).toEqual(['refresh done null']);
  });

  it('that meets what nobody expected ends failed, is counted, and leaves a line', async () => {
    await call('request_refresh', entityId);
    const parts = createSweepParts(database);
    parts.lean.fail = () => {
      throw new Error('surprise');
    };
    expect(await parts.round()).toMatchObject([{ outcome: 'SYNC_STEP_FAILED' }]);
    expect(await ends()).toEqual(['refresh failed SYNC_STEP_FAILED']);
    const said = parts.lines.filter(({ event }) => event === 'request');
    expect(said.map(({ fields }) => fields['outcome'])).toEqual(['picked_up', 'failed']);
    expect(await parts.metrics.registry.metrics()).toContain(
      'lean_requests_total{kind="refresh",outcome="failed"} 1',
    );
  });

  it('is not given up for having waited long before Lean was asked', async () => {
    await call('request_refresh', entityId);
    await sql`
      update ${database.table('requests')} set attempts = 50, created_at = now() - interval '3 days'
    `.execute(database.db);
    const parts = createSweepParts(database);
    parts.lean.fail = () => ({ code: 'LEAN_UNREACHABLE', action: 'retry', retryClass: 'lean_network' });
    await parts.round();
    expect(await ends()).toEqual(['refresh running LEAN_UNREACHABLE']);
    await sql`
      update ${database.table('requests')} set calls = 11, due_at = now(), first_asked_at = now() - interval '25 hours'
    `.execute(database.db);
    await parts.round();
    expect(await ends()).toEqual(['refresh failed LEAN_UNREACHABLE']);
  });
});

describe('the removal of an entity', () => {
  it('is of the moment of the call, and of the last one while it is open', async () => {
    const askedAt = () => database.db.selectFrom('requests').select('created_at').executeTakeFirstOrThrow();
    await database.transaction(async (transaction) => {
      await call('entity_removed', entityId, transaction);
      const { rows } = await sql`
        select from ${database.table('requests')} where created_at > now()
      `.execute(transaction);
      expect(rows).toHaveLength(1);
    });
    await sql`update ${database.table('requests')} set created_at = now() - interval '1 hour'`.execute(
      database.db,
    );
    await call('entity_removed', entityId);
    expect((await askedAt()).created_at.getTime()).toBeGreaterThan(Date.now() - 1_800_000);
  });

  it('counts against no connection that is newer, whatever Lean has told since', async () => {
    await call('entity_removed', entityId);
    await arrive('n', 1, 'entity.reconnected');
    await arrive('u', 2, 'entity.updated');
    await look();
    expect(await ends()).toEqual(['entity_removed failed ENTITY_CONNECTED_SINCE']);
    const entity = await database.db.selectFrom('entities').select('state').executeTakeFirst();
    expect(entity).toEqual({ state: 'active' });
  });
});

describe('an erasure that is carried out late', () => {
  it('bars no results that came with a connection made since and name the customer alone', async () => {
    const announce = (results_id: string) =>
      database.db.insertInto('pending_results').values({ results_id, customer_id: customerId }).execute();
    await announce('old');
    await call('request_erase', customerId);
    const worker = createWorkerParts(database);
    const timestamp = new Date(Date.now() + 3_600_000).toISOString();
    await worker.intake([
      { body: entityBody({ eventId: 'n', timestamp, entityId: 'entity-9', customerId }) },
    ]);
    await worker.applyEvent('n');
    await announce('new');
    const metrics = createMetrics({ processMetrics: false });
    const parts = { database, logger: silentLogger, metrics };
    expect(await eraseAsked(parts, new AbortController().signal)).toBe('again');
    const digest = await readDigest(database.db);
    const barred = await database.db.selectFrom('erasures').select('subject_hmac').execute();
    const isBarred = (id: string) => barred.some((row) => row.subject_hmac === digest?.('results', id));
    expect([isBarred('old'), isBarred('new')]).toEqual([true, false]);
    const left = await database.db.selectFrom('pending_results').select('results_id').execute();
    expect(left).toEqual([{ results_id: 'new' }]);
  });
});
