// An entity that its application has removed at Lean: it ends here too, with whatever was being fetched for it, and
// what Lean still tells of the time before does not bring it back.
import type { FailureCode } from '../core/failure-codes.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { isRemoved, lockEntity } from '../store/entity-lock.ts';
import {
  connectedSince,
  dropOpenRequests,
  readRemovalNs,
  type DroppedRequest,
} from '../store/removal-request-store.ts';
import { closeRunningRun, type ClosedRun } from '../store/sync-store.ts';
import type { EventHandler } from './event-handler.ts';
import { endEntity } from './stopped-entity.ts';

const reason = 'ENTITY_REMOVED';
/** Lean is asked about an event that nothing else proves within seconds, unless it does not answer. */
const againInMs = 30_000;
/** What alone says that an entity is there again. */
const connectingTypes: readonly string[] = ['entity.created', 'entity.reconnected'];

/** Around what handles events of entities. */
export function unlessRemoved(handler: EventHandler): EventHandler {
  return async (context) => {
    const { database, transaction, envelope } = context;
    const { entityId, type, timestamp } = envelope;
    if (entityId === null || !type.startsWith('entity.')) return handler(context);
    const known = await lockEntity(database, transaction, entityId);
    if (known === null || !isRemoved(known)) return handler(context);
    const stateNs = known.stateNs ?? 0n;
    const removedNs = (await readRemovalNs(transaction, entityId)) ?? stateNs;
    if (timestamp !== null && timestamp.ns > removedNs && connectingTypes.includes(type)) {
      // The end may be as of later news, which had to be outdone.
      return handler(timestamp.ns > stateNs ? context : { ...context, connectedNs: stateNs + 1n });
    }
    return { kind: 'concluded', conclusion: { state: 'ignored', failureCode: reason } };
  };
}

export interface RemovedEntity {
  readonly requestId: string;
  readonly entityId: string;
  readonly customerId: string | null;
  /** When the application said so, in nanoseconds since 1970. */
  readonly askedNs: bigint;
}

export interface Removal {
  /** Null: the entity has ended. */
  readonly failureCode: FailureCode | null;
  /** Nobody can say yet: to be tried again. */
  readonly againInMs?: number;
  /** The run that was under way, for its line after the commit. */
  readonly closed: ClosedRun | null;
  /** What else was asked for it, for their lines. */
  readonly dropped?: readonly DroppedRequest[];
}

/** Part of the caller's transaction, in which it takes the entity's lock. */
export async function removeEntity(
  database: Database,
  transaction: TablesTransaction,
  { requestId, entityId, customerId, askedNs }: RemovedEntity,
): Promise<Removal> {
  const known = await lockEntity(database, transaction, entityId);
  if (known === null) return { failureCode: 'LEAN_ENTITY_UNKNOWN', closed: null };
  const connected = { entityId, sinceNs: askedNs, types: connectingTypes };
  const answer = await connectedSince(transaction, connected);
  if (answer === 'undecided') return { failureCode: 'ENTITY_CONNECTED_SINCE', closed: null, againInMs };
  if (answer === 'yes') return { failureCode: 'ENTITY_CONNECTED_SINCE', closed: null };
  // Any other news dated after it is of an entity that was about to go, or of a clock that runs ahead of ours.
  const saidNs = known.stateNs ?? 0n;
  const ns = saidNs > askedNs ? saidNs + 1n : askedNs;
  const order = { ns, key: `request:${requestId}`, source: 'reply' } as const;
  await endEntity(database, transaction, { entityId, customerId, order, reason });
  const closed = await closeRunningRun(database, transaction, { entityId, failureCode: reason });
  const dropped = await dropOpenRequests(database, transaction, { entityId, failureCode: reason });
  return { failureCode: null, closed, dropped };
}
