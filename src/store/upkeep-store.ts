// How far behind the work is that nobody waits for: calls that are due, syncs, the feed, sweeps. For the metrics; each
// answer comes from an index, and a count stops at its limit.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { sweepNames, type SweepName } from './sweep-store.ts';

export interface Upkeep {
  /** Since the step that waits longest was due; 0 when none is. */
  readonly oldestDueStepSeconds: number;
  /** Since the active entity longest without a finished sync had one, or appeared; 0 without any. */
  readonly oldestSyncSeconds: number;
  /** Entities whose customer must act; at most the limit. */
  readonly actionRequired: number;
  /** Since the change was written that waits longest for its position; 0 when none waits. */
  readonly oldestUnpublishedSeconds: number;
  readonly sweeps: readonly SweepUpkeep[];
}

interface SweepUpkeep {
  readonly sweep: SweepName;
  readonly failuresInARow: number;
  /** null: never yet. */
  readonly finishedSeconds: number | null;
}

/** Throws what the database throws. */
export async function measureUpkeep(database: Database, { limit }: { limit: number }): Promise<Upkeep> {
  const steps = database.table('sync_steps');
  const entities = database.table('entities');
  const changes = database.table('changes');
  const { rows } = await sql<{ step: number; sync: number; waiting: number; change: number }>`
    select
      coalesce((
        select extract(epoch from now() - due_at) from ${steps}
        where state in ('open', 'pending') order by due_at limit 1
      ), 0)::float8 as step,
      coalesce((
        select extract(epoch from now() - coalesce(synced_at, created_at)) from ${entities}
        where state = 'active' order by coalesce(synced_at, created_at) limit 1
      ), 0)::float8 as sync,
      (select count(*)::integer from (
        select 1 from ${entities} where state = 'action_required' limit ${limit}
      ) as counted) as waiting,
      coalesce((
        select extract(epoch from now() - created_at) from ${changes}
        where position is null order by change_id limit 1
      ), 0)::float8 as change
  `.execute(database.db);
  const { step = 0, sync = 0, waiting = 0, change = 0 } = rows[0] ?? {};
  return {
    oldestDueStepSeconds: Math.max(0, step),
    oldestSyncSeconds: Math.max(0, sync),
    actionRequired: waiting,
    oldestUnpublishedSeconds: Math.max(0, change),
    sweeps: await measureSweeps(database),
  };
}

async function measureSweeps(database: Database): Promise<SweepUpkeep[]> {
  const rows = await database.db
    .selectFrom('sweep_progress')
    .select(['sweep', 'failures_in_a_row'])
    .select(sql<number | null>`extract(epoch from now() - finished_at)::float8`.as('finished'))
    .execute();
  return sweepNames.flatMap((sweep) => {
    const row = rows.find((candidate) => candidate.sweep === sweep);
    if (row === undefined) return [];
    const { failures_in_a_row: failuresInARow, finished } = row;
    return [{ sweep, failuresInARow, finishedSeconds: finished }];
  });
}
