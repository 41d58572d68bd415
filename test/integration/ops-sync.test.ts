// What an operator asks for is a row that a worker takes up: a sync, a refresh, a look for what was lost.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockEntity } from '../../src/store/entity-lock.ts';
import { requestRefresh } from '../../src/store/refresh-request-store.ts';
import { readSweeps } from '../../src/store/sweep-store.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { logEntries, operate } from '../support/operator.ts';
import { createSweepParts } from '../support/sweep-parts.ts';

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  await test.database.db
    .insertInto('entities')
    .values({
      entity_id: 'entity-1',
      customer_id: 'customer-1',
      app_user_id: null,
      bank_identifier: 'bank-1',
      bank_name: null,
      permissions: null,
      state: 'active',
      state_reason: null,
      reconnect_id: null,
    })
    .execute();
});
afterEach(() => test.drop());

const refresh = (status: string) => ({
  refresh_id: 'first',
  entity_id: 'entity-1',
  customer_id: 'customer-1',
  status,
  created_at: '2026-05-13T19:39:18Z',
  updated_at: '2026-05-13T19:39:28Z',
});
const ops = (...argv: string[]) => operate(argv, { database: test.database });
const requests = () =>
  test.database.db
    .selectFrom('requests')
    .select(['kind', 'entity_id', 'customer_id', 'state', 'full_history', 'refresh_id', 'failure_code'])
    .execute();
const runs = () =>
  test.database.db.selectFrom('sync_runs').select(['entity_id', 'reason', 'full_history', 'state']).execute();

describe('ops sync', () => {
  it('has a worker start one sync however often it is asked, and is in the log of changes', async () => {
    expect((await ops('sync', 'entity-1')).code).toBe(0);
    expect((await ops('sync', 'entity-1', '--full')).output).toContain('was asked for already');
    const parts = createSweepParts(test.database);
    await parts.look();
    expect(await runs()).toEqual([
      { entity_id: 'entity-1', reason: 'requested', full_history: true, state: 'running' },
    ]);
    expect([...parts.queue.values()].map(({ data }) => data.kind)).toEqual(['step', 'step']);
    expect(await requests()).toMatchObject([{ kind: 'sync', customer_id: 'customer-1', state: 'done' }]);
    expect(await logEntries(test.database)).toMatchObject([{ command: 'sync' }, { command: 'sync' }]);
  });

  it('of an entity that is not here says so and writes nothing', async () => {
    const { code, output } = await ops('sync', 'nobody');
    expect([code, output]).toEqual([2, expect.stringContaining('LEAN_ENTITY_UNKNOWN')]);
    expect(await requests()).toEqual([]);
    expect(await logEntries(test.database)).toEqual([]);
  });
});

describe('ops refresh', () => {
  it('has a worker ask Lean once, and keeps what Lean calls the refresh', async () => {
    expect((await ops('refresh', 'entity-1')).code).toBe(0);
    const parts = createSweepParts(test.database);
    await parts.round();
    await parts.round();
    expect(parts.lean.asked).toEqual([{ operation: 'start_refresh', query: { entityId: 'entity-1' } }]);
    expect(await requests()).toMatchObject([{ kind: 'refresh', state: 'done', refresh_id: 'started' }]);
  });

  it('within the cooldown of the last one waits and asks nothing', async () => {
    const parts = createSweepParts(test.database);
    await requestRefresh(test.database, test.database.db, 'entity-1');
    await parts.round();
    await ops('refresh', 'entity-1');
    await parts.round();
    expect(parts.lean.asked).toHaveLength(1);
    expect((await requests()).map(({ state }) => state).toSorted()).toEqual(['done', 'running']);
  });

  it('that needs the customer to reconnect stops the entity and says what to hand to Lean', async () => {
    await ops('refresh', 'entity-1');
    const parts = createSweepParts(test.database);
    parts.lean.fail = () => ({
      code: 'RECONNECT_REQUIRED',
      action: 'stop_entity',
      reconnectId: 'reconnect-1',
    });
    await parts.round();
    expect(await requests()).toMatchObject([{ state: 'failed', failure_code: 'RECONNECT_REQUIRED' }]);
    const entity = test.database.db.selectFrom('entities').select(['state', 'state_reason', 'reconnect_id']);
    expect(await entity.execute()).toEqual([
      { state: 'action_required', state_reason: 'RECONNECT_REQUIRED', reconnect_id: 'reconnect-1' },
    ]);
  });

  it('that Lean cannot take now is asked for again later', async () => {
    await ops('refresh', 'entity-1');
    const parts = createSweepParts(test.database);
    parts.lean.fail = () => ({
      code: 'LEAN_DUPLICATED_REQUEST',
      action: 'retry',
      retryClass: 'lean_duplicate',
    });
    await parts.round();
    await parts.round();
    expect(parts.lean.asked).toHaveLength(1);
    expect(await requests()).toMatchObject([{ state: 'running', failure_code: 'LEAN_DUPLICATED_REQUEST' }]);
  });
});

describe('ops sweep', () => {
  it('makes every sweep due at once', async () => {
    const parts = createSweepParts(test.database);
    expect((await ops('sweep')).code).toBe(1);
    await parts.begin();
    await parts.round();
    expect((await ops('sweep')).code).toBe(0);
    const sweeps = await readSweeps(test.database.db);
    expect(sweeps.every(({ dueAt }) => dueAt.getTime() <= Date.now() + 1_000)).toBe(true);
    expect(await logEntries(test.database)).toMatchObject([{ command: 'sweep', affected: sweeps.length }]);
  });

  it('asks again about a connection whose first refresh had not ended, and once more about none that has', async () => {
    const parts = createSweepParts(test.database);
    parts.lean.refreshes.set('entity-1', [refresh('PENDING')]);
    await parts.begin();
    const look = async () => {
      await ops('sweep');
      await parts.round();
      return parts.lean.asked.filter(({ operation }) => operation === 'refreshes').length;
    };
    expect([await look(), await look(), await runs()]).toEqual([1, 2, []]);
    parts.lean.refreshes.set('entity-1', [refresh('FINISHED')]);
    expect([await look(), await look()]).toEqual([3, 3]);
    expect(await runs()).toMatchObject([{ entity_id: 'entity-1', reason: 'sweep', full_history: true }]);
  });

  it('holds no entity while it waits for a sweep, whose page locks entities', async (context) => {
    context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
    const { database } = test;
    await createSweepParts(database).begin();
    let asked: Promise<unknown> = Promise.resolve();
    await database.transaction(async (transaction) => {
      await transaction.selectFrom('sweep_progress').select('sweep').forUpdate().execute();
      asked = ops('sweep');
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
      await eventually(async () => {
        const { rows: waiting } = await sql`
          select from pg_stat_activity where ${rows[0]?.pid}::integer = any(pg_blocking_pids(pid))
        `.execute(database.db);
        expect(waiting).toHaveLength(1);
      });
      expect(await lockEntity(database, transaction, 'entity-1')).toMatchObject({ state: 'active' });
    });
    expect(await asked).toMatchObject({ code: 0 });
  });

  it('with --follow waits for the first worker, and says when there is one', async () => {
    const stop = new AbortController();
    const following = operate(['sweep', '--follow', '--every', '1'], {
      database: test.database,
      stop: stop.signal,
    });
    const parts = createSweepParts(test.database);
    await eventually(async () => expect(await logEntries(test.database)).toHaveLength(1));
    await parts.begin();
    await parts.round();
    // Due again at once, and not after the usual minutes: it has seen the sweeps.
    await eventually(async () => {
      const sweeps = await readSweeps(test.database.db);
      expect(sweeps.every(({ dueAt }) => dueAt.getTime() <= Date.now())).toBe(true);
    });
    stop.abort();
    const { code, output } = await following;
    expect([code, output]).toEqual([0, expect.stringMatching(/waiting for one[^]*covered_until/)]);
  });

  it('with --follow goes on until it is interrupted', async () => {
    const parts = createSweepParts(test.database);
    await parts.begin();
    const stop = new AbortController();
    const following = operate(['sweep', '--follow', '--every', '1'], {
      database: test.database,
      stop: stop.signal,
    });
    stop.abort();
    expect((await following).code).toBe(0);
  });
});
