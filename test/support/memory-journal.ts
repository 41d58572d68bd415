// A journal in memory with the forwarder's view of it, for tests that break the queue and not the disk.
import { randomUUID } from 'node:crypto';
import { AppError } from '../../src/core/app-error.ts';
import type { BatchBounds, JournalBatch } from '../../src/core/delivery.ts';
import type { ForwarderJournal } from '../../src/receiver/forwarder-ports.ts';
import { makeBatch } from './intake-batches.ts';

export interface MemoryJournal extends ForwarderJournal {
  readonly id: string;
  /** Adds deliveries and returns the last sequence. */
  append(count: number): number;
  /** The sequences that have not left. */
  rows(): number[];
}

interface MemoryJournalOptions {
  /** Deliveries per batch at most. */
  readonly batchSize?: number;
}

export function createMemoryJournal({ batchSize = 256 }: MemoryJournalOptions = {}): MemoryJournal {
  const id = randomUUID();
  const rows = new Set<number>();
  const open: BatchBounds[] = [];
  const listeners: (() => void)[] = [];
  let last = 0;
  let cutThrough = 0;
  let installation: string | null = null;

  async function readBatch(bounds: BatchBounds): Promise<JournalBatch> {
    if (!rows.has(bounds.first)) throw new AppError('JOURNAL_BATCH_UNKNOWN', 'not held');
    return makeBatch(bounds);
  }

  return {
    id,
    append(count) {
      for (let added = 0; added < count; added += 1) rows.add((last += 1));
      for (const listener of listeners) listener();
      return last;
    },
    rows: () => [...rows],
    async cutBatch() {
      if (cutThrough === last) return null;
      const bounds = { journalId: id, first: cutThrough + 1, last: Math.min(last, cutThrough + batchSize) };
      cutThrough = bounds.last;
      open.push(bounds);
      return readBatch(bounds);
    },
    openBatches: async () => [...open],
    readBatch,
    async deleteBatch(bounds) {
      for (let sequence = bounds.first; sequence <= bounds.last; sequence += 1) rows.delete(sequence);
      const index = open.findIndex(({ first }) => first === bounds.first);
      if (index !== -1) open.splice(index, 1);
    },
    onAppended(listener) {
      listeners.push(listener);
    },
    stats: () => ({ rows: rows.size }),
    readInstallation: async () => installation,
    async writeInstallation(value) {
      installation = value;
    },
  };
}
