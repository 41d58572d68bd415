// Wire consent → canonical consent, from an entity, a list or a webhook's payload. Pure, and total over the wire schema.
import type { CanonicalConsent } from '../core/canonical-access.ts';
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import { createNotes, lastPerKey, type Notes } from './normalize-notes.ts';
import type { WireItem } from './read-list.ts';
import type { WireConsent } from './wire-consent.ts';

/** One record per consent, in the order of the list. */
export function normalizeConsents(items: readonly WireItem<WireConsent>[]): CanonicalConsent[] {
  return lastPerKey(items.map(normalizeConsent), ({ consentId }) => consentId);
}

/** `consent_type` and the standard status are null in every capture, so `status` is what to go by. */
export function normalizeConsent({ wire, raw }: WireItem<WireConsent>): CanonicalConsent {
  const notes = createNotes();
  const standardStatus = notes.word('standardConsentStatus', wire.standard_consent_status);
  return {
    consentId: wire.id,
    entityId: wire.entity_id,
    customerId: wire.customer_id,
    bankConsentId: notes.text(wire.bank_consent_id),
    bankIdentifier: notes.text(wire.bank_identifier),
    consentType: notes.word('consentType', wire.consent_type),
    status: notes.word('consentStatus', wire.consent_status ?? wire.status) ?? standardStatus,
    standardStatus,
    createdAtBank: readTime(wire.creation_date_time, notes),
    statusUpdatedAt: readTime(wire.status_update_date_time, notes),
    expiresAt: readTime(wire.expiration_date_time, notes),
    transactionsFrom: readTime(wire.transaction_from_date_time, notes),
    transactionsTo: readTime(wire.transaction_to_date_time, notes),
    permissions:
      wire.permissions && [...new Set(wire.permissions.map((name) => notes.text(name) ?? ''))].toSorted(),
    raw,
    warnings: notes.warnings(),
  };
}

function readTime(text: string | null, notes: Notes): Instant | null {
  const instant = readInstant(text);
  if (instant === null && text !== null) notes.warn('DATE_UNREADABLE');
  return instant;
}
