// Results that Lean has promised. Our question and Lean's `results.ready` may be recorded in either order; the second
// one makes the pair. No lock on a row here is held while waiting for an entity's lock.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { lockEntity } from './entity-lock.ts';
import type { StepKind } from './sync-priority.ts';
import type { StepId } from './sync-step-store.ts';

export interface AskedResults extends StepId {
  readonly resultsId: string;
  readonly entityId: string;
  readonly customerId: string | null;
  readonly accountId: string | null;
  readonly kind: StepKind;
  readonly askedAt: Date;
  /** When it is asked for even if nothing came. */
  readonly dueAt: Date;
}

/** Records that a step waits; the caller holds the entity's lock. `isReady`: Lean's word had come before. */
export async function recordAsked(
  transaction: Executor,
  asked: AskedResults,
): Promise<{ isReady: boolean; polls: number }> {
  const { resultsId, entityId, customerId, accountId, kind, syncId, stepKey } = asked;
  const row = await transaction
    .insertInto('pending_results')
    .values({
      results_id: resultsId,
      entity_id: entityId,
      customer_id: customerId,
      account_id: accountId,
      kind,
      sync_id: syncId,
      step_key: stepKey,
      event_key: null,
      asked_at: asked.askedAt.toISOString(),
      due_at: asked.dueAt.toISOString(),
    })
    .onConflict((conflict) =>
      conflict.column('results_id').doUpdateSet((excluded) => ({
        entity_id: excluded.ref('excluded.entity_id'),
        customer_id: excluded.ref('excluded.customer_id'),
        account_id: excluded.ref('excluded.account_id'),
        kind: excluded.ref('excluded.kind'),
        sync_id: excluded.ref('excluded.sync_id'),
        step_key: excluded.ref('excluded.step_key'),
        asked_at: sql`coalesce(pending_results.asked_at, ${excluded.ref('excluded.asked_at')})`,
        due_at: excluded.ref('excluded.due_at'),
        polls: sql`pending_results.polls + 1`,
        updated_at: sql`now()`,
      })),
    )
    .returning(['ready_at', 'polls'])
    .executeTakeFirstOrThrow();
  return { isReady: row.ready_at !== null, polls: row.polls };
}

/** Whether any of our steps waits, or has waited, for these results: nobody else's id is known to us. */
export async function haveAskedFor(executor: Executor, resultsId: string): Promise<boolean> {
  const row = await executor
    .selectFrom('pending_results')
    .select('results_id')
    .where('results_id', '=', resultsId)
    .where('asked_at', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}

export interface ReadyResults {
  readonly resultsId: string;
  readonly eventKey: string;
  /** When Lean said so. ISO 8601. */
  readonly at: string;
}

/**
 * Records `results.ready`; part of the caller's transaction. `paired`: a step waited for it and is due now: after the
 * commit add `openStepJobs({ resultsId })` to the queue. `waiting`: nobody has asked yet.
 */
export async function markResultsReady(
  database: Database,
  transaction: Executor,
  { resultsId, eventKey, at }: ReadyResults,
): Promise<'paired' | 'waiting'> {
  const inserted = await transaction
    .insertInto('pending_results')
    .values({
      results_id: resultsId,
      entity_id: null,
      customer_id: null,
      account_id: null,
      kind: null,
      sync_id: null,
      step_key: null,
      event_key: eventKey,
      ready_at: at,
    })
    .onConflict((conflict) => conflict.column('results_id').doNothing())
    .returning('results_id')
    .executeTakeFirst();
  if (inserted !== undefined) return 'waiting';
  const known = await transaction
    .selectFrom('pending_results')
    .select('entity_id')
    .where('results_id', '=', resultsId)
    .executeTakeFirstOrThrow();
  if (known.entity_id !== null) await lockEntity(database, transaction, known.entity_id);
  const row = await transaction
    .updateTable('pending_results')
    .set({
      event_key: eventKey,
      ready_at: sql`coalesce(ready_at, ${at}::timestamptz)`,
      due_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where('results_id', '=', resultsId)
    .returning(['sync_id', 'step_key'])
    .executeTakeFirstOrThrow();
  if (row.sync_id === null || row.step_key === null) return 'waiting';
  await transaction
    .updateTable('sync_steps')
    // Another attempt: under the id of this one a job waits for the next poll and would swallow the new job.
    .set({ due_at: sql`now()`, attempts: sql`attempts + 1`, updated_at: sql`now()` })
    .where('sync_id', '=', row.sync_id)
    .where('step_key', '=', row.step_key)
    .where('results_id', '=', resultsId)
    .where('state', '=', 'pending')
    .execute();
  return 'paired';
}

/** The promised results are here, or nobody waits for them any more. */
export async function resolveResults(transaction: Executor, resultsId: string): Promise<void> {
  await transaction
    .updateTable('pending_results')
    .set({ resolved_at: sql<string>`now()`, due_at: null, updated_at: sql`now()` })
    .where('results_id', '=', resultsId)
    .execute();
}
