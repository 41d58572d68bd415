// What the parts of a sync job share: its step, locked, inside its transaction, and what the job leaves to be done
// after the commit.
import type { FailureCode } from '../core/failure-codes.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import type { ClosedRun } from '../store/sync-store.ts';
import type { StepJob, SyncStep } from '../store/sync-step-store.ts';
import type { SyncData } from './sync-kinds.ts';

export interface StepContext {
  readonly database: Database;
  readonly transaction: TablesTransaction;
  readonly step: SyncStep;
  readonly now: Date;
  /** From 0 up to, not including, 1. */
  readonly random: number;
  readonly keyRing: KeyRing | null;
  /** What may be asked for and stored. */
  readonly syncData: ReadonlySet<SyncData>;
  /** TRANSACTION_HISTORY_DAYS. */
  readonly transactionHistoryDays: number | undefined;
}

export interface StepResult {
  /** One of our own words, or the code of what went wrong. */
  readonly outcome: FailureCode | 'done' | 'pending' | 'started_over';
  /** For the queue, after the commit. */
  readonly jobs: readonly StepJob[];
  /** Set when this step was the last of its run. */
  readonly closed: ClosedRun | null;
  /** How long all workers leave Lean alone; the job itself goes on then. */
  readonly pauseMs: number | null;
  /** Transactions the bank had called final, and that say something else now; left out where there are none. */
  readonly immutableChanged?: number;
  /** Set when the entity had no balance before: how long its first one took. */
  readonly firstBalanceSeconds?: number | null;
}
