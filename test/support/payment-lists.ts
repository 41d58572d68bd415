// Lists of payments for tests of what becomes of pending ones: a sync for each, and what is tied to what in the end.
import type { CanonicalTransaction } from '../../src/core/canonical.ts';
import type { Database } from '../../src/store/database.ts';
import { createSyncParts } from './sync-parts.ts';
import { account, transaction } from './sync-records.ts';

export const payer = { name: 'Blue Cup', scheme_name: null, identification: null, agent: null };

export function pending(id: string, facts: Partial<CanonicalTransaction> = {}): CanonicalTransaction {
  const own = { status: 'PENDING', mutability: 'MUTABLE', counterparty: payer, bookingDate: '2026-05-05' };
  return transaction(id, { ...own, ...facts });
}

export function booked(id: string, facts: Partial<CanonicalTransaction> = {}): CanonicalTransaction {
  return transaction(id, { counterparty: payer, bookingDate: '2026-05-06', ...facts });
}

/** In every list, so that a settled row of the list's first day does not decide what may vanish. */
export const firstOfAll = transaction('t0', { bookingDate: '2026-04-01', amount: '1.00' });

export interface PaymentList {
  /** Day of May. */
  readonly at: string;
  readonly transactions: readonly CanonicalTransaction[];
}

/** A sync for each list, in the order given. */
export async function syncLists(database: Database, lists: readonly PaymentList[]) {
  const parts = createSyncParts(database);
  parts.world.accounts = [account('a')];
  for (const { at, transactions } of lists) {
    parts.world.refreshedAt = `2026-05-${at}T12:00:00Z`;
    parts.world.transactions.set('a', [firstOfAll, ...transactions]);
    await parts.request({ reason: 'refresh' });
    await parts.drain();
  }
  return parts;
}

export async function readLinks(database: Database) {
  return database.db
    .selectFrom('transactions')
    .select(['transaction_id', 'superseded_at', 'superseded_by', 'supersede_rule', 'supersede_confidence'])
    .where('transaction_id', '<>', 't0')
    .orderBy('transaction_id')
    .execute();
}
