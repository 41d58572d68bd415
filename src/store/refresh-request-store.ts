// Wishes to have an entity's data refreshed by its bank: at most one is open for an entity, and Lean's limits are
// counted from here. Rows of the other kinds of `requests` are never touched.
import { sql } from 'kysely';
import { askFor } from './ask-request.ts';
import type { Database, Executor } from './database.ts';

export interface RefreshRequest {
  readonly requestId: string;
  readonly entityId: string;
  readonly customerId: string | null;
  /** Calls that were made for it, and times it was put off. */
  readonly attempts: number;
  /** Since it was asked for, by the database's clock. */
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

/** As above, without holding it. */
export async function readRefreshRequest(
  executor: Executor,
  { requestId, attempts }: Pick<RefreshRequest, 'requestId' | 'attempts'>,
): Promise<RefreshRequest | null> {
  const row = await openRequests(executor)
    .where('request_id', '=', requestId)
    .where('attempts', '=', attempts)
    .executeTakeFirst();
  return row === undefined ? null : (toRequest(row)[0] ?? null);
}

function openRequests(executor: Executor) {
  return executor
    .selectFrom('requests')
    .select(['request_id', 'entity_id', 'customer_id', 'attempts'])
    .select(sql<number>`(extract(epoch from now() - created_at) * 1000)::float8`.as('tried_for_ms'))
    .where('kind', '=', 'refresh')
    .where('concluded_at', 'is', null);
}

interface RequestRow {
  readonly request_id: string;
  readonly entity_id: string | null;
  readonly customer_id: string | null;
  readonly attempts: number;
  readonly tried_for_ms: number;
}

function toRequest({
  request_id,
  entity_id,
  customer_id,
  attempts,
  tried_for_ms,
}: RequestRow): RefreshRequest[] {
  const triedForMs = Math.max(0, tried_for_ms);
  return entity_id === null
    ? []
    : [{ requestId: request_id, entityId: entity_id, customerId: customer_id, attempts, triedForMs }];
}

export interface PostponeRefresh {
  readonly requestId: string;
  readonly againInMs: number;
  readonly failureCode: string;
  /** False where Lean's limit was known beforehand and no call was made. */
  readonly wasAsked: boolean;
}

export async function postponeRefreshRequest(
  transaction: Executor,
  { requestId, againInMs, failureCode, wasAsked }: PostponeRefresh,
): Promise<void> {
  await transaction
    .updateTable('requests')
    .set({
      state: 'running',
      due_at: sql`now() + make_interval(secs => ${againInMs / 1000})`,
      attempts: sql`attempts + 1`,
      failure_code: failureCode,
      ...(wasAsked && { asked_at: sql<string>`now()` }),
      updated_at: sql`now()`,
    })
    .where('request_id', '=', requestId)
    .where('concluded_at', 'is', null)
    .execute();
}

export interface RecentRefreshes {
  /** Since each refresh that Lean has started for us within 24 hours, the last one first. */
  readonly agesMs: readonly number[];
}

export async function recentRefreshes(executor: Executor, entityId: string): Promise<RecentRefreshes> {
  const rows = await executor
    .selectFrom('requests')
    .where('kind', '=', 'refresh')
    .where('entity_id', '=', entityId)
    .where('state', '=', 'done')
    .where('asked_at', '>', sql<Date>`now() - interval '24 hours'`)
    .select(sql<number>`(extract(epoch from now() - asked_at) * 1000)::float8`.as('ageMs'))
    .orderBy('asked_at', 'desc')
    .execute();
  return { agesMs: rows.map(({ ageMs }) => ageMs) };
}
