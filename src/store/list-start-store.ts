// From which day on an account's transactions have to be read again, so that nothing is missed: what an earlier sync
// has read to the end is settled, but for the last days of it and for what the bank had not settled itself.
import { sql } from 'kysely';
import { readInstant } from '../core/local-date.ts';
import type { Database, Executor } from './database.ts';

/**
 * How far back of what is known a list begins: banks book late, Lean's days are UTC while a booking day is local, and
 * Lean does not say whether its bounds are included.
 */
export const overlapDays = 10;

const dayMs = 86_400_000;

interface AccountsOfEntity {
  readonly entityId: string;
  readonly accountIds: readonly string[];
}

interface KnownRow {
  readonly account_id: string;
  /** Of the last sync that has read the list to its end. */
  readonly started_at: Date;
  /** In Lean's spelling. */
  readonly refreshed_at: string | null;
  /** Since then a customer has connected anew, or has changed what may be read. */
  readonly is_connected_anew: boolean;
  readonly newest_day: string | null;
  /** First day of what may still change or vanish. */
  readonly unsettled_day: string | null;
  /** Only a complete list surely holds what has no day. */
  readonly has_unsettled_without_day: boolean;
}

/** UTC days by account id; an account that is not in it is read from the beginning. */
export async function findListStarts(
  database: Database,
  transaction: Executor,
  { entityId, accountIds }: AccountsOfEntity,
): Promise<ReadonlyMap<string, string>> {
  if (accountIds.length === 0) return new Map();
  const { rows } = await sql<KnownRow>`
    with read as (
      select distinct on (step.account_id) step.account_id, run.started_at, step.expected_refreshed_at as refreshed_at
      from ${database.table('sync_runs')} as run
      join ${database.table('sync_steps')} as step on step.sync_id = run.sync_id
      where run.entity_id = ${entityId} and run.state = 'done' and (run.full_history or run.window_to is null)
        and step.kind = 'transactions' and step.state = 'done'
        and step.account_id = any (${[...accountIds]}::text[])
        and not exists (
          select from ${database.table('sync_steps')} as flawed
          where flawed.sync_id = run.sync_id and flawed.kind = 'transactions'
            and flawed.account_id = step.account_id and flawed.failure_code is not null
        )
      order by step.account_id, run.started_at desc, step.pass desc, step.page desc
    ), stored as (
      select account_id, max(booking_date) as newest_day,
        min(booking_date) filter (where status = 'PENDING' or mutability = 'MUTABLE') as unsettled_day,
        bool_or(status = 'PENDING' and booking_date is null) as has_unsettled_without_day
      from ${database.table('transactions')}
      where entity_id = ${entityId} and account_id = any (${[...accountIds]}::text[]) and superseded_at is null
      group by account_id
    )
    select read.account_id, read.started_at, read.refreshed_at, stored.newest_day, stored.unsettled_day,
      coalesce(stored.has_unsettled_without_day, false) as has_unsettled_without_day,
      coalesce(entity.state_event_ns > extract(epoch from read.started_at) * 1000000000, false) as is_connected_anew
    from read
    left join stored on stored.account_id = read.account_id
    left join ${database.table('entities')} as entity on entity.entity_id = ${entityId}
  `.execute(transaction);
  return new Map(
    rows.flatMap((row) => {
      const day = startOf(row);
      return day === null ? [] : [[row.account_id, day] as const];
    }),
  );
}

function startOf(row: KnownRow): string | null {
  if (row.is_connected_anew || row.has_unsettled_without_day || row.newest_day === null) return null;
  // Lean's list is of that time; a booking day in the future says nothing about how far it was read.
  const listAt = readInstant(row.refreshed_at)?.at ?? row.started_at.toISOString();
  const days = [row.newest_day, listAt.slice(0, 10), row.started_at.toISOString().slice(0, 10)];
  if (row.unsettled_day !== null) days.push(row.unsettled_day);
  const [earliest = ''] = days.toSorted();
  return new Date(Date.parse(`${earliest}T00:00:00Z`) - overlapDays * dayMs).toISOString().slice(0, 10);
}
