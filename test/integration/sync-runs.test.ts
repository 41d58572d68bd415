import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStepsPage } from '../../src/store/sync-step-pages.ts';
import { openStepJobs, postponeStep } from '../../src/store/sync-step-store.ts';
import { closeRun, requestSync } from '../../src/store/sync-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { refreshBody } from '../support/event-bodies.ts';
import { createSyncParts, readChanges, readRun } from '../support/sync-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(async () => {
  for (const table of ['sync_runs', 'changes', 'entities', 'webhook_events'] as const) {
    await opened.database.db.deleteFrom(table).execute();
  }
});

const request = {
  entityId,
  customerId,
  reason: 'refresh',
  eventKey: 'event-1',
  dataStatus: null,
  fullHistory: false,
  rereadEntity: false,
} as const;

function ask(facts: Partial<Parameters<typeof requestSync>[2]> = {}) {
  const { database } = opened;
  return database.transaction((transaction) => requestSync(database, transaction, { ...request, ...facts }));
}

async function states(): Promise<string[]> {
  const rows = await opened.database.db.selectFrom('sync_runs').select('state').execute();
  return rows.map(({ state }) => state).toSorted();
}

const statusWord = (word: string) => ({
  account_data: [{ account_id: 'a', balance: 'OK', transactions: word }],
});

async function postponed(dueAt: Date, facts: Parameters<typeof ask>[0] = {}) {
  const { syncId } = await ask({ reason: 'first', fullHistory: true, ...facts });
  await opened.database.transaction((transaction) =>
    postponeStep(transaction, {
      syncId,
      stepKey: 'accounts:0:0',
      state: 'open',
      resultsId: null,
      dueAt,
      failureCode: 'LEAN_BANK_ISSUE',
    }),
  );
  return syncId;
}

describe('requesting a sync', () => {
  it('starts at once when nothing runs, with its opening steps', async () => {
    const { syncId, state } = await ask({ rereadEntity: true });
    expect(state).toBe('running');
    const jobs = await openStepJobs(opened.database, { syncId, limit: 10 });
    expect(jobs.map(({ data }) => data.stepKey)).toEqual(['accounts:0:0', 'entity']);
    expect(jobs.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^sy_[0-9a-f]{64}_0$/),
      expect.stringMatching(/^sy_[0-9a-f]{64}_0$/),
    ]);
  });

  it('leaves at most one waiting and one running, however many ask at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ask({ eventKey: `event-${index}` })),
    );
    expect(await states()).toEqual(['running', 'waiting']);
    expect(new Set(answers.map(({ syncId }) => syncId)).size).toBe(2);
  });

  it('does not hold up another entity', async () => {
    await ask();
    expect(await ask({ entityId: 'entity-2' })).toMatchObject({ state: 'running' });
  });

  it('widens the run that waits instead of adding one', async () => {
    await ask();
    const { syncId } = await ask({
      reason: 'sweep',
      window: { from: '2026-02-01', to: '2026-03-01' },
      dataStatus: statusWord('FAILED'),
    });
    const again = await ask({
      reason: 'requested',
      window: { from: '2026-01-01', to: '2026-02-15' },
      dataStatus: statusWord('OK'),
      rereadEntity: true,
    });
    expect(again).toEqual({ syncId, state: 'waiting', closed: null });
    expect(await readRun(opened.database, syncId)).toMatchObject({
      reason: 'requested',
      window_from: '2026-01-01',
      window_to: '2026-03-01',
      full_history: false,
      reread_entity: true,
      data_status: { account_data: [{ account_id: 'a', balance: 'OK', transactions: 'OK' }] },
    });
    await ask({ fullHistory: true });
    expect(await readRun(opened.database, syncId)).toMatchObject({
      full_history: true,
      window_from: null,
    });
  });

  it('starts the waiting run in the transaction that closes the running one', async () => {
    const first = await ask();
    const second = await ask({ reason: 'requested' });
    expect(second.state).toBe('waiting');
    const { database } = opened;
    const closed = await database.transaction((transaction) =>
      closeRun(database, transaction, { syncId: first.syncId, state: 'done', failureCode: null }),
    );
    expect(closed).toMatchObject({ startedSyncId: second.syncId, state: 'done' });
    expect(await readRun(database, second.syncId)).toMatchObject({ state: 'running' });
    expect(await openStepJobs(database, { syncId: second.syncId, limit: 10 })).toHaveLength(1);
    expect(await openStepJobs(database, { syncId: first.syncId, limit: 10 })).toEqual([]);
    expect(await readChanges(database)).toMatchObject([{ change: 'sync.completed' }]);
  });

  it('tells when the entity was synced last, unless the run failed', async () => {
    const { database } = opened;
    await database.db.insertInto('entities').values({ entity_id: entityId }).execute();
    const syncedAt = () => database.db.selectFrom('entities').select('synced_at').executeTakeFirstOrThrow();
    for (const state of ['failed', 'done'] as const) {
      const { syncId } = await ask();
      await database.transaction((transaction) =>
        closeRun(database, transaction, { syncId, state, failureCode: null }),
      );
      expect((await syncedAt()).synced_at === null).toBe(state === 'failed');
    }
  });
});

describe('a newer refresh', () => {
  it('cuts short a run that only waits for a retry, and covers what that one would have', async () => {
    const former = await postponed(new Date(Date.now() + 600_000));
    const { syncId, state } = await ask({ eventKey: 'event-2' });
    expect(state).toBe('running');
    expect(await readRun(opened.database, former)).toMatchObject({
      state: 'failed',
      failure_code: 'SYNC_SUPERSEDED',
    });
    expect(await readRun(opened.database, syncId)).toMatchObject({ full_history: true, reason: 'first' });
  });

  it('keeps its own event and its own words when it takes over from the run it cut short', async () => {
    await postponed(new Date(Date.now() + 600_000), { dataStatus: statusWord('PENDING') });
    const { syncId } = await ask({ eventKey: 'event-2', dataStatus: statusWord('FAILED') });
    expect(await readRun(opened.database, syncId)).toMatchObject({
      event_key: 'event-2',
      data_status: { account_data: [{ account_id: 'a', balance: 'OK', transactions: 'FAILED' }] },
    });
  });

  it('has the run it cut short told of in a log line and in the metric', async () => {
    const former = await postponed(new Date(Date.now() + 600_000));
    const worker = createWorkerParts(opened.database);
    const eventId = randomUUID();
    await worker.intake([{ body: refreshBody({ entityId, customerId, eventId }) }]);
    expect(await worker.applyEvent(eventId)).toMatchObject({ outcome: 'processed' });
    expect(worker.lines.filter(({ event }) => event === 'sync')).toMatchObject([
      { fields: { sync_id: former, outcome: 'failed', failure_code: 'SYNC_SUPERSEDED' } },
    ]);
    const { values } = await worker.metrics.syncs.get();
    expect(values).toMatchObject([{ labels: { outcome: 'failed' }, value: 1 }]);
  });

  it('waits for a run whose retry is due', async () => {
    await postponed(new Date(Date.now() - 1_000));
    expect(await ask()).toMatchObject({ state: 'waiting' });
  });

  it('alone does so: a request of the application waits', async () => {
    await postponed(new Date(Date.now() + 600_000));
    expect(await ask({ reason: 'requested' })).toMatchObject({ state: 'waiting' });
  });
});

it('the runs of an entity are found by an index, however many others there are', async () => {
  const { database } = opened;
  const plan = await database.transaction(async (transaction) => {
    await sql`set local enable_seqscan = off`.execute(transaction);
    const { rows } = await sql<Record<string, string>>`
      explain select sync_id from ${database.table('sync_runs')}
      where entity_id = ${entityId} and full_history and state <> 'failed'
    `.execute(transaction);
    return JSON.stringify(rows);
  });
  expect(plan).toContain('sync_runs_entity');
});

describe('jobs for open steps', () => {
  it('come back for steps that are overdue, longest due first, and not for others', async () => {
    const { database } = opened;
    const openSteps = () =>
      openStepsPage(database, database.db, { olderThanMs: 60_000, limit: 10, after: null });
    const sweep = await ask({ reason: 'sweep' });
    const first = await ask({ reason: 'first', entityId: 'entity-2' });
    expect(await openSteps()).toEqual({ jobs: [], next: null });
    await sql`update ${database.table('sync_steps')} set due_at = due_at - interval '2 minutes'`.execute(
      database.db,
    );
    const { jobs } = await openSteps();
    expect(jobs.map(({ data }) => data.syncId)).toEqual([sweep.syncId, first.syncId]);
  });

  it('carry the attempt in their id, so that a retry is never taken for its former job', async () => {
    const parts = createSyncParts(opened.database);
    await parts.request();
    const [before] = parts.queue.keys();
    parts.world.intercept = () => {
      throw new Error('a bug');
    };
    const [job] = parts.queue.values();
    parts.queue.clear();
    await parts.run(job?.data ?? { kind: 'step', syncId: '', stepKey: '' });
    const [after] = parts.queue.keys();
    expect(before).toMatch(/_0$/);
    expect(after).toBe(before?.replace(/_0$/, '_1'));
  });
});
