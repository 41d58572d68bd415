// What goes with an entity that its application has removed: what was asked for it, and the question which word of
// Lean's is newer than the removal.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/**
 * Ends what else was asked for the entity. The caller holds the entity's lock; whoever holds one of these requests waits
 * for that lock and finds the entity ended, so it is left to them.
 */
export async function dropOpenRequests(
  database: Database,
  transaction: Executor,
  { entityId, failureCode }: { readonly entityId: string; readonly failureCode: string },
): Promise<void> {
  const requests = database.table('requests');
  await sql`
    update ${requests} set state = 'failed', failure_code = ${failureCode}, concluded_at = now(), updated_at = now()
    where request_id = any (array(
      select request_id from ${requests}
      where entity_id = ${entityId} and kind in ('refresh', 'sync') and concluded_at is null
      for update skip locked
    ))
  `.execute(transaction);
}

/** The type of the event that decided the entity's state; null where it was none, or one that is forgotten. */
export async function stateDecidedBy(
  database: Database,
  transaction: Executor,
  entityId: string,
): Promise<string | null> {
  const { rows } = await sql<{ type: string | null }>`
    select event.type from ${database.table('entities')} as entity
    join ${database.table('webhook_events')} as event
      on event.event_key = regexp_replace(entity.field_orders ->> 'state', '^(0|1:[0-9]{20}):', '')
    where entity.entity_id = ${entityId}
  `.execute(transaction);
  return rows[0]?.type ?? null;
}
