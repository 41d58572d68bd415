import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeDataStatus, readDataStatus, statusOf, writeDataStatus } from '../../src/store/data-status.ts';
import { moreUrgent, stepPriority, syncReasons } from '../../src/store/sync-priority.ts';
import { stepKeyOf } from '../../src/store/sync-step-store.ts';
import { askedDays, coveredDays } from '../../src/worker/sync-window.ts';

const read = (accounts: object[]) => readDataStatus({ accounts: 'OK', account_data: accounts });

describe('data_status', () => {
  it('says nothing of accounts and types it does not name', () => {
    const status = read([{ account_id: 'a', balance: 'OK' }]);
    expect(statusOf(status, 'a', 'balances')).toBe('OK');
    expect(statusOf(status, 'a', 'transactions')).toBeNull();
    expect(statusOf(status, 'b', 'balances')).toBeNull();
    expect(statusOf(null, 'a', 'balances')).toBeNull();
  });

  it('is read whatever else is in it, and is null only when it is no object', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const status = readDataStatus(value);
        expect(status === null || status instanceof Map).toBe(true);
      }),
    );
    expect(readDataStatus(null)).toBeNull();
    expect(read([{ account_id: 5 }, { account_id: 'a', balance: 7, transactions: 'OK' }])?.get('a')).toEqual({
      balance: undefined,
      transactions: 'OK',
      availableFrom: undefined,
    });
  });

  it('survives its column', () => {
    const status = read([
      {
        account_id: 'a',
        balance: 'OK',
        transactions: 'OK',
        transaction_availability: { start: '2025-05-13' },
      },
      { account_id: 'b', balance: 'UNSUPPORTED' },
    ]);
    expect(readDataStatus(JSON.parse(writeDataStatus(status ?? new Map())))).toEqual(status);
  });

  it('of two refreshes asks for what is OK in either, in whatever order they come', () => {
    const words = fc.constantFrom('OK', 'FAILED', 'PENDING', 'UNSUPPORTED');
    fc.assert(
      fc.property(words, words, (one, other) => {
        const first = read([{ account_id: 'a', balance: one }]);
        const second = read([{ account_id: 'a', balance: other }]);
        const isOk = [one, other].includes('OK');
        for (const merged of [mergeDataStatus(first, second), mergeDataStatus(second, first)]) {
          expect(statusOf(merged, 'a', 'balances') === 'OK').toBe(isOk);
        }
      }),
    );
  });
});

describe('the first day that two refreshes hold', () => {
  const from = (start: string | null) =>
    read([{ account_id: 'a', ...(start !== null && { transaction_availability: { start } }) }]);

  it.each([
    ['is the later one', from('2025-05-13'), from('2025-11-01'), '2025-11-01'],
    ['is unknown when one does not say', from('2025-05-13'), from(null), undefined],
    ['is unknown when one does not name the account', from('2025-05-13'), read([]), undefined],
    ['is unknown when of one nothing is known', from('2025-05-13'), null, undefined],
  ])('%s, in whatever order they come', (_what, one, other, expected) => {
    expect(mergeDataStatus(one, other)?.get('a')?.availableFrom).toBe(expected);
    expect(mergeDataStatus(other, one)?.get('a')?.availableFrom).toBe(expected);
  });
});

describe('priorities', () => {
  it('put the reason before the kind, and history last', () => {
    const order = syncReasons.flatMap((reason) => [
      stepPriority(reason, { kind: 'accounts', page: 0 }),
      stepPriority(reason, { kind: 'balances', page: 0 }),
      stepPriority(reason, { kind: 'transactions', page: 0 }),
      stepPriority(reason, { kind: 'transactions', page: 7 }),
    ]);
    expect(order).toEqual(order.toSorted((left, right) => left - right));
    expect(new Set(order).size).toBe(order.length);
    expect(order[0]).toBeGreaterThan(0);
  });

  it('of two reasons keep the more urgent', () => {
    expect(moreUrgent('sweep', 'requested')).toBe('requested');
    expect(moreUrgent('first', 'refresh')).toBe('first');
  });
});

describe('the days a sync asks for', () => {
  const run = {
    reason: 'refresh',
    fullHistory: false,
    windowFrom: null,
    windowTo: null,
    listFrom: null,
    startedAt: new Date('2026-05-10T23:30:00Z'),
  } as const;

  it.each([
    ['the complete list without a window', run, undefined, null, null],
    ['no further back than TRANSACTION_HISTORY_DAYS', run, 30, '2026-04-10', null],
    [
      'so on the first sync too',
      { ...run, reason: 'first', fullHistory: true } as const,
      30,
      '2026-04-10',
      null,
    ],
    [
      'everything when the application asks for it',
      { ...run, reason: 'requested', fullHistory: true } as const,
      30,
      null,
      null,
    ],
    ['what an earlier sync has left', { ...run, listFrom: '2026-04-30' }, 30, '2026-04-30', null],
    ['what an earlier sync has left, bounded', { ...run, listFrom: '2026-03-01' }, 30, '2026-04-10', null],
    [
      'everything, whatever an earlier sync has read, when all of it is asked for',
      { ...run, fullHistory: true, listFrom: '2026-04-30' },
      undefined,
      null,
      null,
    ],
    [
      'a named window',
      { ...run, windowFrom: '2026-04-20', windowTo: '2026-05-01' },
      30,
      '2026-04-20',
      '2026-05-01',
    ],
    [
      'a named window, bounded',
      { ...run, windowFrom: '2025-01-01', windowTo: '2026-05-01' },
      30,
      '2026-04-10',
      '2026-05-01',
    ],
  ])('are %s', (_name, facts, historyDays, startDate, endDate) => {
    expect(askedDays(facts, historyDays)).toEqual({ startDate, endDate });
  });

  it('are trusted only away from their edges, because Lean does not say whether those are included', () => {
    expect(coveredDays({ startDate: '2026-03-01', endDate: '2026-05-01' })).toEqual({
      from: '2026-03-03',
      to: '2026-04-29',
    });
    expect(coveredDays({ startDate: null, endDate: null })).toEqual({ from: null, to: null });
  });
});

it('names every call of a sync by one key', () => {
  expect(stepKeyOf({ kind: 'entity' })).toBe('entity');
  expect(stepKeyOf({ kind: 'accounts', pass: 1, page: 2 })).toBe('accounts:1:2');
  expect(stepKeyOf({ kind: 'transactions', accountId: 'a', page: 3 })).toBe('transactions:a:0:3');
});
