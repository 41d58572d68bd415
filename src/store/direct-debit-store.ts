// Direct debits of an account, as Lean's lists gave them.
import type { CanonicalDirectDebit } from '../core/canonical-orders.ts';
import type { Database, Executor } from './database.ts';
import { upsertListed, type ListedRow, type UpsertListed } from './listed-item-store.ts';
import { paymentColumns } from './order-payment.ts';
import type { StoredCounts } from './stored-counts.ts';

/** One page; the caller holds the entity's lock. */
export async function upsertDirectDebits(
  database: Database,
  transaction: Executor,
  { items, ...list }: UpsertListed<CanonicalDirectDebit>,
): Promise<StoredCounts> {
  const rows = items.map(directDebitRow);
  return upsertListed(database, transaction, { ...list, table: 'direct_debits', rows });
}

/** A direct debit as its table has it. */
export function directDebitRow(directDebit: CanonicalDirectDebit): ListedRow {
  return {
    key: directDebit.directDebitId,
    columns: {
      name: ['text', directDebit.name],
      status: ['text', directDebit.status],
      frequency: ['text', directDebit.frequency],
      mandate_identification: ['text', directDebit.mandateIdentification],
      ...paymentColumns('previous_payment', directDebit.previousPayment),
    },
    contentHash: directDebit.contentHash,
    raw: directDebit.raw,
    warnings: directDebit.warnings,
  };
}
