// Standing orders of an account, as Lean's lists gave them.
import type { CanonicalStandingOrder } from '../core/canonical-orders.ts';
import type { Database, Executor } from './database.ts';
import { upsertListed, type ListedRow, type UpsertListed } from './listed-item-store.ts';
import { paymentColumns } from './order-payment.ts';
import type { StoredCounts } from './stored-counts.ts';

/** One page; the caller holds the entity's lock. */
export async function upsertStandingOrders(
  database: Database,
  transaction: Executor,
  { items, ...list }: UpsertListed<CanonicalStandingOrder>,
): Promise<StoredCounts> {
  const rows = items.map(standingOrderRow);
  return upsertListed(database, transaction, { ...list, table: 'standing_orders', rows });
}

/** A standing order as its table has it. */
export function standingOrderRow(order: CanonicalStandingOrder): ListedRow {
  return {
    key: order.standingOrderId,
    columns: {
      status: ['text', order.status],
      standing_order_type: ['text', order.standingOrderType],
      purpose: ['text', order.purpose],
      reference: ['text', order.reference],
      frequency_type: ['text', order.frequencyType],
      frequency_interval: ['text', order.frequencyInterval],
      number_of_payments: ['integer', order.numberOfPayments],
      ...paymentColumns('first_payment', order.firstPayment),
      ...paymentColumns('last_payment', order.lastPayment),
      ...paymentColumns('next_payment', order.nextPayment),
      ...paymentColumns('final_payment', order.finalPayment),
      creditor_account: ['jsonb', order.creditorAccount],
      creditor_agent: ['jsonb', order.creditorAgent],
    },
    contentHash: order.contentHash,
    raw: order.raw,
    warnings: order.warnings,
  };
}
