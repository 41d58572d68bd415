// When each entity's data was last heard to be refreshed, and which entities have been silent for too long.
import { sql } from 'kysely';
import type { Instant } from '../core/instant.ts';
import { bankMayBeAsked } from './bank-store.ts';
import type { Database, Executor } from './database.ts';

export interface TerminalRefresh {
  readonly entityId: string;
  /** Null where the source does not name it. */
  readonly refreshId: string | null;
  /** Lean's time of it; null where it does not say. */
  readonly at: Instant | null;
}

/**
 * Records a refresh that has ended; part of the caller's transaction. True when none as new had been heard of: a
 * sweep then starts a sync. An entity that is not known is left alone, and gives false.
 */
export async function recordTerminalRefresh(
  database: Database,
  executor: Executor,
  { entityId, refreshId, at }: TerminalRefresh,
): Promise<boolean> {
  const ns = at?.ns.toString() ?? null;
  const { rows } = await sql<{ newer: boolean }>`
    with former as (
      select entity_id, last_refresh_ns, last_refresh_id from ${database.table('entities')}
      where entity_id = ${entityId} for update
    ), judged as (
      select entity_id, coalesce(last_refresh_id = ${refreshId}::text, false) as known,
        ${ns}::bigint is not null and (last_refresh_ns is null or last_refresh_ns < ${ns}::bigint) as later
      from former
    )
    update ${database.table('entities')} as entity set
      last_refresh_ns = greatest(entity.last_refresh_ns, ${ns}::bigint),
      last_refresh_id = case when later then ${refreshId}::text else entity.last_refresh_id end,
      refresh_heard_at = now(), updated_at = now()
    from judged where entity.entity_id = judged.entity_id
    returning later and not known as newer
  `.execute(executor);
  return rows[0]?.newer === true;
}

export interface StaleEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly bankIdentifier: string | null;
}

/**
 * Takes active entities of which no refresh was heard, and that were not asked about, for so long, the most silent
 * first; by the database's clock. They count as asked from now on. Entities of a bank that may not be asked are left.
 */
export async function takeStaleEntities(
  database: Database,
  transaction: Executor,
  { staleMs, limit }: { readonly staleMs: number; readonly limit: number },
): Promise<StaleEntity[]> {
  const entities = database.table('entities');
  const { rows } = await sql<StaleEntity>`
    with stale as (
      select entity.entity_id
      from ${entities} as entity
      left join ${database.table('banks')} as bank on bank.bank_identifier = entity.bank_identifier
      where entity.state = 'active' and ${heardAt} <= now() - make_interval(secs => ${staleMs / 1000})
        and ${bankMayBeAsked}
      order by ${heardAt}, entity.entity_id limit ${limit} for update of entity skip locked
    )
    update ${entities} as entity set freshness_asked_at = now(), updated_at = now()
    from stale where entity.entity_id = stale.entity_id
    returning entity.entity_id as "entityId", entity.customer_id as "customerId",
      entity.bank_identifier as "bankIdentifier"
  `.execute(transaction);
  return rows.toSorted((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

/** As the index `entities_freshness` has it. */
const heardAt = sql`(coalesce(
  greatest(entity.refresh_heard_at, entity.freshness_asked_at), entity.synced_at, entity.created_at
))`;

export interface PostponeFreshness {
  readonly entityId: string;
  readonly staleMs: number;
  /** Until it counts as silent for too long again. */
  readonly againInMs: number;
}

/** The entity could not be asked after all. */
export async function postponeFreshness(
  executor: Executor,
  { entityId, staleMs, againInMs }: PostponeFreshness,
): Promise<void> {
  await executor
    .updateTable('entities')
    .set({
      freshness_asked_at: sql<string>`now() - make_interval(secs => ${(staleMs - againInMs) / 1000})`,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .execute();
}

/**
 * Somebody asks now: active entities of which no refresh was ever heard, and that have no data, count as silent for too
 * long, the newest first.
 */
export async function askAgainBeforeFirstRefresh(
  database: Database,
  executor: Executor,
  { limit }: { readonly limit: number },
): Promise<void> {
  const entities = database.table('entities');
  await sql`
    with waiting as (
      select entity_id from ${entities}
      where state = 'active' and refresh_heard_at is null and synced_at is null
        and freshness_asked_at is distinct from to_timestamp(0)
      order by created_at desc, entity_id limit ${limit} for update skip locked
    )
    update ${entities} as entity set freshness_asked_at = to_timestamp(0), updated_at = now()
    from waiting where entity.entity_id = waiting.entity_id
  `.execute(executor);
}

export interface AskedEntity extends StaleEntity {
  readonly state: 'active' | 'action_required' | 'ended';
  /** Why it is not active. */
  readonly reason: string | null;
}

export async function readAskedEntity(executor: Executor, entityId: string): Promise<AskedEntity | null> {
  const row = await executor
    .selectFrom('entities')
    .select(['customer_id as customerId', 'bank_identifier as bankIdentifier', 'state'])
    .select('state_reason as reason')
    .where('entity_id', '=', entityId)
    .executeTakeFirst();
  return row === undefined ? null : { entityId, ...row };
}
