// A lock for what one process at a time should do, held until the transaction ends: safe behind a transaction pooler,
// and gone with the process that held it. Never waits.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/** False when another transaction holds it. The name counts within the schema. */
export async function tryLock(database: Database, transaction: Executor, name: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`lean-${name}:${database.schema}`}, 0)) as locked
  `.execute(transaction);
  return rows[0]?.locked === true;
}
