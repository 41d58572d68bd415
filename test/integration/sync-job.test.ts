import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { listedEntity } from '../support/lean-replies.ts';
import {
  clearSyncTables,
  createSyncParts,
  pageOf,
  partsOfTwoAccounts,
  readChanges,
  readRun,
  readStep,
  readTransactions,
} from '../support/sync-parts.ts';
import { account, customerId, entityId, instant, transaction } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

describe('a sync', () => {
  it('reads accounts, then every page of every list, one call each, and tells what it stored', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const { syncId } = await parts.request();
    const reports = await parts.drain();
    expect(parts.world.asked).toEqual([
      'accounts:0:0',
      'balances:a:0:0',
      'balances:b:0:0',
      'transactions:a:0:0',
      'transactions:b:0:0',
      'transactions:a:0:1',
      'transactions:a:0:2',
    ]);
    expect(new Set(reports.map(({ verdict }) => verdict.kind))).toEqual(new Set(['done']));
    expect(
      (await readTransactions(opened.database)).map((row) => `${row.account_id}/${row.transaction_id}`),
    ).toEqual(['a/t1', 'a/t2', 'a/t3', 'a/t4', 'a/t5', 'b/u1']);
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: null,
      calls: 7,
      accounts: 2,
      balances: 2,
      transactions: 6,
    });
    const changes = await readChanges(opened.database);
    expect(changes.map(({ change }) => change)).toEqual([
      'account.updated',
      'account.updated',
      'balances.updated',
      'balances.updated',
      'transactions.updated',
      'transactions.updated',
      'transactions.updated',
      'transactions.updated',
      'sync.completed',
    ]);
    expect(parts.lines.filter(({ event }) => event === 'lean_call')).toHaveLength(7);
    expect(parts.lines.at(-1)).toMatchObject({ event: 'sync', fields: { outcome: 'done', calls: 7 } });
  });

  it('writes the same rows when it runs again, and tells of nothing but its end', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    const before = await readTransactions(opened.database);
    await opened.database.db.deleteFrom('changes').execute();
    const { syncId } = await parts.request({ reason: 'refresh', fullHistory: false });
    await parts.drain();
    expect(await readTransactions(opened.database)).toEqual(before);
    expect(await readChanges(opened.database)).toMatchObject([
      { change: 'sync.completed', details: { syncId, transactions: 6 } },
    ]);
  });

  it('of an empty list stores nothing and is done', async () => {
    const parts = createSyncParts(opened.database);
    const { syncId } = await parts.request();
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', calls: 1 });
  });

  it('does not ask for what the refresh could not fetch, nor for what is not in SYNC_DATA', async () => {
    const parts = partsOfTwoAccounts(opened.database, { syncData: ['accounts', 'transactions'] });
    const dataStatus = {
      accounts: 'OK',
      account_data: [
        { account_id: 'a', balance: 'OK', transactions: 'UNSUPPORTED' },
        { account_id: 'b', balance: 'OK', transactions: 'FAILED' },
      ],
    };
    parts.world.accounts.push(account('c'));
    await parts.request({ dataStatus });
    await parts.drain();
    expect(parts.world.asked).toEqual(['accounts:0:0', 'accounts:0:1', 'transactions:c:0:0']);
  });

  it('asks only for what the customer permits, where the refresh says nothing', async () => {
    await opened.database.db
      .insertInto('entities')
      .values({ entity_id: entityId, permissions: ['accounts', 'balance', 'identity'] })
      .execute();
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    await parts.drain();
    expect(parts.world.asked).toEqual(['accounts:0:0', 'balances:a:0:0', 'balances:b:0:0']);
  });

  it('asks for the entity itself when told so', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    parts.world.intercept = (step) =>
      step.kind === 'entity'
        ? {
            kind: 'entity',
            listed: listedEntity({
              id: entityId,
              customer_id: customerId,
              bank_identifier: 'LEANMB1_UAE',
              permissions: { accounts: true, transactions: true },
            }),
            at: instant('2026-05-10T12:00:00Z'),
            facts: pageOf(parts.world, { ...step, kind: 'accounts' }).facts,
          }
        : undefined;
    await parts.request({ rereadEntity: true });
    await parts.drain();
    const entity = await opened.database.db
      .selectFrom('entities')
      .selectAll()
      .where('entity_id', '=', entityId)
      .executeTakeFirstOrThrow();
    expect(entity).toMatchObject({
      bank_identifier: 'LEANMB1_UAE',
      permissions: ['accounts', 'transactions'],
    });
    expect(entity.synced_at).not.toBeNull();
  });
});

describe('a list that is refreshed between two pages', () => {
  it('starts over and ends with the rows of the later refresh', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let changedOnce = false;
    parts.world.intercept = ({ stepKey }) => {
      if (stepKey !== 'transactions:a:0:1' || changedOnce) return undefined;
      changedOnce = true;
      parts.world.refreshedAt = '2026-05-11T12:00:00Z';
      parts.world.transactions.set('a', [
        transaction('t1', { bookingDate: '2026-05-01' }),
        transaction('t3', { amount: '99.00' }),
      ]);
      return undefined;
    };
    const { syncId } = await parts.request();
    await parts.drain();
    expect(parts.world.asked).toContain('transactions:a:1:0');
    const rows = (await readTransactions(opened.database)).filter((row) => row.account_id === 'a');
    expect(
      rows.map(({ transaction_id, amount, supersede_rule }) => [transaction_id, amount, supersede_rule]),
    ).toEqual([
      ['t1', '12.34', null],
      // Read in the first pass only.
      ['t2', '12.34', 'vanished'],
      ['t3', '99.00', null],
    ]);
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', failure_code: null });
  });

  it('is given up after three passes, supersedes nothing, and leaves the other lists standing', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    let refreshes = 0;
    parts.world.intercept = ({ kind, accountId }) => {
      if (kind === 'transactions' && accountId === 'a') {
        refreshes += 1;
        parts.world.refreshedAt = `2026-05-11T12:00:${String(refreshes).padStart(2, '0')}Z`;
      }
      return undefined;
    };
    const { syncId } = await parts.request();
    await parts.drain();
    const passes = parts.world.asked.filter((key) => key.startsWith('transactions:a:') && key.endsWith(':0'));
    expect(passes).toEqual(['transactions:a:0:0', 'transactions:a:1:0', 'transactions:a:2:0']);
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'LIST_UNSTABLE',
    });
    expect((await readTransactions(opened.database)).map(({ superseded_at }) => superseded_at)).toEqual([
      null,
      null,
      null,
    ]);
  });
});

describe('a job that is repeated', () => {
  it('after a crash between the reply and the commit leaves no double rows', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    await parts.request();
    const job = [...parts.queue.values()][0];
    parts.queue.clear();
    const stop = new AbortController();
    parts.world.intercept = () => {
      stop.abort(new Error('the worker is stopping'));
      throw new Error('aborted');
    };
    const data = job?.data ?? { kind: 'step', syncId: '', stepKey: '' };
    await expect(parts.run(data, stop.signal)).rejects.toThrow('aborted');
    expect(await readStep(opened.database, 'accounts:0:0')).toMatchObject({ state: 'open', attempts: 0 });
    parts.world.intercept = () => undefined;
    await parts.run(data);
    await parts.drain();
    expect(await readTransactions(opened.database)).toHaveLength(6);
  });

  it('beside its stalled twin writes once', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const { syncId } = await parts.request();
    const data = { kind: 'step', syncId, stepKey: 'accounts:0:0' } as const;
    const reports = await Promise.all([parts.run(data), parts.run(data), parts.run(data)]);
    expect(reports.map(({ outcome }) => outcome).toSorted()).toEqual([
      'done',
      'nothing_to_do',
      'nothing_to_do',
    ]);
    expect(await readRun(opened.database, syncId)).toMatchObject({ calls: 1, accounts: 2 });
    expect((await readChanges(opened.database)).map(({ change }) => change)).toEqual([
      'account.updated',
      'account.updated',
    ]);
  });

  it('whose run is closed asks for nothing', async () => {
    const parts = partsOfTwoAccounts(opened.database);
    const { syncId } = await parts.request();
    await parts.drain();
    const calls = parts.world.asked.length;
    const report = await parts.run({ kind: 'step', syncId, stepKey: 'accounts:0:0' });
    expect(report).toMatchObject({ verdict: { kind: 'done' }, outcome: 'nothing_to_do' });
    expect(parts.world.asked).toHaveLength(calls);
  });

  it('the last two steps at once close the run exactly once', async () => {
    const parts = partsOfTwoAccounts(opened.database, { syncData: ['accounts', 'balances'] });
    const { syncId } = await parts.request();
    await parts.run({ kind: 'step', syncId, stepKey: 'accounts:0:0' });
    await Promise.all(
      ['a', 'b'].map((id) => parts.run({ kind: 'step', syncId, stepKey: `balances:${id}:0:0` })),
    );
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', balances: 2 });
    const ends = (await readChanges(opened.database)).filter(({ change }) => change === 'sync.completed');
    expect(ends).toHaveLength(1);
  });
});
