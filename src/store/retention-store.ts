// Takes away what has been kept long enough, oldest first, a bounded number of rows at a time, by the database's clock.
// Never touches an event that is not concluded, nor a change that the publisher has not numbered.
import { sql, type RawBuilder } from 'kysely';
import { tryLock } from './advisory-lock.ts';
import type { Database } from './database.ts';

export interface KeepDays {
  /** Bodies of events that were processed or ignored. */
  readonly bodies: number;
  /** Bodies of quarantined and failed events. */
  readonly quarantine: number;
  /** Keys of events, counted from the later of their conclusion and their own date; and which batches were stored. */
  readonly eventKeys: number;
  /** Numbered changes; steps of syncs that have ended, results that have come, and requests that were concluded. */
  readonly changes: number;
}

export interface RetentionRound {
  readonly keepDays: KeepDays;
  /** Rows of one statement. */
  readonly limit: number;
}

export type RetentionKind =
  | 'bodies'
  | 'event_keys'
  | 'changes'
  | 'batches'
  | 'steps'
  | 'results'
  | 'requests';

export interface RetentionTask {
  readonly kind: RetentionKind;
  /** Rows it has emptied or deleted; fewer than the limit when nothing more is due; null: another worker is at it. */
  readonly run: () => Promise<number | null>;
}

/** One statement each, in its own transaction; the same one may be run until it does less than it may. */
export function retentionTasks(database: Database, round: RetentionRound): RetentionTask[] {
  const task = (kind: RetentionKind, statement: RawBuilder<unknown>): RetentionTask => ({
    kind,
    run: () =>
      database.transaction(async (transaction) => {
        if (!(await tryLock(database, transaction, 'retention'))) return null;
        const { numAffectedRows = 0n } = await statement.execute(transaction);
        return Number(numAffectedRows);
      }),
  });
  return retentionStatements(database, round).map(({ kind, statement }) => task(kind, statement));
}

interface RetentionStatement {
  readonly kind: RetentionKind;
  readonly statement: RawBuilder<unknown>;
}

/** For the tasks, and for whoever wants to see their plans. */
export function retentionStatements(
  database: Database,
  { keepDays, limit }: RetentionRound,
): RetentionStatement[] {
  const { bodies, quarantine, eventKeys, changes } = keepDays;
  return [
    ...(['processed', 'ignored'] as const).map((state) =>
      emptyBodies(database, { state, days: bodies, limit }),
    ),
    ...(['quarantined', 'failed'] as const).map((state) =>
      emptyBodies(database, { state, days: quarantine, limit }),
    ),
    { kind: 'event_keys', statement: forgetKeys(database, { days: eventKeys, limit }) },
    { kind: 'changes', statement: deleteChanges(database, { days: changes, limit }) },
    { kind: 'batches', statement: deleteBatches(database, { days: eventKeys, limit }) },
    { kind: 'steps', statement: deleteSteps(database, { days: changes, limit }) },
    { kind: 'results', statement: deleteResults(database, { days: changes, limit }) },
    { kind: 'requests', statement: deleteRequests(database, { days: changes, limit }) },
  ];
}

interface Due {
  readonly days: number;
  readonly limit: number;
}

const daysAgo = (days: number) => sql`now() - make_interval(days => ${days})`;

function emptyBodies(
  database: Database,
  { state, days, limit }: Due & { readonly state: 'processed' | 'ignored' | 'quarantined' | 'failed' },
): RetentionStatement {
  const events = database.table('webhook_events');
  const statement = sql`
    update ${events} set body = null, updated_at = now()
    where event_key = any (array(
      select event_key from ${events}
      where state = ${state} and concluded_at < ${daysAgo(days)} and concluded_at is not null and body is not null
      order by concluded_at limit ${limit} for update skip locked
    ))
  `;
  return { kind: 'bodies', statement };
}

/** Only once its body is gone: whoever keeps bodies longer than keys keeps the keys that long too. */
function forgetKeys(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const events = database.table('webhook_events');
  return sql`
    delete from ${events} where event_key = any (array(
      select event_key from ${events}
      where concluded_at < ${daysAgo(days)} and concluded_at is not null and body is null
        -- An event dated later than its key is kept would not be too old when it came again.
        and (occurred_at is null or occurred_at < ${daysAgo(days)})
      order by concluded_at limit ${limit} for update skip locked
    ))
  `;
}

/**
 * Positions rise with time, so the lowest ones are looked at, and no index on the time is needed. How far they are gone
 * is told in the same transaction: by that a reader knows that it was away for too long. Waits for nobody's row, as an
 * erasure may have one and wait for the publisher, who waits for ours.
 */
function deleteChanges(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const changes = database.table('changes');
  return sql`
    with lowest as materialized (
      select change_id, at from ${changes} where position is not null order by position limit ${limit}
    ), due as materialized (
      select change_id, position from ${changes}
      where change_id = any (array(select change_id from lowest where at < ${daysAgo(days)}))
      for update skip locked
    ), told as (
      update ${database.table('change_feed_state')}
      set forgotten_up_to = greatest(forgotten_up_to, (select max(position) from due)), updated_at = now()
      where only_row and exists (select from due)
    )
    delete from ${changes} where change_id = any (array(select change_id from due))
  `;
}

/** As long as keys: a receiver that was away as long may hand in the same batch again, which must not be counted twice. */
function deleteBatches(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const batches = database.table('intake_batches');
  return sql`
    delete from ${batches} where job_id = any (array(
      select job_id from ${batches} where stored_at < ${daysAgo(days)} order by stored_at limit ${limit}
    ))
  `;
}

/** A run under way looks back at its own steps, however long it takes. */
function deleteSteps(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const steps = database.table('sync_steps');
  return sql`
    delete from ${steps} where ctid = any (array(
      select step.ctid from ${steps} as step
      where step.state in ('done', 'failed', 'dropped') and step.updated_at < ${daysAgo(days)}
        and exists (
          select from ${database.table('sync_runs')} as run
          where run.sync_id = step.sync_id and run.state in ('done', 'failed')
        )
      order by step.updated_at limit ${limit}
    ))
  `;
}

function deleteResults(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const results = database.table('pending_results');
  return sql`
    delete from ${results} where results_id = any (array(
      select results_id from ${results}
      where resolved_at < ${daysAgo(days)} and resolved_at is not null
      order by resolved_at limit ${limit}
    ))
  `;
}

function deleteRequests(database: Database, { days, limit }: Due): RawBuilder<unknown> {
  const requests = database.table('requests');
  return sql`
    delete from ${requests} where request_id = any (array(
      select request_id from ${requests}
      where concluded_at < ${daysAgo(days)} and concluded_at is not null
      order by concluded_at limit ${limit}
    ))
  `;
}
