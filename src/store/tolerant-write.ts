// Writes many rows in one go, and one by one when one of them cannot be stored, so that an odd row never holds up
// its neighbours. Only data errors are treated so: everything else is the caller's to see.
import { sql } from 'kysely';
import type { Executor } from './database.ts';
import { databaseFailure } from './database-failures.ts';

export interface TolerantWrite<Row, Result> {
  readonly rows: readonly Row[];
  readonly write: (rows: readonly Row[]) => Promise<Result>;
}

export interface TolerantlyWritten<Row, Result> {
  readonly results: Result[];
  /** Rows the database refused for their values. */
  readonly refused: Row[];
}

/** Must run inside a transaction, since it leans on savepoints. */
export async function writeTolerantly<Row, Result>(
  transaction: Executor,
  { rows, write }: TolerantWrite<Row, Result>,
): Promise<TolerantlyWritten<Row, Result>> {
  if (rows.length === 0) return { results: [], refused: [] };
  const all = await attempt(transaction, () => write(rows));
  if (all.stored) return { results: [all.result], refused: [] };
  const results: Result[] = [];
  const refused: Row[] = [];
  for (const row of rows) {
    const one = await attempt(transaction, () => write([row]));
    if (one.stored) results.push(one.result);
    else refused.push(row);
  }
  return { results, refused };
}

type Attempt<Result> = { readonly stored: true; readonly result: Result } | { readonly stored: false };

async function attempt<Result>(
  transaction: Executor,
  write: () => Promise<Result>,
): Promise<Attempt<Result>> {
  await sql`savepoint tolerant_write`.execute(transaction);
  try {
    const result = await write();
    await sql`release savepoint tolerant_write`.execute(transaction);
    return { stored: true, result };
  } catch (error) {
    if (databaseFailure(error) !== 'data') throw error;
    await sql`rollback to savepoint tolerant_write`.execute(transaction);
    return { stored: false };
  }
}
