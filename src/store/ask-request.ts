// Asking for something: by the SQL functions that applications call too, so that there is one way in.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

export interface RequestWish {
  readonly kind: 'refresh' | 'sync' | 'erase' | 'entity_removed';
  /** Of the customer for `erase`, else of the entity; 1 to 200 characters, or the database refuses it (SQLSTATE 22023). */
  readonly id: string;
  /** Only of `sync`: the whole history, and not only what is new. */
  readonly fullHistory?: boolean;
}

/** Joins the open request where there is one. Wakes the workers with the commit of the caller's transaction. */
export async function askFor(
  database: Database,
  executor: Executor,
  { kind, id, fullHistory = false }: RequestWish,
): Promise<{ requestId: string; isNew: boolean }> {
  const { rows } = await sql<{ requestId: string; isNew: boolean }>`
    select asked_request as "requestId", is_new as "isNew"
    from ${database.table('ask_for')}(${kind}::text, ${id}::text, ${fullHistory}::boolean)
  `.execute(executor);
  const request = rows[0];
  if (request === undefined) throw new Error('asking for something gave no request');
  return request;
}
