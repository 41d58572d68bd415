// What goes with an entity that its application has removed: what was asked for it, and the question whether Lean
// has told of a connection newer than the removal.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { nsOf } from './due-requests.ts';

export interface DroppedRequest {
  readonly kind: 'refresh' | 'sync';
  readonly requestId: string;
}

/**
 * Ends what else was asked for the entity, and gives what that was. The caller holds the entity's lock; what an
 * application holds that has just joined it is left for whoever takes it up, and finds the entity ended.
 */
export async function dropOpenRequests(
  database: Database,
  transaction: Executor,
  { entityId, failureCode }: { readonly entityId: string; readonly failureCode: string },
): Promise<readonly DroppedRequest[]> {
  const requests = database.table('requests');
  const { rows } = await sql<DroppedRequest>`
    update ${requests} set state = 'failed', failure_code = ${failureCode}, concluded_at = now(), updated_at = now()
    where request_id = any (array(
      select request_id from ${requests}
      where entity_id = ${entityId} and kind in ('refresh', 'sync') and concluded_at is null
      for update skip locked
    ))
    returning kind, request_id as "requestId"
  `.execute(transaction);
  return rows;
}

/**
 * Whether Lean has told of a connection dated after that. Also by an event that no worker has come to yet: it is not here.
 * One that was here by then is none, whatever its date: Lean's clock may run ahead of ours. `undecided`: only by events of
 * which nobody knows yet whether they are meant for us.
 */
export async function connectedSince(
  executor: Executor,
  {
    entityId,
    sinceNs,
    types,
  }: { readonly entityId: string; readonly sinceNs: bigint; readonly types: readonly string[] },
): Promise<'yes' | 'no' | 'undecided'> {
  const row = await executor
    .selectFrom('webhook_events')
    .select(
      sql<boolean>`state = 'processed' or proof = 'signature' or ownership_proven_at is not null`.as(
        'isOurs',
      ),
    )
    .where('entity_id', '=', entityId)
    .where('type', 'in', types)
    .where('occurred_at_ns', '>', sinceNs)
    .where((build) =>
      build.or([
        build.and([build('state', '=', 'processed'), build(nsOf('concluded_at'), '>', sinceNs)]),
        build('concluded_at', 'is', null),
      ]),
    )
    .orderBy('isOurs', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return 'no';
  return row.isOurs ? 'yes' : 'undecided';
}

/** When the application last said that the entity is removed, in nanoseconds since 1970; null where that was long ago. */
export async function readRemovalNs(executor: Executor, entityId: string): Promise<bigint | null> {
  const row = await executor
    .selectFrom('requests')
    .select(nsOf('created_at').as('askedNs'))
    .where('entity_id', '=', entityId)
    .where('kind', '=', 'entity_removed')
    .where('state', '=', 'done')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.askedNs ?? null;
}
