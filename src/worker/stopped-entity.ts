// Nothing more can be had of an entity: its state changes, what waits for it ends, and the application learns it. What
// its customer must do is told each time, since each may come with another way to reconnect; its end is told once.
import type { FailureCode } from '../core/failure-codes.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import { appendChanges } from '../store/change-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { isRemoved, lockEntity } from '../store/entity-lock.ts';
import { applyEntityFacts, type FactOrder } from '../store/entity-store.ts';
import { isEntityErased } from '../store/erasure-store.ts';
import { readKnownEntities } from '../store/listed-entity-store.ts';
import { dropWaitingRun } from '../store/waiting-run-store.ts';

interface NamedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly order: FactOrder;
  /** The event that led to it. */
  readonly eventKey?: string | null;
  /** The run that was told so. */
  readonly syncId?: string;
}

export interface StoppedEntity extends NamedEntity {
  readonly failure: Pick<LeanFailure, 'code' | 'reconnectId'>;
}

export interface EndedEntity extends NamedEntity {
  readonly reason: FailureCode;
  readonly source?: 'sweep';
}

/**
 * Part of the caller's transaction, in which it takes the entity's lock. False where a later word has it otherwise: then
 * there is nothing to tell, and what waits may well succeed. So it is too where the entity was erased, or removed by its
 * application, while Lean was asked: what Lean says of the time since brings nothing of it back.
 */
export async function stopEntity(
  database: Database,
  transaction: TablesTransaction,
  { failure: { code, reconnectId }, ...entity }: StoppedEntity,
): Promise<boolean> {
  const known = await lockEntity(database, transaction, entity.entityId);
  if (isRemoved(known)) return false;
  if (known === null && (await isEntityErased(transaction, entity.entityId))) return false;
  // An entity that Lean does not know any more has no customer who could act.
  if (code === 'LEAN_ENTITY_UNKNOWN') return endEntity(database, transaction, { ...entity, reason: code });
  const { entityId, customerId, order, eventKey = null, syncId } = entity;
  const reconnectExpiresAt = reconnectId === null ? null : expiryOf(order);
  const state = { state: 'action_required', reason: code } as const;
  const { stateWritten } = await applyEntityFacts(database, transaction, {
    facts: { entityId, reconnectId, reconnectExpiresAt, state },
    order,
  });
  if (!stateWritten) return false;
  const details = { syncId, reason: code, reconnectId, reconnectExpiresAt };
  await appendChanges(transaction, [
    { change: 'entity.action_required', entityId, customerId, eventKey, details },
  ]);
  await dropWaitingRun(transaction, { entityId, failureCode: code });
  return true;
}

/**
 * The same of an entity that is no more, whoever says so: Lean, or the application whose customer has removed it. A
 * running sync goes on until Lean refuses it.
 */
export async function endEntity(
  database: Database,
  transaction: TablesTransaction,
  { entityId, customerId, order, reason, eventKey = null, syncId, source }: EndedEntity,
): Promise<boolean> {
  await lockEntity(database, transaction, entityId);
  const former = (await readKnownEntities(transaction, [entityId])).get(entityId);
  const { stateWritten } = await applyEntityFacts(database, transaction, {
    facts: { entityId, state: { state: 'ended', reason } },
    order,
  });
  if (!stateWritten) return false;
  if (former?.state !== 'ended') {
    const about = { entityId, customerId: customerId ?? former?.customerId ?? null, eventKey };
    const details = { syncId, source, reason };
    await appendChanges(transaction, [{ change: 'entity.ended', ...about, details }]);
  }
  await dropWaitingRun(transaction, { entityId, failureCode: reason });
  return true;
}

/** Lean's documentation, page "Handling reconnects": 30 days; an older page says 7. No reply says when. */
const reconnectLastsNs = 30n * 86_400_000_000_000n;

function expiryOf({ ns }: FactOrder): string | null {
  return ns === null ? null : new Date(Number((ns + reconnectLastsNs) / 1_000_000n)).toISOString();
}
