// The change feed: rows written together with what they tell of, numbered after commit. A position, once given,
// never changes and never comes before one that a reader has already seen. Never a customer's data in `details`.
import { sql } from 'kysely';
import { tryLock } from './advisory-lock.ts';
import type { Database, Executor } from './database.ts';

export type ChangeName =
  | 'entity.connected'
  | 'entity.action_required'
  | 'consent.updated'
  | 'consent.expiring'
  | 'bank.updated'
  | 'account.updated'
  | 'balances.updated'
  | 'transactions.updated'
  | 'identities.updated'
  | 'beneficiaries.updated'
  | 'direct_debits.updated'
  | 'standing_orders.updated'
  | 'scheduled_payments.updated'
  | 'sync.completed'
  | 'sync.failed'
  | 'event.recorded';

export interface NewChange {
  readonly change: ChangeName;
  readonly entityId: string | null;
  readonly customerId: string | null;
  readonly accountId?: string | null;
  /** The event that led to it. */
  readonly eventKey?: string | null;
  /** Ids, codes and counts only: the application reads the rows themselves. */
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
}

/** Bound on one statement's parameters, far below Postgres' 65,535. */
const changesPerStatement = 1_000;

/** Adds changes, in the caller's transaction, in the order given. */
export async function appendChanges(executor: Executor, changes: readonly NewChange[]): Promise<void> {
  for (let from = 0; from < changes.length; from += changesPerStatement) {
    const rows = changes.slice(from, from + changesPerStatement).map((change) => ({
      change: change.change,
      entity_id: change.entityId,
      customer_id: change.customerId,
      account_id: change.accountId ?? null,
      event_key: change.eventKey ?? null,
      details: JSON.stringify(change.details),
    }));
    await executor.insertInto('changes').values(rows).execute();
  }
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
