// A pending payment of which rows or marks do not tell enough is tied to no booking.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { linkBookings } from '../../src/store/booking-match-store.ts';
import { upsertTransactions } from '../../src/store/transaction-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { booked, pending, readLinks, syncLists } from '../support/payment-lists.ts';
import { clearSyncTables } from '../support/sync-parts.ts';
import { customerId, entityId, instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

async function links() {
  const rows = await readLinks(opened.database);
  return Object.fromEntries(rows.map((row) => [row.transaction_id, row.superseded_by ?? row.supersede_rule]));
}

it('with a reference that a third payment has too, whatever blanks are around it, is not tied by it', async () => {
  const third = booked('b0', { reference: 'FT26125XK1\t', bookingDate: '2026-04-02', amount: '3.00' });
  const one = pending('p', { reference: '\tFT26125XK1', amount: '200.00' });
  const other = booked('b', { reference: 'FT26125XK1\u00a0', amount: '187.40' });
  await syncLists(opened.database, [
    { at: '05', transactions: [third, one] },
    { at: '06', transactions: [third, other] },
  ]);
  expect(await links()).toEqual({ b: null, b0: null, p: 'vanished' });
});

it('that a former version’s worker has seen beside a booking is not tied to it', async () => {
  await syncLists(opened.database, [
    { at: '05', transactions: [pending('p')] },
    { at: '06', transactions: [pending('p'), booked('b')] },
  ]);
  // That worker marks a row as seen by the list's time alone.
  await opened.database.db
    .updateTable('transactions')
    .set({ last_listed_at: '2026-05-05T12:00:00Z' })
    .where('transaction_id', '=', 'p')
    .execute();
  await syncLists(opened.database, [{ at: '07', transactions: [booked('b')] }]);
  expect(await links()).toEqual({ b: null, p: 'vanished' });
});

it('is not tied among more rows than are read: one of the others might have fitted as well', async () => {
  const [first, second] = [instant('2026-05-05T12:00:00Z'), instant('2026-05-06T12:00:00Z')];
  const of = { entityId, accountId: 'a', customerId, eventKey: null, keyRing: null };
  const amounts = ['1.00', '2.00'];
  const link = (rowsLimit: number) =>
    opened.database.transaction((inside) =>
      linkBookings(opened.database, inside, {
        ...of,
        syncId: 's2',
        from: null,
        to: null,
        refreshedAt: second,
        rowsLimit,
      }),
    );
  await opened.database.transaction(async (inside) => {
    const lists = [
      {
        syncId: 's1',
        refreshedAt: first,
        transactions: amounts.map((amount) => pending(`p${amount}`, { amount })),
      },
      {
        syncId: 's2',
        refreshedAt: second,
        transactions: amounts.map((amount) => booked(`b${amount}`, { amount })),
      },
    ];
    for (const list of lists) await upsertTransactions(opened.database, inside, { ...of, ...list });
  });
  expect(await link(1)).toEqual({ superseded: 0, relinked: 0 });
  expect(await link(2)).toEqual({ superseded: 2, relinked: 0 });
});
