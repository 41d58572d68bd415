// Wire scheduled payment → canonical scheduled payment. Pure, and total over the wire schema.
import type { CanonicalScheduledPayment } from '../core/canonical-orders.ts';
import { createNotes, lastPerKey } from './normalize-notes.ts';
import { endItem, normalizeCreditor, normalizePayment } from './normalize-order.ts';
import type { WireItem } from './read-list.ts';
import type { WireScheduledPayment } from './wire-orders.ts';

/** One record per id, in the order of the list. */
export function normalizeScheduledPayments(
  items: readonly WireItem<WireScheduledPayment>[],
): CanonicalScheduledPayment[] {
  return lastPerKey(items.map(normalizeScheduledPayment), ({ scheduledPaymentId }) => scheduledPaymentId);
}

function normalizeScheduledPayment({ wire, raw }: WireItem<WireScheduledPayment>): CanonicalScheduledPayment {
  const notes = createNotes();
  const content = {
    scheduledType: notes.word('scheduledType', wire.scheduled_type),
    payment: normalizePayment(
      { time: wire.scheduled_payment_date_time, money: wire.instructed_amount },
      notes,
    ),
    debtorReference: notes.text(wire.debtor_reference),
    reference: notes.text(wire.reference),
    ...normalizeCreditor(wire, notes),
  };
  const { key, end } = endItem({ id: wire.scheduled_payment_id, content, raw, notes });
  return { scheduledPaymentId: key, ...content, ...end };
}
