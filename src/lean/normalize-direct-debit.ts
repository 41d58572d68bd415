// Wire direct debit → canonical direct debit. Pure, and total over the wire schema.
import type { CanonicalDirectDebit } from '../core/canonical-orders.ts';
import { createNotes, lastPerKey } from './normalize-notes.ts';
import { endItem, normalizePayment } from './normalize-order.ts';
import type { WireItem } from './read-list.ts';
import type { WireDirectDebit } from './wire-orders.ts';

/** One record per id, in the order of the list. */
export function normalizeDirectDebits(items: readonly WireItem<WireDirectDebit>[]): CanonicalDirectDebit[] {
  return lastPerKey(items.map(normalizeDirectDebit), ({ directDebitId }) => directDebitId);
}

function normalizeDirectDebit({ wire, raw }: WireItem<WireDirectDebit>): CanonicalDirectDebit {
  const notes = createNotes();
  const content = {
    name: notes.text(wire.name),
    status: notes.word('orderStatus', wire.status_code),
    frequency: notes.word('directDebitFrequency', wire.frequency),
    mandateIdentification: notes.text(wire.mandate_identification),
    previousPayment: normalizePayment(
      { time: wire.previous_payment_date_time, money: wire.previous_payment_amount },
      notes,
    ),
  };
  const { key, end } = endItem({ id: wire.direct_debit_id, content, raw, notes });
  return { directDebitId: key, ...content, ...end };
}
