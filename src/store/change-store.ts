// The change feed: rows written together with what they tell of, numbered after commit. A position, once given,
// never changes, is never given again and never comes before one that a reader has already seen. Never a customer's data in `details`.
import { sql } from 'kysely';
import { checkedVersion, type ChangeName, type DetailsOf } from '../core/change-schemas.ts';
import { tryLock } from './advisory-lock.ts';
import type { Database, Executor } from './database.ts';
import { gathered } from './gathered.ts';

interface ChangeOf<Name extends ChangeName> {
  readonly change: Name;
  readonly entityId: string | null;
  readonly customerId: string | null;
  readonly accountId?: string | null;
  /** The event that led to it. */
  readonly eventKey?: string | null;
  /** Ids, codes and counts only: the application reads the rows themselves. */
  readonly details: Readonly<DetailsOf<Name>>;
}

export type NewChange = { [Name in ChangeName]: ChangeOf<Name> }[ChangeName];

/** Bound on one statement's parameters, far below Postgres' 65,535. */
const changesPerStatement = 1_000;

/**
 * Adds changes, in the caller's transaction, in the order given. Throws CHANGE_INVALID, before anything is written, when
 * the details of one are not as its schema has them.
 */
export async function appendChanges(executor: Executor, changes: readonly NewChange[]): Promise<void> {
  // Each caller's own are looked at before any others are written with them.
  const rows = changes.map(toRow);
  if (rows.length > 0) await insertTogether(executor, rows);
}

const insertTogether = gathered(async (executor: Executor, all: readonly (readonly ChangeRow[])[]) => {
  const rows = all.flat();
  for (let from = 0; from < rows.length; from += changesPerStatement) {
    const chunk = rows.slice(from, from + changesPerStatement);
    await executor.insertInto('changes').values(chunk).execute();
  }
  return all.map(() => undefined);
});

type ChangeRow = ReturnType<typeof toRow>;

function toRow({ change, entityId, customerId, accountId = null, eventKey = null, details }: NewChange) {
  return {
    change,
    version: checkedVersion(change, details),
    entity_id: entityId,
    customer_id: customerId,
    account_id: accountId,
    event_key: eventKey,
    details: JSON.stringify(details),
  };
}

export interface PublishOptions {
  /** At most this many changes in one transaction. */
  readonly limit: number;
}

/**
 * Numbers committed changes and wakes the readers with one NOTIFY on `lean_changes` (payload: the schema).
 * Returns how many were numbered; 0 when there were none or another publisher is at it.
 */
export async function publishChanges(database: Database, { limit }: PublishOptions): Promise<number> {
  if (!(await anythingPending(database))) return 0;
  return database.transaction(async (transaction) => {
    // Its own statement: the numbering below must take its snapshot after the previous publisher has committed.
    if (!(await tryLock(database, transaction, 'publish'))) return 0;
    const { rows } = await sql<{ numbered: number }>`
      with pending as (
        select change_id, row_number() over (order by change_id) as place
        from (
          select change_id from ${database.table('changes')}
          where position is null order by change_id limit ${limit}
        ) as next_changes
      ), feed as (
        select last_position from ${database.table('change_feed_state')}
      ), numbered as (
        update ${database.table('changes')} as change
        set position = feed.last_position + pending.place, updated_at = now()
        from pending, feed
        where change.change_id = pending.change_id
        returning change.position
      ), moved as (
        update ${database.table('change_feed_state')}
        set last_position = (select max(position) from numbered), updated_at = now()
        where exists (select from numbered)
        returning last_position
      )
      select count(*)::int as numbered from numbered
    `.execute(transaction);
    const count = rows[0]?.numbered ?? 0;
    if (count > 0) await sql`select pg_notify('lean_changes', ${database.schema})`.execute(transaction);
    return count;
  });
}

async function anythingPending(database: Database): Promise<boolean> {
  const { rows } = await sql<{ pending: boolean }>`
    select exists (select from ${database.table('changes')} where position is null) as pending
  `.execute(database.db);
  return rows[0]?.pending === true;
}
