// The way out of the journal: brings batches to Redis, oldest first, one at a time so that their order holds.
// Bodies are in memory only for the one batch that is being added.
import { AppError } from '../core/app-error.ts';
import type { Clock } from '../core/clock.ts';
import type { JournalBatch } from '../core/delivery.ts';
import type { ForwarderHealth } from './forwarder-health.ts';
import type { Ledger, LedgerEntry } from './forwarder-ledger.ts';
import type { ForwarderJournal, ForwarderListener, ForwarderQueue } from './forwarder-ports.ts';

interface AdderOptions {
  readonly journal: ForwarderJournal;
  readonly queue: ForwarderQueue;
  readonly ledger: Ledger;
  readonly health: ForwarderHealth;
  readonly maxOutstanding: number;
  readonly clock: Clock;
  readonly onEvent: ForwarderListener;
}

export interface Adder {
  /** Takes in the batches that the journal holds as cut. */
  takeOpen(): Promise<void>;
  /** Adds one batch; `none` when there is none, or enough are on their way. Throws what journal or queue throw. */
  addNext(): Promise<'none' | 'small' | 'large'>;
}

/** From either on, a batch is worth what it costs to add it. */
const largeDeliveries = 64;
const largeBytes = 256 * 1024;

export function createAdder(options: AdderOptions): Adder {
  const { journal, queue, ledger, health, maxOutstanding, clock, onEvent } = options;

  async function readAgain(entry: LedgerEntry): Promise<JournalBatch | null> {
    try {
      return await journal.readBatch(entry.bounds);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'JOURNAL_BATCH_UNKNOWN') throw error;
      // Rows leave only once stored: this was let go between being listed as open and being read.
      ledger.drop(entry);
      return null;
    }
  }

  return {
    async takeOpen() {
      for (const bounds of await journal.openBatches()) ledger.take(bounds);
    },
    async addNext() {
      const waiting = ledger.nextToAdd();
      if (waiting === undefined && ledger.size() >= maxOutstanding) return 'none';
      const batch = waiting === undefined ? await journal.cutBatch() : await readAgain(waiting);
      health.journalAnswered('adding');
      if (batch === null) return waiting === undefined ? 'none' : 'large';
      const entry = ledger.take(batch);
      const startedAt = clock.nowMs();
      await queue.addBatch(batch);
      health.queueAnswered();
      entry.phase = 'added';
      const durationMs = Math.round(clock.nowMs() - startedAt);
      onEvent({ kind: 'added', jobId: entry.jobId, deliveries: batch.deliveries.length, durationMs });
      return isLarge(batch) ? 'large' : 'small';
    },
  };
}

function isLarge({ deliveries }: JournalBatch): boolean {
  if (deliveries.length >= largeDeliveries) return true;
  return deliveries.reduce((sum, { sealed }) => sum + sealed.length, 0) >= largeBytes;
}
