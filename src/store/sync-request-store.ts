// Wishes to have an entity's data fetched anew: at most one is open for an entity. Rows of the other kinds of `requests`
// are never touched.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

export interface SyncWish {
  readonly entityId: string;
  /** The whole history, and not only what is new. */
  readonly fullHistory: boolean;
}

/** Joins the open request where there is one, and widens it. The customer is looked up. */
export async function requestSyncOnce(
  database: Database,
  executor: Executor,
  { entityId, fullHistory }: SyncWish,
): Promise<{ requestId: string; isNew: boolean }> {
  const { rows } = await sql<{ requestId: string; isNew: boolean }>`
    insert into ${database.table('requests')} as request (kind, entity_id, customer_id, full_history)
    values ('sync', ${entityId}, (
      select entity.customer_id from ${database.table('entities')} as entity where entity.entity_id = ${entityId}
    ), ${fullHistory})
    on conflict (kind, entity_id) where entity_id is not null and concluded_at is null
      do update set full_history = request.full_history or excluded.full_history, updated_at = now()
    returning request_id as "requestId", xmax = 0 as "isNew"
  `.execute(executor);
  const request = rows[0];
  if (request === undefined) throw new Error('an upsert of a request gave no row');
  return request;
}

export interface SyncWishTaken extends SyncWish {
  readonly requestId: string;
  readonly customerId: string | null;
}

/** The oldest that is due, by the database's clock, held until the transaction ends. */
export async function takeSyncRequest(transaction: Executor): Promise<SyncWishTaken | null> {
  const row = await transaction
    .selectFrom('requests')
    .select(['request_id', 'entity_id', 'customer_id', 'full_history'])
    .where('kind', '=', 'sync')
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
  const {
    request_id: requestId,
    entity_id: entityId,
    customer_id: customerId,
    full_history: fullHistory,
  } = row;
  return { requestId, entityId, customerId, fullHistory };
}
