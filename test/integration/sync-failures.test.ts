import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  clearSyncTables,
  failed,
  partsOfTwoAccounts,
  readChanges,
  readRun,
  readStep,
} from '../support/sync-parts.ts';
import { entityId } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

describe('a failed call', () => {
  it('is repeated later under another job id and does not hold up the others', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let refusals = 0;
    parts.world.intercept = ({ stepKey }) => {
      if (stepKey !== 'balances:a:0:0' || refusals >= 2) return undefined;
      refusals += 1;
      return failed({ code: 'LEAN_SERVER_ERROR', action: 'retry', retryClass: 'lean_server' });
    };
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      calls: 9,
      failure_code: null,
    });
    expect(await readStep(opened.database, 'balances:a:0:0')).toMatchObject({ state: 'done', attempts: 2 });
  });

  it('for too many requests pauses every worker for as long as Lean asks', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let refused = false;
    parts.world.intercept = () => {
      if (refused) return undefined;
      refused = true;
      return failed({
        code: 'LEAN_RATE_LIMITED',
        action: 'retry',
        retryClass: 'lean_rate_limit',
        retryAfterMs: 20_000,
      });
    };
    const { syncId } = await parts.request();
    const [first] = await parts.drain();
    expect(first).toMatchObject({
      verdict: { kind: 'paused', delayMs: 21_000 },
      outcome: 'LEAN_RATE_LIMITED',
    });
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done' });
  });

  it('for good costs only its own list, and the run says which', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = ({ stepKey }) =>
      stepKey === 'transactions:b:0:0'
        ? failed({ code: 'LEAN_ACCOUNT_UNKNOWN', action: 'give_up' })
        : undefined;
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'LEAN_ACCOUNT_UNKNOWN',
      transactions: 5,
    });
  });

  it('of the list of accounts ends the run once its schedule is exhausted', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = () =>
      failed({ code: 'LEAN_SERVER_ERROR', action: 'retry', retryClass: 'lean_server' });
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'failed',
      failure_code: 'LEAN_SERVER_ERROR',
      calls: 10,
    });
    expect(await readChanges(opened.database)).toMatchObject([{ change: 'sync.failed' }]);
  });

  it.each([
    ['CONSENT_EXPIRED', 'action_required', null],
    ['RECONNECT_REQUIRED', 'action_required', 'reconnect-1'],
    ['LEAN_ENTITY_UNKNOWN', 'ended', null],
  ] as const)('with %s stops the entity and tells the application', async (code, state, reconnectId) => {
    await opened.database.db.insertInto('entities').values({ entity_id: entityId }).execute();
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = ({ kind }) =>
      kind === 'balances' ? failed({ code, action: 'stop_entity', reconnectId }) : undefined;
    const { syncId } = await parts.request();
    await parts.drain();
    expect(parts.world.asked).toEqual(['accounts:0:0', 'balances:a:0:0']);
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'failed', failure_code: code });
    const entity = await opened.database.db.selectFrom('entities').selectAll().executeTakeFirstOrThrow();
    expect(entity).toMatchObject({ state, state_reason: code, reconnect_id: reconnectId });
    const changes = await readChanges(opened.database);
    expect(changes.slice(2)).toMatchObject([
      { change: 'entity.action_required', details: { reason: code, reconnectId } },
      { change: 'sync.failed' },
    ]);
  });

  it('with an error nobody expected is tried again, and in the end given up with its code', async () => {
    const parts = partsOfTwoAccounts(opened.database, { syncData: ['accounts', 'balances'] });
    parts.world.intercept = ({ stepKey }) => {
      if (stepKey === 'balances:a:0:0') throw new TypeError('a bug');
      return undefined;
    };
    const { syncId } = await parts.request();
    const reports = await parts.drain();
    expect(reports.filter(({ error }) => error instanceof TypeError)).toHaveLength(8);
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'SYNC_STEP_FAILED',
      balances: 1,
    });
  });

  it('because Postgres is away steps back and leaves the step as it is', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const { syncId } = await parts.request();
    parts.world.intercept = () => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    };
    const report = await parts.run({ kind: 'step', syncId, stepKey: 'accounts:0:0' });
    expect(report).toMatchObject({ verdict: { kind: 'later' }, outcome: 'DATABASE_AWAY' });
    expect(await readStep(opened.database, 'accounts:0:0')).toMatchObject({ state: 'open', attempts: 0 });
  });
});
