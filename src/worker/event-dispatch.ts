// Every type of event that Lean is known to send, and what is done with it: the one table. A type that is not here is
// treated as those that are recorded: kept, marked and announced in the change feed, and nothing else.
import type { ReadableEnvelope } from '../lean/webhook-envelope.ts';
import type { EventHandler } from './event-handler.ts';
import { onBankAvailability } from './event-handlers-bank.ts';
import { onConsentUpdated } from './event-handlers-consent.ts';
import {
  isOnlyKept,
  onEntityCreated,
  onEntityReconnected,
  onEntityUpdated,
} from './event-handlers-entity.ts';
import { isUnderWay, onRefreshUpdated } from './event-handlers-refresh.ts';
import { onResultsReady } from './event-handlers-results.ts';

export interface EventType {
  /** Null: recorded. */
  readonly handler: EventHandler | null;
  /**
   * Whether several may share a transaction: it writes what belongs to its entity alone, without savepoints, and every
   * statement of it is one that answers several at once. With others, one after the other, it would be slower together.
   */
  readonly isShareable?: (envelope: ReadableEnvelope, apiVersion: 'v1' | 'v2') => boolean;
  /** What the service does with it, for the table of docs/lean-events-and-errors.md. */
  readonly does: string;
}

const recorded: EventType = {
  handler: null,
  does: 'Kept, marked `ignored`, and announced by its type (`event.recorded`). Nothing is fetched.',
};

/** Only bank data is handled; payments are another system's business. */
export const eventTypes: ReadonlyMap<string, EventType> = new Map<string, EventType>([
  [
    'entity.created',
    {
      handler: onEntityCreated,
      isShareable: isOnlyKept,
      does: 'The entity is kept and announced (`entity.connected`). Its data is fetched when its first refresh has finished; in the v1 dialect at once.',
    },
  ],
  [
    'entity.updated',
    {
      handler: onEntityUpdated,
      does: 'Bank and permissions are taken over and the entity is active again; Lean is asked for it, its consents and its data. With no permission left it is `action_required`: its syncs stop and `entity.action_required` says so.',
    },
  ],
  [
    'entity.reconnected',
    {
      handler: onEntityReconnected,
      does: 'The entity is active again (`entity.connected`), and it and its data are read again.',
    },
  ],
  [
    'entity.data.refresh.updated',
    {
      handler: onRefreshUpdated,
      isShareable: isUnderWay,
      does: 'With `FINISHED` or `OK` a sync fetches what the refresh says is there; the first one of an entity reads its whole history, and once a day the entity and its consents are read too. Any other status writes down only that the entity lives.',
    },
  ],
  [
    'results.ready',
    {
      handler: onResultsReady,
      does: 'The answer that Lean had promised under this id is fetched. An id nobody here asked for stays open for an hour and is then `ignored`, `RESULTS_UNKNOWN`.',
    },
  ],
  [
    'bank.availability.updated',
    {
      handler: onBankAvailability,
      does: 'Syncs of that bank pause, or go on at once when it is back; `bank.updated` says so. Other banks are not held up.',
    },
  ],
  [
    'consent.status.updated',
    {
      handler: onConsentUpdated,
      does: 'The consent is kept (`consent.updated`) and its entity is read again: what follows for the entity is Lean’s to say.',
    },
  ],
  ['payment.created', recorded],
  ['payment.updated', recorded],
  ['payment.transaction', recorded],
  ['payment.reconciliation.updated', recorded],
  ['payment_intent.created', recorded],
  ['payment_intent.expired', recorded],
  ['bulk_payment_intent.created', recorded],
  ['bulk_payment_intent.updated', recorded],
  ['payment_source.created', recorded],
  ['payment_source.updated', recorded],
  ['payment_source.beneficiary.created', recorded],
  ['payment_source.beneficiary.updated', recorded],
  ['transaction.account', recorded],
  ['transaction.account.post_process', recorded],
  // Named by third parties only.
  ['bank.availability.new', recorded],
  ['consent.authorised', recorded],
  ['payment.account-on-file.updated', recorded],
]);

export function handlerFor(type: string): EventHandler | null {
  return eventTypes.get(type)?.handler ?? null;
}

export function isShareable(envelope: ReadableEnvelope, apiVersion: 'v1' | 'v2'): boolean {
  return eventTypes.get(envelope.type)?.isShareable?.(envelope, apiVersion) === true;
}

export function isHandled(type: string): boolean {
  return handlerFor(type) !== null;
}
