// Every type of event that Lean is known to send, and what is done with it: the one table. A type that is not here is
// treated as those that are recorded: kept, marked and announced in the change feed, and nothing else.
import type { EventHandler } from './event-handler.ts';
import { onBankAvailability } from './event-handlers-bank.ts';
import { onConsentUpdated } from './event-handlers-consent.ts';
import { onEntityCreated, onEntityReconnected, onEntityUpdated } from './event-handlers-entity.ts';
import { onRefreshUpdated } from './event-handlers-refresh.ts';
import { onResultsReady } from './event-handlers-results.ts';

/** Only bank data is handled; payments are another system's business. */
export const eventTypes: ReadonlyMap<string, EventHandler | 'recorded'> = new Map<
  string,
  EventHandler | 'recorded'
>([
  ['entity.created', onEntityCreated],
  ['entity.updated', onEntityUpdated],
  ['entity.reconnected', onEntityReconnected],
  ['entity.data.refresh.updated', onRefreshUpdated],
  ['results.ready', onResultsReady],
  ['bank.availability.updated', onBankAvailability],
  ['consent.status.updated', onConsentUpdated],
  ['payment.created', 'recorded'],
  ['payment.updated', 'recorded'],
  ['payment.transaction', 'recorded'],
  ['payment.reconciliation.updated', 'recorded'],
  ['payment_intent.created', 'recorded'],
  ['payment_intent.expired', 'recorded'],
  ['bulk_payment_intent.created', 'recorded'],
  ['bulk_payment_intent.updated', 'recorded'],
  ['payment_source.created', 'recorded'],
  ['payment_source.updated', 'recorded'],
  ['payment_source.beneficiary.created', 'recorded'],
  ['payment_source.beneficiary.updated', 'recorded'],
  ['transaction.account', 'recorded'],
  ['transaction.account.post_process', 'recorded'],
  // Named by third parties only.
  ['bank.availability.new', 'recorded'],
  ['consent.authorised', 'recorded'],
  ['payment.account-on-file.updated', 'recorded'],
]);

export function handlerFor(type: string): EventHandler | null {
  const done = eventTypes.get(type);
  return done === undefined || done === 'recorded' ? null : done;
}

export function isHandled(type: string): boolean {
  return handlerFor(type) !== null;
}
