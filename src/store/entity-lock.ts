// One transaction at a time for what belongs to one entity. Whoever needs more locks takes this one first, so that
// the order is always: entity, then steps, then results, and no two transactions wait for each other.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/** What is known of whoever is locked. */
export interface LockedEntity {
  readonly state: 'active' | 'action_required' | 'ended';
  /** Why it is not active. */
  readonly reason: string | null;
  /** Of what last decided the state, in nanoseconds; null where that has no time. */
  readonly stateNs: bigint | null;
}

/** By its application, which has said so: until Lean tells of a newer connection nothing else changes it. */
export function isRemoved(entity: Pick<LockedEntity, 'state' | 'reason'> | null): boolean {
  return entity?.state === 'ended' && entity.reason === 'ENTITY_REMOVED';
}

/**
 * Held until the transaction ends; safe behind a transaction pooler. First the advisory lock, which covers an entity
 * that has no row yet: the other way round, who saw no row would hold what the one who writes it waits for. Then the
 * row, so that who skips locked rows leaves this entity alone. Null: it has none.
 */
export async function lockEntity(
  database: Database,
  transaction: Executor,
  entityId: string,
): Promise<LockedEntity | null> {
  await sql`
    select pg_advisory_xact_lock(hashtextextended(${`lean-entity:${database.schema}:${entityId}`}, 0))
  `.execute(transaction);
  const row = await transaction
    .selectFrom('entities')
    .select(['state', 'state_reason as reason', 'state_event_ns as stateNs'])
    .where('entity_id', '=', entityId)
    .forUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** The same of several, for the one transaction at a time that needs so many: everybody else holds one alone. */
export async function lockEntities(
  database: Database,
  transaction: Executor,
  entityIds: readonly string[],
): Promise<void> {
  if (entityIds.length === 0) return;
  await sql`
    select pg_advisory_xact_lock(hashtextextended(${`lean-entity:${database.schema}:`} || entity_id, 0))
    from (select unnest(${entityIds}::text[]) as entity_id order by 1) as listed
  `.execute(transaction);
  await transaction
    .selectFrom('entities')
    .select('entity_id')
    .where('entity_id', 'in', entityIds)
    .orderBy('entity_id')
    .forUpdate()
    .execute();
}
