// Wire beneficiary → canonical beneficiary. Pure, and total over the wire schema.
import type { CanonicalBeneficiary } from '../core/canonical-orders.ts';
import { createNotes, lastPerKey } from './normalize-notes.ts';
import { endItem, normalizeCreditor } from './normalize-order.ts';
import type { WireItem } from './read-list.ts';
import type { WireBeneficiary } from './wire-orders.ts';

/** One record per id, in the order of the list. */
export function normalizeBeneficiaries(items: readonly WireItem<WireBeneficiary>[]): CanonicalBeneficiary[] {
  return lastPerKey(items.map(normalizeBeneficiary), ({ beneficiaryId }) => beneficiaryId);
}

function normalizeBeneficiary({ wire, raw }: WireItem<WireBeneficiary>): CanonicalBeneficiary {
  const notes = createNotes();
  const content = {
    beneficiaryType: notes.word('beneficiaryType', wire.beneficiary_type),
    accountHolderName: notes.text(wire.account_holder_name ?? wire.account_holder_short_name),
    reference: notes.text(wire.reference),
    ...normalizeCreditor(wire, notes),
  };
  const { key, end } = endItem({ id: wire.beneficiary_id, content, raw, notes });
  return { beneficiaryId: key, ...content, ...end };
}
