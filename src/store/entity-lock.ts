// One transaction at a time for what belongs to one entity. Whoever needs more locks takes this one first, so that
// the order is always: entity, then steps, then results, and no two transactions wait for each other.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { gathered } from './gathered.ts';

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
  const known = held.get(transaction)?.get(entityId);
  return known === undefined ? lockTogether(transaction, { database, entityId }) : known;
}

/** Of transactions that several share, which ask for the same locks in several places. */
const held = new WeakMap<Executor, ReadonlyMap<string, LockedEntity | null>>();

/**
 * Locks all entities that the users of a shared transaction are about to lock; `lockEntity` then costs no statement and
 * answers what was known before any of them wrote.
 */
export async function lockForSharing(
  database: Database,
  transaction: Executor,
  entityIds: readonly string[],
): Promise<void> {
  const rows = await lockEntities(database, transaction, entityIds);
  const known = new Map(rows.map(({ entityId, ...row }) => [entityId, row]));
  held.set(transaction, new Map(entityIds.map((entityId) => [entityId, known.get(entityId) ?? null])));
}

interface Wanted {
  readonly database: Database;
  readonly entityId: string;
}

const lockTogether = gathered(async (transaction: Executor, wanted: readonly Wanted[]) => {
  const locked = new Map<string, LockedEntity>();
  for (const [database, entityIds] of Map.groupBy(wanted, (one) => one.database)) {
    const ids = [...new Set(entityIds.map(({ entityId }) => entityId))];
    for (const { entityId, ...row } of await lockEntities(database, transaction, ids))
      locked.set(entityId, row);
  }
  return wanted.map(({ entityId }) => locked.get(entityId) ?? null);
});

/** The same of several, always in the order of their ids: so no two transactions that need many wait for each other. */
export async function lockEntities(
  database: Database,
  transaction: Executor,
  entityIds: readonly string[],
): Promise<(LockedEntity & { readonly entityId: string })[]> {
  if (entityIds.length === 0) return [];
  await sql`
    select pg_advisory_xact_lock(hashtextextended(${`lean-entity:${database.schema}:`} || entity_id, 0))
    from (select unnest(${entityIds}::text[]) as entity_id order by 1) as listed
  `.execute(transaction);
  return transaction
    .selectFrom('entities')
    .select(['entity_id as entityId', 'state', 'state_reason as reason', 'state_event_ns as stateNs'])
    .where('entity_id', 'in', entityIds)
    .orderBy('entity_id')
    .forUpdate()
    .execute();
}
