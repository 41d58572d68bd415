// The steps of running syncs that wait because their bank may not be asked: due at once when it is back.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { stepJob, type StepJob } from './sync-step-store.ts';

/** Steps woken at once; those beyond come back by themselves within minutes. */
const wakeLimit = 500;

interface WokenRow {
  readonly sync_id: string;
  readonly step_key: string;
  readonly attempts: number;
  readonly priority: number;
}

/**
 * Part of the caller's transaction; gives the jobs for after the commit. They count as another attempt: under the id
 * of this one a delayed job may wait, and would swallow the new one. Steps that wait for results keep waiting.
 */
export async function wakeBankSteps(
  database: Database,
  transaction: Executor,
  bankIdentifier: string,
): Promise<StepJob[]> {
  const { rows } = await sql<WokenRow>`
    with waiting as (
      select step.sync_id, step.step_key from ${database.table('sync_steps')} as step
      join ${database.table('sync_runs')} as run on run.sync_id = step.sync_id
      join ${database.table('entities')} as entity on entity.entity_id = run.entity_id
      where run.state = 'running' and step.state = 'open' and entity.bank_identifier = ${bankIdentifier}
      order by step.sync_id, step.step_key limit ${wakeLimit} for update of step skip locked
    )
    update ${database.table('sync_steps')} as step
    set due_at = least(step.due_at, now()), attempts = step.attempts + 1, updated_at = now()
    from waiting where step.sync_id = waiting.sync_id and step.step_key = waiting.step_key
    returning step.sync_id, step.step_key, step.attempts, step.priority
  `.execute(transaction);
  return rows.map(({ sync_id: syncId, step_key: stepKey, attempts, priority }) =>
    stepJob({ syncId, stepKey, attempts, priority, delayMs: 0 }),
  );
}
