import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  clearSyncTables,
  pageOf,
  partsOfTwoAccounts,
  readChanges,
  readRun,
  readTransactions,
} from '../support/sync-parts.ts';

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
