// Everything that is open in running syncs, a page at a time, for the reconciler: no backlog is too long to get its
// jobs back in one round.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { stepJob, type StepJob } from './sync-step-store.ts';

/** Where the next page begins. */
export interface OpenStepsCursor {
  readonly dueAt: string;
  readonly syncId: string;
  readonly stepKey: string;
}

export interface OpenStepsPage {
  readonly jobs: readonly StepJob[];
  /** Null after the last page. */
  readonly next: OpenStepsCursor | null;
}

export interface OpenStepsOptions {
  /** Only steps that have been due for at least this long; those that wait for results as soon as they are due. */
  readonly olderThanMs: number;
  readonly limit: number;
  readonly after: OpenStepsCursor | null;
}

interface OpenStepRow {
  readonly sync_id: string;
  readonly step_key: string;
  readonly priority: number;
  readonly attempts: number;
  readonly due_at: string;
  readonly delay_ms: string;
}

/** Longest due first. */
export async function openStepsPage(
  database: Database,
  executor: Executor,
  { olderThanMs, limit, after }: OpenStepsOptions,
): Promise<OpenStepsPage> {
  const beyond =
    after === null
      ? sql`true`
      : sql`(step.due_at, step.sync_id, step.step_key)
          > (${after.dueAt}::timestamptz, ${after.syncId}, ${after.stepKey})`;
  const { rows } = await sql<OpenStepRow>`
    select step.sync_id, step.step_key, step.priority, step.attempts, step.due_at::text as due_at,
      greatest(0, ceil(extract(epoch from step.due_at - now()) * 1000))::text as delay_ms
    from ${database.table('sync_steps')} as step
    join ${database.table('sync_runs')} as run on run.sync_id = step.sync_id
    where run.state = 'running' and ${beyond} and (
      (step.state = 'open' and step.due_at <= now() - make_interval(secs => ${olderThanMs / 1000}))
      or (step.state = 'pending' and step.due_at <= now())
    )
    order by step.due_at, step.sync_id, step.step_key
    limit ${limit}
  `.execute(executor);
  const last = rows.at(-1);
  return {
    jobs: rows.map(({ sync_id: syncId, step_key: stepKey, priority, attempts, delay_ms: delayMs }) =>
      stepJob({ syncId, stepKey, attempts, priority, delayMs: Number(delayMs) }),
    ),
    next:
      last === undefined || rows.length < limit
        ? null
        : { dueAt: last.due_at, syncId: last.sync_id, stepKey: last.step_key },
  };
}
