// What applications have asked for and no worker has taken up yet. Looks by an index, as often as it is asked to.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/** Cheap where nothing is due, which is nearly always. Of `erase` see erase-request-store. */
export async function anythingAsked(database: Database): Promise<boolean> {
  const { rows } = await sql<{ asked: boolean }>`
    select exists (
      select from ${database.table('requests')}
      where kind in ('refresh', 'sync', 'entity_removed') and concluded_at is null and due_at <= now()
    ) as asked
  `.execute(database.db);
  return rows[0]?.asked === true;
}

export interface TakenRequest {
  readonly requestId: string;
  readonly entityId: string;
  readonly customerId: string | null;
  /** Only of `sync`. */
  readonly fullHistory: boolean;
  /** In nanoseconds since 1970, by the database's clock. */
  readonly askedNs: bigint;
}

/** In nanoseconds since 1970. A request's `created_at` is when it was asked for, or joined last. */
export function nsOf(column: 'created_at' | 'concluded_at') {
  return sql<bigint>`((extract(epoch from ${sql.ref(column)}) * 1000000)::bigint * 1000)::bigint`;
}

export interface DueRequest {
  readonly requestId: string;
  readonly entityId: string;
}

/** The oldest that are due, by the database's clock. Held by nobody: the entity's lock comes first. */
export async function dueRequests(
  executor: Executor,
  { kind, limit }: { readonly kind: 'sync' | 'entity_removed'; readonly limit: number },
): Promise<DueRequest[]> {
  const rows = await executor
    .selectFrom('requests')
    .select(['request_id as requestId', 'entity_id as entityId'])
    .where('kind', '=', kind)
    .where('concluded_at', 'is', null)
    .where('due_at', '<=', sql<Date>`now()`)
    .orderBy('due_at')
    .orderBy('request_id')
    .limit(limit)
    .execute();
  return rows.flatMap(({ requestId, entityId }) => (entityId === null ? [] : [{ requestId, entityId }]));
}

/**
 * Held until the transaction ends, which has the entity's lock already. Null when somebody else was faster, or holds it
 * now: an application that has just joined it, and has not committed.
 */
export async function takeRequest(
  transaction: Executor,
  { requestId, entityId }: DueRequest,
): Promise<TakenRequest | null> {
  const row = await transaction
    .selectFrom('requests')
    .select(['customer_id as customerId', 'full_history as fullHistory'])
    .select(nsOf('created_at').as('askedNs'))
    .where('request_id', '=', requestId)
    .where('concluded_at', 'is', null)
    .where('due_at', '<=', sql<Date>`now()`)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row === undefined ? null : { requestId, entityId, ...row };
}

/**
 * Says whose turn it was for the first time: they are `running` from now on. One that an application holds, having just
 * joined it, is left for another time: nobody waits for it.
 */
export async function markTaken(
  transaction: Executor,
  requestIds: readonly string[],
): Promise<readonly string[]> {
  if (requestIds.length === 0) return [];
  const rows = await transaction
    .updateTable('requests')
    .set({ state: 'running', updated_at: sql`now()` })
    .where('request_id', 'in', (build) =>
      build
        .selectFrom('requests')
        .select('request_id')
        .where('request_id', 'in', requestIds)
        .where('state', '=', 'waiting')
        .orderBy('request_id')
        .forUpdate()
        .skipLocked(),
    )
    .returning('request_id')
    .execute();
  return rows.map(({ request_id: requestId }) => requestId);
}
