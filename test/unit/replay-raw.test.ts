// Lean's text of one stored item read anew: in its own dialect, and under the key that its row has.
import { describe, expect, it } from 'vitest';
import { normalizerVersion } from '../../src/core/canonical.ts';
import { replayRaw } from '../../src/operations/replay-raw.ts';
import { rawRecord, seal } from '../../src/sealing/seal.ts';
import type { StoredItem } from '../../src/store/renormalize-read.ts';

function stored(table: 'accounts' | 'balances', value: unknown, facts: Partial<StoredItem> = {}) {
  const item = {
    entityId: 'e',
    customerId: 'c',
    key: ['e', 'a'],
    version: normalizerVersion,
    raw: seal(null, rawRecord(table, ['e', 'a']), Buffer.from(JSON.stringify(value))),
    warnings: [],
    reportedAt: null,
    reportedAtSource: null,
    fieldOrders: null,
    stored: null,
    ...facts,
  };
  return replayRaw({ table, item, keyRing: null, zone: 'Asia/Dubai' });
}

describe('an account', () => {
  const iban = 'AE070331234567890123456';

  it.each<[string, object, object]>([
    ['v1 without its currency', { iban, name: 'Main', type: 'SAVINGS' }, { iban, nickname: 'Main' }],
    ['v1 with a number alone', { account_number: '123' }, { identifiers: expect.stringContaining('123') }],
    ['v1', { currency_code: 'AED', name: 'Main' }, { currency: 'AED', nickname: 'Main' }],
    [
      'v2',
      { currency: 'AED', nickname: 'Main', account: [{ scheme_name: 'IBAN', identification: iban }] },
      { iban, currency: 'AED', nickname: 'Main' },
    ],
    ['v2 with a bank’s own members', { currency: 'AED', name: 'x', type: 'y' }, { nickname: null }],
    ['v2 that says nothing else', { nickname: 'Main' }, { nickname: 'Main' }],
  ])('of %s keeps what it says', (_name, members, columns) => {
    const replayed = stored('accounts', { account_id: 'a', ...members });
    expect(replayed).toMatchObject({ kind: 'replayed', columns });
  });
});

describe('a balance', () => {
  const value = {
    account_id: 'a',
    type: 'INTERIM_AVAILABLE',
    amount: { amount: '1.50', currency: 'AED' },
    date_time: '2026-05-11T08:00:00Z',
  };

  it.each([
    ['2026-05-11T08:00:00Z', 'date_time'],
    ['2026-05-12T09:00:00Z', 'refreshed_at'],
  ])('stored under %s still names %s as where that time came from', (time, source) => {
    const facts = { reportedAt: new Date(time), reportedAtSource: source };
    expect(stored('balances', value, facts)).toMatchObject({
      kind: 'replayed',
      columns: { amount: '1.50', reported_at_source: source },
    });
  });
});
