// What the forwarder has cut from the journal and not yet seen stored: bounds only, never a body.
// It answers the one question an ACK_AFTER=stored reply hangs on: is this delivery in Postgres?
import { AppError } from '../core/app-error.ts';
import type { Clock } from '../core/clock.ts';
import { withDeadline } from '../core/deadline.ts';
import { batchJobId, type BatchBounds } from '../core/delivery.ts';

export interface LedgerEntry {
  readonly jobId: string;
  readonly bounds: BatchBounds;
  /** `to_add`: Redis does not have it, as far as we know. `stored`: in Postgres, rows still to be deleted. */
  phase: 'to_add' | 'added' | 'stored';
  /** By the forwarder's clock, when it was first taken. */
  readonly takenAt: number;
  /** How often putting it back was tried after the workers gave it up. */
  retries: number;
  /** By the forwarder's clock, before which it is not put back again. */
  retryAt: number;
}

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
}

export interface Ledger {
  /** Batches not yet stored and deleted. */
  size(): number;
  /** Whether this is one of ours: receivers share a queue and hear of each other's batches. */
  has(jobId: string): boolean;
  /** Adds the batch unless it is known. */
  take(bounds: BatchBounds): LedgerEntry;
  /** The oldest batch that has to be added. */
  nextToAdd(): LedgerEntry | undefined;
  inPhase(phase: LedgerEntry['phase']): LedgerEntry[];
  markStored(entry: LedgerEntry): void;
  drop(entry: LedgerEntry): void;
  /** Whether somebody waits for `whenStored`. */
  isAwaited(): boolean;
  /** Rejects with NOT_DURABLE after `deadlineMs`. */
  whenStored(sequence: number, deadlineMs: number): Promise<void>;
}

export function createLedger(clock: Clock): Ledger {
  const entries = new Map<string, LedgerEntry>();
  const waiters = new Set<Waiter>();
  /** Batches are cut in order and leave nothing out: what lies below and is in no open batch is stored. */
  let cutThrough = 0;

  function isStored(sequence: number): boolean {
    if (sequence > cutThrough) return false;
    return ![...entries.values()].some(
      ({ phase, bounds }) => phase !== 'stored' && sequence >= bounds.first && sequence <= bounds.last,
    );
  }

  function tellWaiters(): void {
    for (const waiter of waiters) {
      if (isStored(waiter.sequence)) waiter.resolve();
    }
  }

  return {
    size: () => entries.size,
    has: (jobId) => entries.has(jobId),
    take(bounds) {
      const jobId = batchJobId(bounds);
      const known = entries.get(jobId);
      if (known !== undefined) return known;
      const takenAt = clock.nowMs();
      const entry: LedgerEntry = { jobId, bounds, phase: 'to_add', takenAt, retries: 0, retryAt: 0 };
      entries.set(jobId, entry);
      cutThrough = Math.max(cutThrough, bounds.last);
      return entry;
    },
    // Batches are taken in order of arrival, and a map keeps that order.
    nextToAdd: () => entries.values().find(({ phase }) => phase === 'to_add'),
    inPhase: (wanted) => [...entries.values()].filter(({ phase }) => phase === wanted),
    markStored(entry) {
      entry.phase = 'stored';
      tellWaiters();
    },
    drop(entry) {
      entries.delete(entry.jobId);
      tellWaiters();
    },
    isAwaited: () => waiters.size > 0,
    async whenStored(sequence, deadlineMs) {
      if (isStored(sequence)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter: Waiter = { sequence, resolve };
      waiters.add(waiter);
      try {
        await withDeadline(promise, { deadlineMs, what: 'storing a delivery', clock });
      } catch (cause) {
        throw new AppError('NOT_DURABLE', `not in Postgres within ${deadlineMs} ms`, { cause });
      } finally {
        waiters.delete(waiter);
      }
    },
  };
}
