// Wire entity → canonical entity, from a webhook's payload or from the API. Pure and total.
import type { CanonicalEntity } from '../core/canonical.ts';
import { storableText } from '../core/clean-text.ts';
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

function normalizePermissions(permissions: readonly string[] | null): string[] | null {
  return permissions && [...new Set(permissions.map(storableText))].toSorted();
}

function storable(text: string | null): string | null {
  return text === null ? null : storableText(text);
}
