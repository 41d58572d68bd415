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

/** The oldest that is due, by the database's clock, held until the transaction ends. */
export async function takeRequest(
  transaction: Executor,
  kind: 'sync' | 'entity_removed',
): Promise<TakenRequest | null> {
  const row = await transaction
    .selectFrom('requests')
    .select(['request_id', 'entity_id', 'customer_id', 'full_history'])
    .select(sql<bigint>`((extract(epoch from created_at) * 1000000)::bigint * 1000)::bigint`.as('asked_ns'))
    .where('kind', '=', kind)
    .where('entity_id', 'is not', null)
    .where('concluded_at', 'is', null)
    .where('due_at', '<=', sql<Date>`now()`)
    .orderBy('due_at')
    .orderBy('request_id')
    .limit(1)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (row === undefined || row.entity_id === null) return null;
  return {
    requestId: row.request_id,
    entityId: row.entity_id,
    customerId: row.customer_id,
    fullHistory: row.full_history,
    askedNs: row.asked_ns,
  };
}

/** Says whose turn it was for the first time: they are `running` from now on. */
export async function markTaken(
  transaction: Executor,
  requestIds: readonly string[],
): Promise<readonly string[]> {
  if (requestIds.length === 0) return [];
  const rows = await transaction
    .updateTable('requests')
    .set({ state: 'running', updated_at: sql`now()` })
    .where('request_id', 'in', requestIds)
    .where('state', '=', 'waiting')
    .returning('request_id')
    .execute();
  return rows.map(({ request_id: requestId }) => requestId);
}
