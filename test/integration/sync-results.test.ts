import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { markResultsReady } from '../../src/store/pending-results-store.ts';
import { openStepsPage } from '../../src/store/sync-step-pages.ts';
import { openStepJobs } from '../../src/store/sync-step-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  clearSyncTables,
  failed,
  partsOfTwoAccounts,
  pending,
  readRun,
  readStep,
} from '../support/sync-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

/** What a reconciler would add now. */
async function openSteps() {
  const { database } = opened;
  const page = await openStepsPage(database, database.db, { olderThanMs: 60_000, limit: 10, after: null });
  return page.jobs;
}

/** The same once the pending steps are due. */
async function duePolls() {
  await opened.database.db
    .updateTable('sync_steps')
    .set({ due_at: new Date(Date.now() - 1_000).toISOString() })
    .where('state', '=', 'pending')
    .execute();
  return openSteps();
}

describe('a result that Lean promises', () => {
  const resultsId = 'results-1';

  async function tellReady() {
    const { database } = opened;
    return database.transaction((inside) =>
      markResultsReady(database, inside, { resultsId, eventKey: 'event-2', at: '2026-05-10T13:00:00Z' }),
    );
  }

  /** PENDING to the first call of a's transactions; the data to whoever asks for the results. */
  function promising() {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = (step) =>
      step.stepKey === 'transactions:a:0:0' && step.state === 'open' ? pending(resultsId) : undefined;
    return parts;
  }

  it('is fetched when Lean says that it is ready', async () => {
    const parts = promising();
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'running' });
    expect(await readStep(opened.database, 'transactions:a:0:0')).toMatchObject({ state: 'pending' });
    const [poll] = await duePolls();
    expect(await tellReady()).toBe('paired');
    const jobs = await openStepJobs(opened.database, { resultsId, limit: 10 });
    expect(jobs).toHaveLength(1);
    // The poll's job may still wait in the queue, and a second one of its id would be dropped.
    expect(jobs[0]?.id).not.toBe(poll?.id);
    for (const job of jobs) parts.queue.set(job.id, job);
    parts.advance(60_000);
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', transactions: 6 });
    const row = await opened.database.db.selectFrom('pending_results').selectAll().executeTakeFirstOrThrow();
    expect(row.resolved_at).not.toBeNull();
  });

  it('is fetched at once when the word came before the promise was recorded', async () => {
    const parts = promising();
    expect(await tellReady()).toBe('waiting');
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', transactions: 6 });
  });

  it('is asked for when no word comes', async () => {
    const parts = promising();
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await openSteps()).toEqual([]);
    for (const job of await duePolls()) parts.queue.set(job.id, job);
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done' });
  });

  it('stays promised while Lean does not know it yet', async () => {
    const parts = promising();
    parts.world.intercept = (step) => {
      if (step.stepKey !== 'transactions:a:0:0') return undefined;
      if (step.state === 'open') return pending(resultsId);
      return step.attempts < 3
        ? failed({ code: 'LEAN_RESULTS_UNKNOWN', action: 'retry', retryClass: 'lean_results_pending' })
        : undefined;
    };
    await tellReady();
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', transactions: 6 });
  });
});
