// The other end of a batch: looks up what became of it and lets its rows go once it is in Postgres.
import type { BatchState } from '../queue/intake-queue.ts';
import { jitteredDelayMs, type ForwarderHealth } from './forwarder-health.ts';
import type { Ledger, LedgerEntry } from './forwarder-ledger.ts';
import type { ForwarderJournal, ForwarderListener, ForwarderQueue } from './forwarder-ports.ts';

interface WatcherOptions {
  readonly journal: ForwarderJournal;
  readonly queue: ForwarderQueue;
  readonly ledger: Ledger;
  readonly health: ForwarderHealth;
  readonly random: () => number;
  /** A batch has to be added again, or there is room for another. */
  readonly onRoom: () => void;
  readonly onEvent: ForwarderListener;
}

export interface Watcher {
  /** Throws what journal or queue throw; what it had not reached is looked up the next time. */
  lookUp(): Promise<void>;
}

/** A batch that fails again and again is put back ever more slowly, and never given up. */
const putBackBaseMs = 1_000;
const putBackLimitMs = 60_000;

export function createWatcher(options: WatcherOptions): Watcher {
  const { journal, queue, ledger, health, random, onRoom, onEvent } = options;

  async function settle(entry: LedgerEntry, state: BatchState): Promise<void> {
    switch (state) {
      case 'open':
        return;
      case 'completed':
        ledger.markStored(entry);
        return;
      case 'unknown':
        entry.phase = 'to_add';
        onEvent({ kind: 'lost', jobId: entry.jobId });
        onRoom();
        return;
      case 'failed':
        await putBack(entry);
    }
  }

  async function putBack(entry: LedgerEntry): Promise<void> {
    if (performance.now() < entry.retryAt) return;
    onEvent({ kind: 'failed', jobId: entry.jobId, retries: entry.retries });
    await queue.retry(entry.jobId);
    const times = entry.retries;
    const pauseMs = jitteredDelayMs({ random, baseMs: putBackBaseMs, limitMs: putBackLimitMs, times });
    entry.retryAt = performance.now() + pauseMs;
    entry.retries += 1;
  }

  async function release(entry: LedgerEntry): Promise<void> {
    await journal.deleteBatch(entry.bounds);
    ledger.drop(entry);
    const durationMs = Math.round(performance.now() - entry.takenAt);
    const deliveries = entry.bounds.last - entry.bounds.first + 1;
    onEvent({ kind: 'stored', jobId: entry.jobId, deliveries, durationMs });
    onRoom();
  }

  return {
    async lookUp() {
      const added = ledger.inPhase('added');
      if (added.length > 0) {
        const states = await queue.states(added.map(({ jobId }) => jobId));
        health.answered();
        for (const entry of added) await settle(entry, states.get(entry.jobId) ?? 'open');
      }
      for (const entry of ledger.inPhase('stored')) await release(entry);
    },
  };
}
