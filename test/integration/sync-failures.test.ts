import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
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

const hourMs = 3_600_000;

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

  it('for too many requests asks for a pause of the whole queue, as long as Lean says', async () => {
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

  it('of the list of accounts ends the run, but not before Lean has been asked for a day', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = () =>
      failed({ code: 'LEAN_BANK_ISSUE', action: 'retry', retryClass: 'lean_bank_issue' });
    const startedAt = parts.nowMs();
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'failed',
      failure_code: 'LEAN_BANK_ISSUE',
    });
    expect(parts.nowMs() - startedAt).toBeGreaterThan(23.9 * hourMs);
    expect(parts.nowMs() - startedAt).toBeLessThan(25 * hourMs);
    expect(await readChanges(opened.database)).toMatchObject([{ change: 'sync.failed' }]);
  });

  it('of every call for twenty minutes changes nothing in the end', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const backAt = parts.nowMs() + hourMs / 3;
    parts.world.intercept = () =>
      parts.nowMs() < backAt
        ? failed({ code: 'LEAN_UNREACHABLE', action: 'retry', retryClass: 'lean_network' })
        : undefined;
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', transactions: 6 });
  });

  it('for our own credentials is asked again within the hour, and goes on once they are right', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const startedAt = parts.nowMs();
    const rightAt = startedAt + 6 * hourMs;
    parts.world.intercept = () =>
      parts.nowMs() < rightAt ? failed({ code: 'LEAN_ACCESS_DENIED', action: 'stop_alert' }) : undefined;
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', failure_code: null });
    expect(parts.nowMs()).toBeLessThan(rightAt + hourMs);
    expect(parts.world.asked.filter((stepKey) => stepKey === 'accounts:0:0').length).toBeLessThan(30);
  });

  it.each([
    ['CONSENT_EXPIRED', 'action_required', null, null],
    ['RECONNECT_REQUIRED', 'action_required', 'reconnect-1', 30],
    ['LEAN_ENTITY_UNKNOWN', 'ended', null, null],
  ] as const)(
    'with %s stops the entity and tells the application',
    async (code, state, reconnectId, days) => {
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
      const reconnectExpiresAt = entity.reconnect_expires_at?.toISOString() ?? null;
      const told =
        state === 'ended'
          ? { change: 'entity.ended', details: { syncId, reason: code } }
          : {
              change: 'entity.action_required',
              details: { syncId, reason: code, reconnectId, reconnectExpiresAt },
            };
      const changes = await readChanges(opened.database);
      expect(changes.slice(2)).toMatchObject([told, { change: 'sync.failed' }]);
      expect(changes[2]?.details).toEqual(told.details);
      const leftMs = reconnectExpiresAt === null ? null : Date.parse(reconnectExpiresAt) - parts.nowMs();
      expect(leftMs === null ? null : Math.round(leftMs / (24 * hourMs))).toBe(days);
    },
  );

  it('that finds the entity ended already tells its end no second time', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = () => failed({ code: 'LEAN_ENTITY_UNKNOWN', action: 'stop_entity' });
    for (const _ of [1, 2]) {
      await parts.request();
      await parts.drain();
    }
    const names = (await readChanges(opened.database)).map(({ change }) => change);
    expect(names).toEqual(['entity.ended', 'sync.failed', 'sync.failed']);
  });

  it('that stops the entity ends its waiting run as well: Lean is not asked again, nor the application told twice', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let waitingId = '';
    parts.world.intercept = async () => {
      waitingId = (await parts.request({ eventKey: 'event-2' })).syncId;
      return failed({ code: 'CONSENT_EXPIRED', action: 'stop_entity' });
    };
    const { syncId } = await parts.request();
    await parts.drain();
    expect(parts.world.asked).toEqual(['accounts:0:0']);
    expect(waitingId).not.toBe(syncId);
    expect(await readRun(opened.database, waitingId)).toMatchObject({
      state: 'failed',
      failure_code: 'CONSENT_EXPIRED',
      started_at: null,
    });
    const changes = await readChanges(opened.database);
    expect(changes.map(({ change }) => change)).toEqual([
      'entity.action_required',
      'sync.failed',
      'sync.failed',
    ]);
  });

  it('that is older than the reconnection of the entity stops nothing', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let calls = 0;
    parts.world.intercept = async () => {
      calls += 1;
      if (calls > 1) return undefined;
      await opened.database.transaction((inside) =>
        applyEntityFacts(opened.database, inside, {
          facts: { entityId, state: { state: 'active', reason: null } },
          order: { ns: BigInt(parts.nowMs() + hourMs) * 1_000_000n, key: 'reconnected' },
        }),
      );
      await parts.request({ eventKey: 'reconnected' });
      return failed({ code: 'RECONNECT_REQUIRED', action: 'stop_entity' });
    };
    await parts.request();
    await parts.drain();
    const changes = (await readChanges(opened.database)).map(({ change }) => change);
    expect(changes).not.toContain('entity.action_required');
    expect(changes.at(-1)).toBe('sync.completed');
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
