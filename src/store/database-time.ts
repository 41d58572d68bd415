// The database's clock, by which everything that is due is due.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** Throws what the database throws. Also proves that the schema can be read. */
export async function readDatabaseTime(database: Database): Promise<Date> {
  const { now } = await database.db
    .selectFrom('installation')
    .select(sql<string>`(extract(epoch from clock_timestamp()) * 1000)::bigint::text`.as('now'))
    .executeTakeFirstOrThrow();
  return new Date(Number(now));
}
