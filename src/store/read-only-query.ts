// Runs one statement an operator typed, in a read-only transaction. It guards against slips, not against
// somebody who holds the credentials anyway.
import { sql } from 'kysely';
import { AppError } from '../core/app-error.ts';
import type { Database } from './database.ts';

export type QueryRow = Readonly<Record<string, unknown>>;

const rowLimit = 1_000;

/** Rows of one statement, at most 1,000, names looked up in the service's schema first. Throws SQL_REFUSED. */
export async function readOnlyQuery(database: Database, text: string): Promise<QueryRow[]> {
  const statement = text.trim().replace(/;$/, '');
  // Without parameters pg sends the text as it is, and a second statement could end the transaction.
  if (statement === '' || statement.includes(';')) {
    throw new AppError('SQL_REFUSED', 'give exactly one statement, without a semicolon in it');
  }
  try {
    return await database.transaction(async (transaction) => {
      await sql`set transaction read only`.execute(transaction);
      await sql`set local search_path to ${sql.id(database.schema)}, public`.execute(transaction);
      const { rows } = await sql.raw<QueryRow>(statement).execute(transaction);
      return rows.slice(0, rowLimit);
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    throw new AppError('SQL_REFUSED', `the database says: ${reason}`, { cause: error });
  }
}

/** Values as JSON can carry them, also in arrays: bigint as digits, bytes as their number. */
export function printableRow(row: QueryRow): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, printable(value)]));
}

function printable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(printable);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  return value;
}
