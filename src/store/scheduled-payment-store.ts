// Scheduled payments of an account, as Lean's lists gave them.
import type { CanonicalScheduledPayment } from '../core/canonical-orders.ts';
import type { Database, Executor } from './database.ts';
import { upsertListed, type ListedRow, type UpsertListed } from './listed-item-store.ts';
import { paymentColumns } from './order-payment.ts';
import type { StoredCounts } from './stored-counts.ts';

/** One page; the caller holds the entity's lock. */
export async function upsertScheduledPayments(
  database: Database,
  transaction: Executor,
  { items, ...list }: UpsertListed<CanonicalScheduledPayment>,
): Promise<StoredCounts> {
  const rows = items.map(scheduledPaymentRow);
  return upsertListed(database, transaction, { ...list, table: 'scheduled_payments', rows });
}

/** A scheduled payment as its table has it. */
export function scheduledPaymentRow(scheduled: CanonicalScheduledPayment): ListedRow {
  return {
    key: scheduled.scheduledPaymentId,
    columns: {
      scheduled_type: ['text', scheduled.scheduledType],
      debtor_reference: ['text', scheduled.debtorReference],
      reference: ['text', scheduled.reference],
      ...paymentColumns('scheduled_payment', scheduled.payment),
      creditor_account: ['jsonb', scheduled.creditorAccount],
      creditor_agent: ['jsonb', scheduled.creditorAgent],
    },
    contentHash: scheduled.contentHash,
    raw: scheduled.raw,
    warnings: scheduled.warnings,
  };
}
