// Wire standing order → canonical standing order. Pure, and total over the wire schema.
import type { CanonicalStandingOrder } from '../core/canonical-orders.ts';
import { createNotes, lastPerKey } from './normalize-notes.ts';
import { endItem, normalizeCreditor, normalizePayment } from './normalize-order.ts';
import type { WireItem } from './read-list.ts';
import type { WireStandingOrder } from './wire-orders.ts';

/** One record per id, in the order of the list. */
export function normalizeStandingOrders(
  items: readonly WireItem<WireStandingOrder>[],
): CanonicalStandingOrder[] {
  return lastPerKey(items.map(normalizeStandingOrder), ({ standingOrderId }) => standingOrderId);
}

function normalizeStandingOrder({ wire, raw }: WireItem<WireStandingOrder>): CanonicalStandingOrder {
  const notes = createNotes();
  const payment = (which: 'first' | 'last' | 'next' | 'final') =>
    normalizePayment(
      { time: wire[`${which}_payment_date_time`], money: wire[`${which}_payment_amount`] },
      notes,
    );
  const content = {
    status: notes.word('orderStatus', wire.standing_order_status_code),
    standingOrderType: notes.text(wire.standing_order_type),
    purpose: notes.text(wire.purpose),
    reference: notes.text(wire.reference),
    frequencyType: notes.word('frequencyType', wire.frequency?.frequency_type ?? null),
    frequencyInterval: notes.text(wire.frequency?.interval ?? null),
    numberOfPayments: wire.number_of_payments,
    firstPayment: payment('first'),
    lastPayment: payment('last'),
    nextPayment: payment('next'),
    finalPayment: payment('final'),
    ...normalizeCreditor(wire, notes),
  };
  const { key, end } = endItem({ id: wire.standing_order_id, content, raw, notes });
  return { standingOrderId: key, ...content, ...end };
}
