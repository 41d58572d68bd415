import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import { StatementTimeout } from '../../src/store/statement-limit.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  clearSyncTables,
  createSyncParts,
  failed,
  partsOfTwoAccounts,
  readRun,
  readTransactions,
} from '../support/sync-parts.ts';
import { account, entityId, instant, transaction } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

describe('equal payments without an id of their own', () => {
  it('on two pages stay two, and stay the same two when the list is read again', async () => {
    const parts = createSyncParts(opened.database);
    parts.world.accounts = [account('a')];
    const unnamed = transaction(`fp_${'1f'.repeat(32)}`, { idSource: 'fingerprint' });
    parts.world.transactions.set('a', [unnamed, transaction('t'), unnamed]);
    await parts.request();
    await parts.drain();
    const before = await readTransactions(opened.database);
    expect(before.map(({ transaction_id }) => transaction_id)).toEqual([
      `${unnamed.transactionId}_0`,
      `${unnamed.transactionId}_1`,
      't',
    ]);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(await readTransactions(opened.database)).toEqual(before);
  });
});

describe('an entity that Lean refuses to serve', () => {
  it('is judged by the time of the refusal, not by our clock, and that is no event of its own', async () => {
    const { database } = opened;
    const reconnected = { ns: instant('2026-05-10T12:00:01Z').ns, key: 'event-9' };
    await applyEntityFacts(database, database.db, {
      facts: { entityId, state: { state: 'active', reason: null } },
      order: reconnected,
    });
    const parts = partsOfTwoAccounts(database);
    const refuseAt = (text: string) => {
      parts.world.intercept = () =>
        failed({ code: 'CONSENT_EXPIRED', action: 'stop_entity', at: instant(text) });
    };
    const readEntity = () => database.db.selectFrom('entities').selectAll().executeTakeFirstOrThrow();
    refuseAt('2026-05-10T12:00:00Z');
    await parts.request();
    await parts.drain();
    expect(await readEntity()).toMatchObject({ state: 'active' });
    refuseAt('2026-05-10T12:00:02Z');
    await parts.request();
    await parts.drain();
    expect(await readEntity()).toMatchObject({
      state: 'action_required',
      // When the call began that was refused.
      state_event_ns: instant('2026-05-10T12:00:01.995Z').ns,
      last_event_ns: reconnected.ns,
      last_event_key: 'event-9',
    });
  });
});

it('a statement that always runs out of time spends attempts and ends, while the database answers others', async () => {
  const parts = partsOfTwoAccounts(opened.database, { syncData: ['accounts', 'balances'] });
  parts.world.intercept = ({ stepKey }) => {
    if (stepKey === 'balances:a:0:0') throw new StatementTimeout('no answer');
    return undefined;
  };
  const { syncId } = await parts.request();
  await parts.drain();
  expect(await readRun(opened.database, syncId)).toMatchObject({
    state: 'done',
    failure_code: 'SYNC_STEP_FAILED',
    balances: 1,
  });
});
