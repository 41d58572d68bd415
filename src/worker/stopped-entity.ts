// Lean says, outside of a sync, that nothing more can be had of an entity: its state changes, what waited for it ends,
// and the application learns what its user must do.
import type { FailureCode } from '../core/failure-codes.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import { appendChanges } from '../store/change-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { lockEntity } from '../store/entity-lock.ts';
import { applyEntityFacts } from '../store/entity-store.ts';
import { dropWaitingRun } from '../store/waiting-run-store.ts';

export interface StoppedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly failure: Pick<LeanFailure, 'code' | 'reconnectId' | 'at'>;
  readonly now: Date;
  /** Of the job that asked; the same at every repeat. */
  readonly orderKey: string;
}

/** Part of the caller's transaction. False where a later word has it otherwise. */
export async function stopEntity(
  database: Database,
  transaction: TablesTransaction,
  { entityId, customerId, failure, now, orderKey }: StoppedEntity,
): Promise<boolean> {
  const { code, reconnectId, at } = failure;
  await lockEntity(database, transaction, entityId);
  const state = stateOf(code);
  const { stateWritten } = await applyEntityFacts(database, transaction, {
    facts: { entityId, reconnectId, state: { state, reason: code } },
    order: { ns: at?.ns ?? BigInt(now.getTime()) * 1_000_000n, key: `reply:${orderKey}`, source: 'reply' },
  });
  if (!stateWritten) return false;
  await appendChanges(transaction, [
    {
      change: 'entity.action_required',
      entityId,
      customerId,
      details: { state, reason: code, reconnectId },
    },
  ]);
  await dropWaitingRun(transaction, { entityId, failureCode: code });
  return true;
}

/** An entity that Lean does not know any more has no customer who could act. */
function stateOf(code: FailureCode): 'ended' | 'action_required' {
  return code === 'LEAN_ENTITY_UNKNOWN' ? 'ended' : 'action_required';
}
