// How what was asked of us ends, whatever its kind. Never ends a request twice.
import { sql } from 'kysely';
import type { Executor } from './database.ts';
import { isEntityErased } from './erasure-store.ts';

export interface ConcludeRequest {
  readonly requestId: string;
  /** `done`: a sync is on its way, and its end comes as a change; or Lean has started a refresh, whose end comes by webhook. */
  readonly state: 'done' | 'failed';
  /** Of a refresh that has started. */
  readonly refreshId?: string | null;
  readonly failureCode: string | null;
}

/** One that was asked for while its entity was being erased names nobody any more. */
export async function concludeRequest(
  transaction: Executor,
  { requestId, state, refreshId = null, failureCode }: ConcludeRequest,
): Promise<void> {
  const concluded = await transaction
    .updateTable('requests')
    .set({
      state,
      refresh_id: refreshId,
      failure_code: failureCode,
      attempts: sql`attempts + 1`,
      asked_at: sql<string>`now()`,
      concluded_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where('request_id', '=', requestId)
    .where('concluded_at', 'is', null)
    .returning('entity_id')
    .executeTakeFirst();
  const entityId = concluded?.entity_id ?? null;
  if (failureCode !== 'LEAN_ENTITY_UNKNOWN' || entityId === null) return;
  if (!(await isEntityErased(transaction, entityId))) return;
  await transaction
    .updateTable('requests')
    .set({ entity_id: null, customer_id: null })
    .where('request_id', '=', requestId)
    .execute();
}

export interface PostponeRequest {
  readonly requestId: string;
  readonly againInMs: number;
  readonly failureCode: string;
  /** Lean was not asked this time: what nobody knows of an earlier call stays unknown, and the call counts. */
  readonly isUntried?: boolean;
}

/**
 * What could not be carried out is due again later; until then others have their turn. One that an application holds,
 * having just joined it, is left as it is: nobody waits for it.
 */
export async function postponeRequest(
  executor: Executor,
  { requestId, againInMs, failureCode, isUntried = false }: PostponeRequest,
): Promise<void> {
  const unlessUnknown = sql<
    string | null
  >`case when asked_at is null or failure_code is not null then ${failureCode}::text end`;
  await executor
    .updateTable('requests')
    .set({
      state: 'running',
      due_at: sql`now() + make_interval(secs => ${againInMs / 1000})`,
      attempts: sql`attempts + 1`,
      failure_code: isUntried ? unlessUnknown : failureCode,
      updated_at: sql`now()`,
    })
    .where('request_id', 'in', (build) =>
      build
        .selectFrom('requests')
        .select('request_id')
        .where('request_id', '=', requestId)
        .where('concluded_at', 'is', null)
        .forUpdate()
        .skipLocked(),
    )
    .execute();
}
