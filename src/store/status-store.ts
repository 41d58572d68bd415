// What was concluded lately and what failed, for the status page. Every count stops at its limit and goes by an index,
// so that asking costs the same on a sick day as on a good one. Reads codes, states and times; no id and no body.
import { sql, type RawBuilder } from 'kysely';
import type { Database } from './database.ts';

/** Of events: processed, ignored, quarantined, failed; of syncs: done, failed. */
export interface ConcludedCount {
  readonly what: 'events' | 'syncs';
  readonly state: string;
  readonly slotStartsAt: Date;
  readonly count: number;
}

export interface ConcludedOptions {
  readonly slotSeconds: number;
  /** The one under way among them. */
  readonly slots: number;
  /** Of one kind and state: the latest so many are counted. */
  readonly limit: number;
}

/** Slots in which nothing was concluded are left out. By the database's clock. */
export async function countConcluded(
  database: Database,
  options: ConcludedOptions,
): Promise<ConcludedCount[]> {
  const { rows } = await concludedStatement(database, options).execute(database.db);
  return rows;
}

export function concludedStatement(
  database: Database,
  { slotSeconds, slots, limit }: ConcludedOptions,
): RawBuilder<ConcludedCount> {
  const events = database.table('webhook_events');
  const runs = database.table('sync_runs');
  return sql<ConcludedCount>`
    with since as (
      select to_timestamp((floor(extract(epoch from now()) / ${slotSeconds}::integer) - ${slots - 1}::integer)
        * ${slotSeconds}::integer) as at
    ), concluded as (
      (select 'events' as what, state, concluded_at as at from ${events}
        where body is null and concluded_at is not null and concluded_at >= (select at from since)
        order by concluded_at desc limit ${limit})
      union all
      (select 'events', latest.state, latest.concluded_at
        from unnest(array['processed', 'ignored', 'quarantined', 'failed']) as states (state), lateral (
          select state, concluded_at from ${events}
          where state = states.state and body is not null and concluded_at is not null
            and concluded_at >= (select at from since)
          order by concluded_at desc limit ${limit}
        ) as latest)
      union all
      (select 'syncs', state, finished_at from ${runs}
        where finished_at is not null and finished_at >= (select at from since)
        order by finished_at desc limit ${limit})
    )
    select what, state, count(*)::integer as count,
      to_timestamp(floor(extract(epoch from at) / ${slotSeconds}::integer) * ${slotSeconds}::integer) as "slotStartsAt"
    from concluded group by what, state, "slotStartsAt"
  `;
}

export interface FailureCount {
  readonly what: 'event quarantined' | 'event failed' | 'sync failed';
  readonly code: string;
  readonly count: number;
}

/** Events that came in the last day and stand in quarantine, syncs that failed in it; the most frequent first. */
export async function countFailures(
  database: Database,
  options: { readonly limit: number },
): Promise<FailureCount[]> {
  const { rows } = await failuresStatement(database, options).execute(database.db);
  return rows;
}

export function failuresStatement(
  database: Database,
  { limit }: { readonly limit: number },
): RawBuilder<FailureCount> {
  const events = database.table('webhook_events');
  const runs = database.table('sync_runs');
  return sql<FailureCount>`
    with failures as (
      (select 'event ' || latest.state as what, latest.failure_code
        from unnest(array['quarantined', 'failed']) as states (state), lateral (
          select state, failure_code from ${events}
          where state = states.state and state in ('quarantined', 'failed')
            and received_at >= now() - interval '24 hours'
          order by received_at desc limit ${limit}
        ) as latest)
      union all
      (select 'sync failed', failure_code from ${runs}
        where state = 'failed' and finished_at >= now() - interval '24 hours'
        order by finished_at desc limit ${limit})
    )
    select what, coalesce(failure_code, 'without a code') as code, count(*)::integer as count
    from failures group by 1, 2 order by 3 desc, 2, 1
  `;
}

/** Null before the database was stamped. */
export async function readInstallationId(database: Database): Promise<string | null> {
  const row = await database.db.selectFrom('installation').select('installation_id').executeTakeFirst();
  return row?.installation_id ?? null;
}
