// A consent has changed. What the event says is kept; what follows from it for the entity is Lean's to say, because an
// old consent is also revoked when its customer has just given a new one.
import { toldWord } from '../core/change-schemas.ts';
import { normalizeConsent } from '../lean/normalize-consent.ts';
import { wireConsentSchema } from '../lean/wire-consent.ts';
import { appendChanges } from '../store/change-store.ts';
import { findConsentOwner, upsertConsents } from '../store/consent-store.ts';
import { isRemoved, lockEntity } from '../store/entity-lock.ts';
import { requestSync } from '../store/sync-store.ts';
import {
  followSync,
  orderOf,
  processed,
  readPayload,
  type HandlerAnswer,
  type HandlerContext,
} from './event-handler.ts';

export async function onConsentUpdated(context: HandlerContext): Promise<HandlerAnswer> {
  const { database, transaction, event, envelope } = context;
  const consent = normalizeConsent({ wire: readPayload(wireConsentSchema, envelope), raw: '' });
  const { consentId, status, consentType } = consent;
  const owner = await findConsentOwner(transaction, consent);
  if (!event.ownershipProven && !owner.isKnown) {
    return { kind: 'concluded', conclusion: { state: 'ignored', failureCode: 'ENTITY_NOT_OURS' } };
  }
  const { entityId, customerId } = owner;
  // Before the consent's own row is locked, as everybody does it who has both.
  const locked = entityId === null ? null : await lockEntity(database, transaction, entityId);
  await upsertConsents(database, transaction, {
    entityId,
    customerId,
    consents: [consent],
    order: orderOf(context),
    source: 'event',
    keyRing: null,
  });
  await appendChanges(transaction, [
    {
      change: 'consent.updated',
      entityId,
      customerId,
      eventKey: event.eventKey,
      details: { consentId, status: toldWord(status), consentType: toldWord(consentType) },
    },
  ]);
  if (entityId === null || !owner.hasEntity || isRemoved(locked)) return processed();
  const requested = await requestSync(database, transaction, {
    entityId,
    customerId,
    reason: 'refresh',
    eventKey: event.eventKey,
    dataStatus: null,
    fullHistory: false,
    rereadEntity: true,
  });
  return processed(followSync(requested));
}
