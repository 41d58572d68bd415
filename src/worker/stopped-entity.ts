// Lean says that nothing more can be had of an entity: its state changes, what waited for it ends, and the application
// learns what its user must do. Each time, since each may come with another way to reconnect.
import type { FailureCode } from '../core/failure-codes.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import { appendChanges } from '../store/change-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { lockEntity } from '../store/entity-lock.ts';
import { applyEntityFacts, type FactOrder } from '../store/entity-store.ts';
import { dropWaitingRun } from '../store/waiting-run-store.ts';

export interface StoppedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly failure: Pick<LeanFailure, 'code' | 'reconnectId'>;
  readonly order: FactOrder;
  readonly eventKey?: string | null;
  /** The run that was told so. */
  readonly syncId?: string;
}

/** Part of the caller's transaction. False where a later word has it otherwise: then there is nothing to tell, and what waits may well succeed. */
export async function stopEntity(
  database: Database,
  transaction: TablesTransaction,
  { entityId, customerId, failure, order, eventKey = null, syncId }: StoppedEntity,
): Promise<boolean> {
  const { code, reconnectId } = failure;
  await lockEntity(database, transaction, entityId);
  const state = stateOf(code);
  const { stateWritten } = await applyEntityFacts(database, transaction, {
    facts: { entityId, reconnectId, state: { state, reason: code } },
    order,
  });
  if (!stateWritten) return false;
  const details = { ...(syncId !== undefined && { syncId }), state, reason: code, reconnectId };
  await appendChanges(transaction, [
    { change: 'entity.action_required', entityId, customerId, eventKey, details },
  ]);
  await dropWaitingRun(transaction, { entityId, failureCode: code });
  return true;
}

/** An entity that Lean does not know any more has no customer who could act. */
function stateOf(code: FailureCode): 'ended' | 'action_required' {
  return code === 'LEAN_ENTITY_UNKNOWN' ? 'ended' : 'action_required';
}
