// Wishes to have an entity's data refreshed by its bank: at most one is open for an entity, and Lean's limits are
// counted from here. Rows of the other kinds of `requests` are never touched.
import { sql } from 'kysely';
import { askFor } from './ask-request.ts';
import type { Database, Executor } from './database.ts';

export interface RefreshRequest {
  readonly requestId: string;
  readonly entityId: string;
  readonly customerId: string | null;
  /** Calls that were begun for it, and times it was put off: of two that are at it, one finds another number. */
  readonly attempts: number;
  /** To Lean, with the one that was begun last. */
  readonly calls: number;
  /** Since the first of them, by the database's clock; 0 without one. */
  readonly triedForMs: number;
}

/** Joins the open request where there is one. The customer is looked up. */
export function requestRefresh(
  database: Database,
  executor: Executor,
  entityId: string,
): Promise<{ requestId: string; isNew: boolean }> {
  return askFor(database, executor, { kind: 'refresh', id: entityId });
}

/** Open and due by the database's clock, oldest first. */
export async function dueRefreshRequests(
  executor: Executor,
  { limit }: { readonly limit: number },
): Promise<RefreshRequest[]> {
  const rows = await openRequests(executor)
    .where('due_at', '<=', sql<Date>`now()`)
    .orderBy('due_at')
    .orderBy('request_id')
    .limit(limit)
    .execute();
  return rows.flatMap((row) => toRequest(row));
}

/** Held until the transaction ends; null once it is concluded, or when `attempts` says that a twin was faster. */
export async function lockRefreshRequest(
  transaction: Executor,
  { requestId, attempts }: Pick<RefreshRequest, 'requestId' | 'attempts'>,
): Promise<RefreshRequest | null> {
  const row = await openRequests(transaction)
    .where('request_id', '=', requestId)
    .where('attempts', '=', attempts)
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? null : (toRequest(row)[0] ?? null);
}

/** As above, without holding it; null as well while an application holds it that has just joined it. */
export async function readRefreshRequest(
  executor: Executor,
  { requestId, attempts }: Pick<RefreshRequest, 'requestId' | 'attempts'>,
): Promise<RefreshRequest | null> {
  const row = await openRequests(executor)
    .where('request_id', '=', requestId)
    .where('attempts', '=', attempts)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row === undefined ? null : (toRequest(row)[0] ?? null);
}

/**
 * Says that Lean is asked now, before it is: whoever dies afterwards has left word of it, and nobody asks again before
 * the lease is over. Ours under the number that it gives. Null as above.
 */
export async function beginRefresh(
  database: Database,
  {
    requestId,
    attempts,
    leaseMs,
  }: Pick<RefreshRequest, 'requestId' | 'attempts'> & { readonly leaseMs: number },
): Promise<RefreshRequest | null> {
  const requests = database.table('requests');
  const { rows } = await sql<RequestRow>`
    update ${requests} set state = 'running', attempts = attempts + 1, calls = calls + 1, failure_code = null,
      asked_at = now(), first_asked_at = coalesce(first_asked_at, now()), updated_at = now(),
      due_at = now() + make_interval(secs => ${leaseMs / 1000})
    where request_id = (
      select request_id from ${requests}
      where request_id = ${requestId} and attempts = ${attempts} and kind = 'refresh' and concluded_at is null
      for update skip locked
    )
    returning request_id, entity_id, customer_id, attempts, calls, ${triedFor} as tried_for_ms
  `.execute(database.db);
  return rows.flatMap(toRequest)[0] ?? null;
}

const triedFor = sql<number>`coalesce(extract(epoch from now() - first_asked_at) * 1000, 0)::float8`;

function openRequests(executor: Executor) {
  return executor
    .selectFrom('requests')
    .select(['request_id', 'entity_id', 'customer_id', 'attempts', 'calls'])
    .select(triedFor.as('tried_for_ms'))
    .where('kind', '=', 'refresh')
    .where('concluded_at', 'is', null);
}

interface RequestRow {
  readonly request_id: string;
  readonly entity_id: string | null;
  readonly customer_id: string | null;
  readonly attempts: number;
  readonly calls: number;
  readonly tried_for_ms: number;
}

function toRequest({
  request_id,
  entity_id,
  customer_id,
  attempts,
  calls,
  tried_for_ms,
}: RequestRow): RefreshRequest[] {
  const triedForMs = Math.max(0, tried_for_ms);
  return entity_id === null
    ? []
    : [{ requestId: request_id, entityId: entity_id, customerId: customer_id, attempts, calls, triedForMs }];
}

export interface RecentRefreshes {
  /** Since each refresh within 24 hours that Lean has started for us, or of which nobody knows, the last one first. */
  readonly agesMs: readonly number[];
}

export async function recentRefreshes(executor: Executor, entityId: string): Promise<RecentRefreshes> {
  const rows = await executor
    .selectFrom('requests')
    .where('kind', '=', 'refresh')
    .where('entity_id', '=', entityId)
    .where((build) =>
      build.or([
        build('state', '=', 'done'),
        // Begun, and no word of what came of it: whoever was at it is gone.
        build.and([build('concluded_at', 'is', null), build('failure_code', 'is', null)]),
      ]),
    )
    .where('asked_at', '>', sql<Date>`now() - interval '24 hours'`)
    .select(sql<number>`(extract(epoch from now() - asked_at) * 1000)::float8`.as('ageMs'))
    .orderBy('asked_at', 'desc')
    .execute();
  return { agesMs: rows.map(({ ageMs }) => ageMs) };
}
