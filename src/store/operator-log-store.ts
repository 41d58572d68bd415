// The record of what operators changed. An entry is written in the transaction of the change itself, so that neither is
// ever there without the other. Never holds personal data: whoever was erased must not be found again in here.
import { sql } from 'kysely';
import type { Executor } from './database.ts';

export interface OperatorLogEntry {
  readonly operator: string;
  /** The command's words, such as `events replay`. */
  readonly command: string;
  /** How many events, rows or deliveries this transaction changes. */
  readonly affected: number;
  /** What was asked for; counts, codes and times only. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Returns its number. */
export async function writeOperatorLog(
  transaction: Executor,
  { operator, command, affected, details }: OperatorLogEntry,
): Promise<bigint> {
  const row = await transaction
    .insertInto('operator_log')
    .values({ operator, command, affected, details: JSON.stringify(details) })
    .returning('log_id')
    .executeTakeFirstOrThrow();
  return row.log_id;
}

/** For a command that goes on in another transaction. */
export async function extendOperatorLog(
  transaction: Executor,
  { logId, affected }: { readonly logId: bigint; readonly affected: number },
): Promise<void> {
  await transaction
    .updateTable('operator_log')
    .set((build) => ({ affected: build('affected', '+', affected), updated_at: sql`now()` }))
    .where('log_id', '=', logId)
    .execute();
}
