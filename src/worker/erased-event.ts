// Events that were kept before their customer was erased and are about to be applied: they are concluded instead, and
// nothing of what they said is kept. Those that come in afterwards are dropped on arrival, by the store.
import { findErased, readDigestInUse } from '../store/erasure-store.ts';
import { forgetContents } from '../store/event-store.ts';
import type { EventHandler } from './event-handler.ts';

export function unlessErased(handler: EventHandler): EventHandler {
  return async (context) => {
    const { transaction, event, envelope } = context;
    const digest = await readDigestInUse(transaction);
    if (digest === null) return handler(context);
    const facts = { ...envelope, occurredAtNs: envelope.timestamp?.ns ?? null };
    const erased = await findErased(transaction, { events: [facts], digest });
    if (erased.size === 0) return handler(context);
    await forgetContents(transaction, event.eventKey);
    return { kind: 'concluded', conclusion: { state: 'ignored', failureCode: 'CUSTOMER_ERASED' } };
  };
}
