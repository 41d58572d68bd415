// Events that were kept before their customer was erased and are about to be applied: they are concluded instead, and
// nothing of what they said is kept. Those that come in afterwards are dropped on arrival, by the store.
import { lockEntity } from '../store/entity-lock.ts';
import { findErased, readDigestInUse } from '../store/erasure-store.ts';
import { forgetContents } from '../store/event-store.ts';
import type { EventHandler } from './event-handler.ts';

export function unlessErased(handler: EventHandler): EventHandler {
  return async (context) => {
    const { database, transaction, event, envelope } = context;
    const { entityId, type } = envelope;
    const digest = await readDigestInUse(transaction);
    if (digest === null) return handler(context);
    // Before any row of `erasures`, which such an event may change: so does a sweep, which has all its entities by then.
    if (entityId !== null && type.startsWith('entity.')) await lockEntity(database, transaction, entityId);
    const facts = { ...envelope, occurredAtNs: envelope.timestamp?.ns ?? null };
    const erased = await findErased(transaction, { events: [facts], digest });
    if (erased.size === 0) return handler(context);
    await forgetContents(transaction, event.eventKey);
    return { kind: 'concluded', conclusion: { state: 'ignored', failureCode: 'CUSTOMER_ERASED' } };
  };
}
