// A pending payment that is booked under an id of its own: tied to its booking by rule, or not at all.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CanonicalTransaction } from '../../src/core/canonical.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import {
  booked,
  firstOfAll,
  payer,
  pending,
  readLinks,
  syncLists,
  type PaymentList,
} from '../support/payment-lists.ts';
import { clearSyncTables, createSyncParts, pageOf, readChanges } from '../support/sync-parts.ts';
import { account } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

const syncs = (lists: readonly PaymentList[]) => syncLists(opened.database, lists);
const rows = () => readLinks(opened.database);
const links = async () =>
  Object.fromEntries(
    (await rows()).map((row) => [row.transaction_id, row.superseded_by ?? row.supersede_rule]),
  );

describe('a pending payment', () => {
  it('booked under its own id is the same row, with its former version', async () => {
    await syncs([
      { at: '05', transactions: [pending('p')] },
      { at: '06', transactions: [booked('p')] },
    ]);
    expect(await rows()).toMatchObject([{ transaction_id: 'p', superseded_at: null, superseded_by: null }]);
    const versions = await opened.database.db
      .selectFrom('transaction_versions')
      .select(['status', 'changed_columns', 'rule', 'event_key', 'counterparty'])
      .execute();
    expect(versions).toEqual([
      {
        status: 'PENDING',
        changed_columns: ['booked_at', 'booked_at_text', 'booking_date', 'mutability', 'status'],
        rule: 'listed',
        event_key: 'event-1',
        counterparty: payer,
      },
    ]);
  });

  it('with the reference of a booking is tied to it for sure, whatever was settled', async () => {
    await syncs([
      { at: '05', transactions: [pending('p', { reference: 'FT26125XK1', amount: '200.00' })] },
      {
        at: '06',
        transactions: [
          booked('b', { reference: '\tFT26125XK1\u00a0', amount: '187.40', counterparty: null }),
        ],
      },
    ]);
    expect(await rows()).toMatchObject([
      { transaction_id: 'b', superseded_at: null, superseded_by: null },
      { superseded_by: 'b', supersede_rule: 'reference', supersede_confidence: '0.95' },
    ]);
    expect((await rows())[1]?.superseded_at).toBeInstanceOf(Date);
  });

  it('that its booking names by its id is tied to it, and stays where it is', async () => {
    await syncs([
      { at: '05', transactions: [pending('hold-77001')] },
      { at: '06', transactions: [booked('b', { reference: 'hold-77001' })] },
    ]);
    expect(await rows()).toMatchObject([
      { transaction_id: 'b' },
      { transaction_id: 'hold-77001', supersede_rule: 'reference', supersede_confidence: '1.00' },
    ]);
  });

  it('of the same amount, direction and counterparty is tied within seven days, and told once', async () => {
    await syncs([
      { at: '05', transactions: [pending('p', { amount: '15.0' })] },
      { at: '12', transactions: [booked('b', { bookingDate: '2026-05-12', amount: '15' })] },
      { at: '13', transactions: [booked('b', { bookingDate: '2026-05-12', amount: '15' })] },
    ]);
    expect(await rows()).toMatchObject([
      { transaction_id: 'b' },
      { superseded_by: 'b', supersede_rule: 'amount_and_counterparty', supersede_confidence: '0.90' },
    ]);
    const told = (await readChanges(opened.database)).filter(({ details }) =>
      JSON.stringify(details).includes('"superseded":1'),
    );
    expect(told).toHaveLength(1);
  });

  it.each<[string, Partial<CanonicalTransaction>]>([
    ['eight days later', { bookingDate: '2026-05-13' }],
    ['another amount', { amount: '12.35' }],
    ['another currency', { currency: 'USD' }],
    ['the other direction', { creditDebitIndicator: 'CREDIT' }],
    ['a direction nobody knows', { creditDebitIndicator: null }],
    ['another counterparty', { counterparty: { ...payer, name: 'Red Cup' } }],
    ['no counterparty at all', { counterparty: null }],
    ['a filler for a reference and nothing else', { reference: 'NOTPROVIDED', amount: '9.00' }],
    ['no day', { bookingDate: null }],
    ['a status nobody knows', { status: 'SETTLED' }],
  ])('is not tied to a booking with %s', async (_name, facts) => {
    await syncs([
      { at: '05', transactions: [pending('p', { reference: 'NOTPROVIDED' })] },
      { at: '06', transactions: [booked('b', facts)] },
    ]);
    expect(await links()).toEqual({ b: null, p: 'vanished' });
  });

  it('is not tied to an equal payment that was booked while it was still pending', async () => {
    const yesterdays = booked('b1', { bookingDate: '2026-05-04' });
    await syncs([
      { at: '05', transactions: [yesterdays, pending('p')] },
      { at: '06', transactions: [yesterdays] },
    ]);
    expect(await links()).toEqual({ b1: null, p: 'vanished' });
  });

  it('that is still pending in the list is left alone beside an equal booking', async () => {
    await syncs([
      { at: '05', transactions: [pending('p')] },
      { at: '06', transactions: [pending('p'), booked('b')] },
    ]);
    expect(await links()).toEqual({ b: null, p: null });
  });

  it('among several that one booking would fit is not guessed, until the other is booked too', async () => {
    const both = [pending('p1'), pending('p2', { bookingDate: '2026-05-06' })];
    const lists = [
      { at: '05', transactions: both },
      { at: '06', transactions: [booked('b1')] },
    ];
    await syncs(lists);
    expect(await links()).toEqual({ b1: null, p1: 'vanished', p2: 'vanished' });
    const before = (await rows())[1]?.superseded_at;
    await syncs([{ at: '07', transactions: [booked('b1'), booked('b2', { bookingDate: '2026-05-07' })] }]);
    expect(await links()).toEqual({ b1: null, b2: null, p1: 'b1', p2: 'b2' });
    expect(await rows()).toMatchObject([{}, {}, { supersede_confidence: '0.80', superseded_at: before }, {}]);
  });

  it('is back when a later list has it, and its booking is free again', async () => {
    await syncs([
      { at: '05', transactions: [pending('p')] },
      { at: '06', transactions: [booked('b')] },
      { at: '07', transactions: [pending('p'), booked('b')] },
    ]);
    expect(await rows()).toMatchObject([
      { superseded_by: null },
      { superseded_at: null, superseded_by: null, supersede_rule: null, supersede_confidence: null },
    ]);
  });

  it('is not tied to a booking that another one has become', async () => {
    const reference = 'FT26125XK1';
    await syncs([
      { at: '05', transactions: [pending('p1', { reference }), pending('p2')] },
      { at: '06', transactions: [booked('b', { reference })] },
      { at: '07', transactions: [booked('b', { reference })] },
    ]);
    expect(await links()).toEqual({ b: null, p1: 'b', p2: 'vanished' });
  });

  it('of a whole older list is not tied to a booking of a newer one that was not whole', async () => {
    const parts = createSyncParts(opened.database);
    parts.world.accounts = [account('a')];
    const lists = [
      { refreshedAt: '2026-05-06T12:00:00Z', unreadable: 1, transactions: [firstOfAll, booked('b')] },
      { refreshedAt: '2026-05-05T12:00:00Z', unreadable: 0, transactions: [firstOfAll, pending('p')] },
    ];
    for (const { refreshedAt, unreadable, transactions } of lists) {
      parts.world.refreshedAt = refreshedAt;
      parts.world.transactions.set('a', transactions);
      parts.world.intercept = (step) =>
        step.kind === 'transactions' ? { ...pageOf(parts.world, step), unreadable } : undefined;
      await parts.request({ reason: 'refresh' });
      await parts.drain();
    }
    expect(await links()).toEqual({ b: null, p: null });
  });

  it('is not tied after a list of which an item could not be read', async () => {
    const parts = await syncs([{ at: '05', transactions: [pending('p')] }]);
    parts.world.transactions.set('a', [firstOfAll, booked('b')]);
    parts.world.refreshedAt = '2026-05-06T12:00:00Z';
    parts.world.intercept = (step) =>
      step.kind === 'transactions' ? { ...pageOf(parts.world, step), unreadable: 1 } : undefined;
    await parts.request({ reason: 'refresh' });
    await parts.drain();
    expect(await links()).toEqual({ b: null, p: null });
  });

  it('ends the same whatever the order in which older and newer lists came', async () => {
    const lists = [
      { at: '05', transactions: [pending('p')] },
      { at: '06', transactions: [booked('b')] },
      { at: '07', transactions: [booked('b'), pending('q', { bookingDate: '2026-05-07' })] },
    ];
    const last = { at: '08', transactions: [booked('b'), booked('c', { bookingDate: '2026-05-08' })] };
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(lists, { minLength: 3 }), async (order) => {
        await clearSyncTables(opened.database);
        await syncs([...order, last, last]);
        expect(await links()).toEqual({ b: null, c: null, p: 'b', q: 'c' });
      }),
      { numRuns: 6 },
    );
  });
});

describe('a payment that the bank had called final', () => {
  it('and that says something else now raises an alarm, and leaves its former version', async () => {
    const parts = await syncs([
      { at: '05', transactions: [booked('b')] },
      { at: '06', transactions: [booked('b', { amount: '99.00' })] },
    ]);
    const alarms = parts.lines.filter(({ event }) => event === 'immutable_changed');
    expect(alarms).toMatchObject([
      { fields: { transactions: 1, failure_code: 'TRANSACTION_IMMUTABLE_CHANGED' } },
    ]);
    expect(await readChanges(opened.database)).toContainEqual(
      expect.objectContaining({ details: expect.objectContaining({ changed: 1, immutableChanged: 1 }) }),
    );
  });

  it('raises none for a category that Lean has learnt, nor one that was never final', async () => {
    const parts = await syncs([
      { at: '05', transactions: [booked('b'), pending('p')] },
      { at: '06', transactions: [booked('b', { category: 'FOOD' }), pending('p', { amount: '1.00' })] },
    ]);
    expect(parts.lines.filter(({ event }) => event === 'immutable_changed')).toEqual([]);
  });

  it('raises none where only our own reading of it has changed since', async () => {
    await syncs([{ at: '05', transactions: [booked('b')] }]);
    await opened.database.db
      .updateTable('transactions')
      .set({ normalizer_version: 1, content_hash: 'of a former normalizer', amount: '99' })
      .execute();
    const parts = await syncs([{ at: '06', transactions: [booked('b')] }]);
    expect(parts.lines.filter(({ event }) => event === 'immutable_changed')).toEqual([]);
  });
});
