import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { removeUnseenAccounts, upsertAccounts } from '../../src/store/account-store.ts';
import { upsertBalances } from '../../src/store/balance-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { clearSyncTables } from '../support/sync-parts.ts';
import { account, balance, instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

const of = { entityId: 'e', accountId: 'a', customerId: 'c' };

const putAccounts = (accounts: Parameters<typeof upsertAccounts>[1]['accounts'], facts = {}) =>
  opened.database.transaction((inside) =>
    upsertAccounts(inside, {
      entityId: 'e',
      customerId: 'c',
      syncId: 's1',
      refreshedAt: instant('2026-05-10T12:00:00Z'),
      accounts,
      keyRing: null,
      ...facts,
    }),
  );

const putBalances = (balances: Parameters<typeof upsertBalances>[1]['balances'], facts = {}) =>
  opened.database.transaction((inside) =>
    upsertBalances(inside, { ...of, balances, keyRing: null, ...facts }),
  );

const removals = () => opened.database.db.selectFrom('accounts').select('removed_at').execute();

describe('accounts', () => {
  it('are sorted into new, changed and unchanged by what they say, not by the spelling of their JSON', async () => {
    expect(await putAccounts([account('a'), account('b')])).toMatchObject({ inserted: ['a', 'b'] });
    const reordered = account('a', {
      identifiers: [{ name: null, identification: 'AE07', scheme_name: 'IBAN' }],
    });
    expect(await putAccounts([reordered, account('b', { nickname: 'Other' })])).toMatchObject({
      inserted: [],
      changed: ['b'],
      unchanged: ['a'],
    });
  });

  it('of an older list change nothing, but count as seen', async () => {
    await putAccounts([account('a', { nickname: 'New' })]);
    const older = { refreshedAt: instant('2026-05-09T12:00:00Z'), syncId: 's2' };
    expect(await putAccounts([account('a', { nickname: 'Old' })], older)).toMatchObject({ unchanged: ['a'] });
    const removed = await opened.database.transaction((inside) =>
      removeUnseenAccounts(inside, { entityId: 'e', syncId: 's2', refreshedAt: older.refreshedAt }),
    );
    expect(removed).toEqual([]);
    const rows = await opened.database.db.selectFrom('accounts').select('nickname').execute();
    expect(rows).toEqual([{ nickname: 'New' }]);
  });

  it('are not removed, nor brought back, by a list older than the one that had or lacked them', async () => {
    const [older, newer] = [instant('2026-05-09T12:00:00Z'), instant('2026-05-11T12:00:00Z')];
    const unseen = (refreshedAt: typeof older | null) =>
      opened.database.transaction((inside) =>
        removeUnseenAccounts(inside, { entityId: 'e', syncId: 's2', refreshedAt }),
      );
    await putAccounts([account('a')]);
    expect(await unseen(older)).toEqual([]);
    expect(await unseen(newer)).toEqual(['a']);
    await putAccounts([account('a')], { syncId: 's3' });
    expect(await removals()).not.toEqual([{ removed_at: null }]);
    await putAccounts([account('a')], { syncId: 's4', refreshedAt: newer });
    expect(await removals()).toEqual([{ removed_at: null }]);
  });

  it('get their customer once it is known, also from an older list', async () => {
    await putAccounts([account('a')], { customerId: null });
    await putAccounts([account('a')], { refreshedAt: instant('2026-05-09T12:00:00Z') });
    const rows = await opened.database.db.selectFrom('accounts').select('customer_id').execute();
    expect(rows).toEqual([{ customer_id: 'c' }]);
  });

  it('that cannot be stored do not hold up their neighbours', async () => {
    expect(await putAccounts([account('a'), account('b', { nickname: '\u0000' })])).toMatchObject({
      inserted: ['a'],
      refused: 1,
    });
  });
});

describe('balances', () => {
  it('of one type and time are one row, corrected when they are read again with other figures', async () => {
    expect(await putBalances([balance(), balance({ balanceType: 'CLOSING_BOOKED' })])).toMatchObject({
      inserted: 2,
    });
    expect(
      await putBalances([balance(), balance({ balanceType: 'CLOSING_BOOKED', amount: '1.00' })]),
    ).toMatchObject({
      inserted: 0,
      changed: 1,
      unchanged: 1,
    });
  });

  it('of another time stand beside each other', async () => {
    await putBalances([balance()]);
    await putBalances([balance({ reportedAt: instant('2026-05-11T08:00:00Z') })]);
    expect(await opened.database.db.selectFrom('balances').select('amount').execute()).toHaveLength(2);
  });

  it('get their customer once it is known, which is no change of a balance', async () => {
    await putBalances([balance()], { customerId: null });
    expect(await putBalances([balance()])).toMatchObject({ inserted: 0, changed: 0, unchanged: 1 });
    const rows = await opened.database.db.selectFrom('balances').select('customer_id').execute();
    expect(rows).toEqual([{ customer_id: 'c' }]);
  });

  it('keep every digit', async () => {
    await putBalances([balance({ amount: '999999999999999999.99' })]);
    const rows = await opened.database.db.selectFrom('balances').select('amount').execute();
    expect(rows).toEqual([{ amount: '999999999999999999.99' }]);
  });

  it('of one key twice in one page are one row, the last', async () => {
    expect(await putBalances([balance({ amount: '1.00' }), balance({ amount: '2.00' })])).toMatchObject({
      inserted: 1,
    });
  });
});
