// Wire entity → canonical entity and its consents, from a webhook's payload or from the API. Pure and total.
import type { CanonicalConsent, CanonicalEntity } from '../core/canonical.ts';
import { storableText } from '../core/clean-text.ts';
import { readInstant } from '../core/local-date.ts';
import type { WireEntity } from './wire-entity.ts';

/** Null members mean that this source does not say, not that there is none: they never overwrite what is known. */
export function normalizeEntity(wire: WireEntity): CanonicalEntity {
  return {
    entityId: wire.id,
    customerId: wire.customer_id,
    appUserId: storable(wire.app_user_id),
    bankIdentifier: storable(wire.bank_details?.identifier ?? wire.bank_identifier),
    bankName: storable(wire.bank_details?.name ?? null),
    permissions: normalizePermissions(wire.permissions),
  };
}

/** One record per consent id; empty for webhooks, which carry none. */
export function normalizeConsents(wire: WireEntity): CanonicalConsent[] {
  const byId = new Map<string, CanonicalConsent>();
  for (const consent of wire.consents) {
    byId.set(consent.id, {
      consentId: consent.id,
      status: storable(consent.consent_status),
      createdAtBank: readInstant(consent.creation_date_time),
      expiresAt: readInstant(consent.expiration_date_time),
      transactionsFrom: readInstant(consent.transaction_from_date_time),
      transactionsTo: readInstant(consent.transaction_to_date_time),
      permissions: normalizePermissions(consent.permissions),
    });
  }
  return [...byId.values()];
}

function normalizePermissions(permissions: readonly string[] | null): string[] | null {
  return permissions && [...new Set(permissions.map(storableText))].toSorted();
}

function storable(text: string | null): string | null {
  return text === null ? null : storableText(text);
}
