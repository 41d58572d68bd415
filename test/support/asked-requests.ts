// What an application asks for by SQL, and what became of it, for tests.
import { sql } from 'kysely';
import type { Database, Executor } from '../../src/store/database.ts';

export type AskingFunction = 'request_refresh' | 'request_sync' | 'request_erase' | 'entity_removed';

/** Returns the request's id. */
export async function ask(
  database: Database,
  name: AskingFunction,
  { id, executor = database.db }: { readonly id: unknown; readonly executor?: Executor },
): Promise<string> {
  const { rows } = await sql<{ id: string }>`select ${database.table(name)}(${id}) as id`.execute(executor);
  return rows[0]?.id ?? '';
}

/** As they were asked for. */
export async function requestRows({ db }: Database) {
  return db
    .selectFrom('requests')
    .select(['request_id', 'kind', 'entity_id', 'customer_id', 'state', 'full_history', 'failure_code'])
    .orderBy('created_at')
    .orderBy('request_id')
    .execute();
}
