// How long an entity's first balance took, for the metrics. Writes nothing.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/**
 * To be asked before a balance is stored, under the entity's lock: since the entity's first event arrived, or else since
 * the entity appeared; null when there is a balance already, or no such entity.
 */
export async function secondsUntilFirstBalance(
  database: Database,
  transaction: Executor,
  entityId: string,
): Promise<number | null> {
  const { rows } = await sql<{ seconds: number }>`
    select greatest(0, extract(epoch from clock_timestamp() - coalesce((
      select min(event.received_at) from ${database.table('webhook_events')} as event
      where event.entity_id = ${entityId} and event.received_at <= entity.created_at
    ), entity.created_at)))::float8 as seconds
    from ${database.table('entities')} as entity
    where entity.entity_id = ${entityId}
      and not exists (select from ${database.table('balances')} where entity_id = ${entityId})
  `.execute(transaction);
  return rows[0]?.seconds ?? null;
}
