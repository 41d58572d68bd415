// Which entities of a customer were connected only after the application wished that customer erased: the erasure covers
// what there was by then, and these stay. Whatever else is known of the customer goes, however late it arrived.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

interface ConnectedSince {
  readonly entityIds: ReadonlySet<string>;
  /** When the first of them was heard of, by the database's clock; null where there is none. */
  readonly heardAt: Date | null;
}

interface Candidates {
  readonly entityIds: readonly string[];
  readonly wishedAt: Date;
  /** Of the customer, among the erasures. */
  readonly customerHmac: string;
}

/**
 * By an `entity.created` that is dated after the wish and came after it; or, where a sweep has found the connection, by
 * having been written first after the erasure was lifted. What was here when the wish was made is none, whatever its date.
 */
export async function readConnectedSince(
  database: Database,
  executor: Executor,
  { entityIds, wishedAt, customerHmac }: Candidates,
): Promise<ConnectedSince> {
  const wished = sql`${wishedAt.toISOString()}::timestamptz`;
  const { rows } = await sql<{ entityId: string; heardAt: Date }>`
    select candidate.entity_id as "entityId", coalesce(told.at, entity.created_at) as "heardAt"
    from unnest(${entityIds}::text[]) as candidate (entity_id)
    left join ${database.table('entities')} as entity on entity.entity_id = candidate.entity_id
    cross join lateral (
      select min(event.created_at) as at from ${connectingEvents(database, wishedAt)}
        and event.entity_id = candidate.entity_id
    ) as told
    where (entity.created_at is null or entity.created_at > ${wished})
      and (told.at is not null or exists (
        select from ${database.table('erasures')} as erasure
        where erasure.subject_hmac = ${customerHmac} and erasure.erased_at >= ${wished}
          and entity.created_at >= erasure.lifted_at
      ))
    order by "heardAt"
  `.execute(executor);
  return { entityIds: new Set(rows.map(({ entityId }) => entityId)), heardAt: rows[0]?.heardAt ?? null };
}

/** For a `from`, with its condition, which may go on: the events that tell of a connection made since. */
export function connectingEvents(database: Database, wishedAt: Date) {
  const wishedNs = (BigInt(wishedAt.getTime()) * 1_000_000n).toString();
  return sql`${database.table('webhook_events')} as event
    where event.type = 'entity.created' and event.occurred_at_ns > ${wishedNs}::bigint
      and event.created_at > ${wishedAt.toISOString()}::timestamptz`;
}
