// Ends a run that only waits. It never started, so it has neither steps nor results of its own.
import { sql } from 'kysely';
import { appendChanges } from './change-store.ts';
import type { Executor } from './database.ts';

interface DropWaitingRun {
  readonly entityId: string;
  /** Why nothing is fetched any more. */
  readonly failureCode: string;
}

/** Part of the caller's transaction, which holds the entity's lock. Says whether one was waiting. */
export async function dropWaitingRun(
  transaction: Executor,
  { entityId, failureCode }: DropWaitingRun,
): Promise<boolean> {
  const run = await transaction
    .updateTable('sync_runs')
    .set({
      state: 'failed',
      failure_code: failureCode,
      finished_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('state', '=', 'waiting')
    .returning(['sync_id', 'customer_id', 'reason', 'event_key'])
    .executeTakeFirst();
  if (run === undefined) return false;
  await appendChanges(transaction, [
    {
      change: 'sync.failed',
      entityId,
      customerId: run.customer_id,
      eventKey: run.event_key,
      details: {
        syncId: run.sync_id,
        reason: run.reason,
        accounts: 0,
        balances: 0,
        transactions: 0,
        failureCode,
      },
    },
  ]);
  return true;
}
