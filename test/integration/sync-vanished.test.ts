import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStepJobs } from '../../src/store/sync-step-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  clearSyncTables,
  pageOf,
  partsOfTwoAccounts,
  readChanges,
  readRun,
  readTransactions,
} from '../support/sync-parts.ts';
import { account, balance } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

function readRemoved() {
  return opened.database.db
    .selectFrom('accounts')
    .select('account_id')
    .where('removed_at', 'is not', null)
    .execute();
}

describe('what a complete list does not have any more', () => {
  it('is superseded once: the transaction stays, and the change is told once', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    const gone = parts.world.transactions.get('a')?.splice(2, 1);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    const superseded = (await readTransactions(opened.database)).filter((row) => row.superseded_at !== null);
    expect(superseded).toMatchObject([{ transaction_id: 't3', supersede_rule: 'vanished' }]);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).filter((row) => row.superseded_at !== null)).toEqual(
      superseded,
    );
    const told = (await readChanges(opened.database)).filter(({ details }) =>
      JSON.stringify(details).includes('"superseded":1'),
    );
    expect(told).toHaveLength(1);

    parts.world.transactions.get('a')?.push(...(gone ?? []));
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
  });

  it('is kept when it is settled and merely older than the list reaches', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    parts.world.transactions.set('a', (parts.world.transactions.get('a') ?? []).slice(2));
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
  });

  it('is left alone when items of the list could not be read', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    parts.world.transactions.get('a')?.splice(2, 1);
    parts.world.intercept = (step) =>
      step.stepKey === 'transactions:a:0:0' ? { ...pageOf(parts.world, step), unreadable: 1 } : undefined;
    const { syncId } = await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'ITEM_NOT_STORABLE',
    });
  });

  it('is left alone when Lean does not say how long the list is', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    parts.world.transactions.get('a')?.splice(2, 1);
    parts.world.accounts = parts.world.accounts.slice(0, 1);
    parts.world.intercept = (step) => ({ ...pageOf(parts.world, step), isEndKnown: false });
    const { syncId } = await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
    expect(await readRemoved()).toEqual([]);
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'LIST_END_UNKNOWN',
    });
  });

  it('is left alone by lists from an older refresh than the one that had it', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    parts.world.refreshedAt = '2026-05-09T12:00:00Z';
    parts.world.transactions.get('a')?.splice(2, 1);
    parts.world.accounts = parts.world.accounts.slice(0, 1);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
    expect(await readRemoved()).toEqual([]);
    parts.world.refreshedAt = '2026-05-11T12:00:00Z';
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(await readRemoved()).toEqual([{ account_id: 'b' }]);
    const superseded = (await readTransactions(opened.database)).filter((row) => row.superseded_at !== null);
    expect(superseded).toMatchObject([{ transaction_id: 't3' }]);
  });

  it('counts as gone when only the former pass over a list that started over had it', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.accounts.push(account('c'));
    await parts.request();
    await parts.drain();
    parts.world.intercept = ({ stepKey }) => {
      if (stepKey !== 'accounts:0:1') return undefined;
      parts.world.refreshedAt = '2026-05-11T12:00:00Z';
      parts.world.accounts = parts.world.accounts.filter(({ accountId }) => accountId !== 'b');
      return undefined;
    };
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(parts.world.asked).toContain('accounts:1:0');
    expect(await readRemoved()).toEqual([{ account_id: 'b' }]);
  });

  it('is not looked for among transactions because the balances of their account started over', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const balances = ['OPENING_BOOKED', 'CLOSING_BOOKED', 'INTERIM_AVAILABLE'];
    parts.world.balances.set(
      'a',
      balances.map((balanceType) => balance({ balanceType })),
    );
    const { syncId } = await parts.request();
    for (const stepKey of ['accounts:0:0', ...[0, 1, 2].map((page) => `transactions:a:0:${page}`)]) {
      await parts.run({ kind: 'step', syncId, stepKey });
    }
    parts.world.intercept = ({ stepKey }) => {
      if (stepKey === 'balances:a:0:1') parts.world.refreshedAt = '2026-05-11T12:00:00Z';
      return undefined;
    };
    for (const job of await openStepJobs(opened.database, { syncId, limit: 10 }))
      parts.queue.set(job.id, job);
    await parts.drain();
    expect(parts.world.asked).toContain('balances:a:1:0');
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', failure_code: null });
    expect((await readTransactions(opened.database)).every((row) => row.superseded_at === null)).toBe(true);
  });

  it('marks an account as removed, and takes that back when it is there again', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    const all = parts.world.accounts;
    parts.world.accounts = all.slice(0, 1);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(await readRemoved()).toEqual([{ account_id: 'b' }]);
    parts.world.accounts = all;
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(await readRemoved()).toEqual([]);
  });
});
