// A list of the further kinds in several pages, with Lean as one function: all pages of one reading, what a later list
// lacks marked once, and nothing marked after a list with a flaw.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { beneficiary } from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { clearSyncTables, createSyncParts, factsOf, readChanges, readRun } from '../support/sync-parts.ts';
import { account, instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

describe('a list of several pages', () => {
  it('is stored whole, and what it lacks later is marked once and comes back', async () => {
    let ids = ['x', 'y', 'z'];
    const parts = listed(() => ({ ids }));
    const { syncId } = await sync(parts);
    expect(await kept()).toEqual({ x: false, y: false, z: false });
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      beneficiaries: 3,
      calls: 3,
    });
    ids = ['x', 'z'];
    parts.world.refreshedAt = '2026-05-11T12:00:00Z';
    await sync(parts);
    expect(await kept()).toEqual({ x: false, y: true, z: false });
    await sync(parts);
    ids = ['x', 'y', 'z'];
    parts.world.refreshedAt = '2026-05-12T12:00:00Z';
    await sync(parts);
    expect(await kept()).toEqual({ x: false, y: false, z: false });
    const told = (await readChanges(opened.database)).filter(
      ({ change }) => change === 'beneficiaries.updated',
    );
    expect(told).toMatchObject([
      { account_id: 'a', details: { inserted: 2, changed: 0, removed: 0 } },
      { account_id: 'a', details: { inserted: 1, changed: 0, removed: 0 } },
      { account_id: 'a', details: { inserted: 0, changed: 0, removed: 1 } },
      { account_id: 'a', details: { inserted: 0, changed: 1, removed: 0 } },
    ]);
    expect(told).toHaveLength(4);
  });

  it('starts over when it was refreshed in between, and what only the former pass had is gone', async () => {
    let calls = 0;
    const parts = listed(() => {
      calls += 1;
      return calls === 1
        ? { ids: ['gone', 'x', 'y'], refreshedAt: '2026-05-10T00:00:00Z' }
        : { ids: ['x', 'y', 'z'], refreshedAt: '2026-05-10T00:00:01Z' };
    });
    await sync(parts);
    expect(await kept()).toEqual({ gone: true, x: false, y: false, z: false });
    expect(parts.world.asked).toContain('beneficiaries:a:1:1');
  });

  it('with an item that cannot be read marks nothing as gone', async () => {
    let held: { ids: string[]; unreadable?: number } = { ids: ['x', 'y'] };
    const parts = listed(() => held);
    await sync(parts);
    held = { ids: ['x'], unreadable: 1 };
    parts.world.refreshedAt = '2026-05-11T12:00:00Z';
    const { syncId } = await sync(parts);
    expect(await kept()).toEqual({ x: false, y: false });
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: 'ITEM_NOT_STORABLE',
    });
  });
});

/** Lean's beneficiaries of account `a`, two to a page. */
function listed(held: () => { ids: readonly string[]; refreshedAt?: string; unreadable?: number }) {
  const parts = createSyncParts(opened.database, { syncData: ['accounts', 'beneficiaries'] });
  parts.world.accounts = [account('a')];
  parts.world.intercept = ({ kind, page }) => {
    if (kind !== 'beneficiaries') return undefined;
    const { ids, refreshedAt = parts.world.refreshedAt, unreadable = 0 } = held();
    const items = ids.slice(page * 2, page * 2 + 2).map((id) => beneficiary(id));
    const isLastPage = page * 2 + 2 >= ids.length;
    return {
      kind: 'page',
      records: { kind, items },
      unreadable,
      isLastPage,
      isEndKnown: true,
      refreshedAt: instant(refreshedAt),
      facts: factsOf(kind),
    };
  };
  return parts;
}

async function sync(parts: ReturnType<typeof createSyncParts>) {
  const requested = await parts.request();
  await parts.drain();
  return requested;
}

/** Whether each is marked as removed. */
async function kept() {
  const rows = await opened.database.db
    .selectFrom('beneficiaries')
    .select(['beneficiary_id', 'removed_at'])
    .orderBy('beneficiary_id')
    .execute();
  return Object.fromEntries(rows.map((row) => [row.beneficiary_id, row.removed_at !== null]));
}
