// The other end of a batch: looks up what became of it and lets its rows go once it is in Postgres.
import type { Clock } from '../core/clock.ts';
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
  readonly clock: Clock;
  /** A batch has to be added again, or there is room for another. */
  readonly onRoom: () => void;
  readonly onEvent: ForwarderListener;
}

export interface Watcher {
  /**
   * Never throws: what fails is reported and tried again at the next look. `failed` when something did fail, else
   * `stored` when rows left the journal.
   */
  lookUp(): Promise<'failed' | 'stored' | 'nothing'>;
}

/** A batch that fails again and again is put back ever more slowly, and never given up. */
const putBackBaseMs = 1_000;
const putBackLimitMs = 60_000;

export function createWatcher(options: WatcherOptions): Watcher {
  const { journal, queue, ledger, health, random, clock, onRoom, onEvent } = options;

  /** Notes what became of every batch, and returns those that the workers gave up; null when Redis did not answer. */
  async function noteStates(): Promise<LedgerEntry[] | null> {
    const added = ledger.inPhase('added');
    if (added.length === 0) return [];
    try {
      const states = await queue.states(added.map(({ jobId }) => jobId));
      health.queueAnswered();
      return added.filter((entry) => note(entry, states.get(entry.jobId) ?? 'open') === 'failed');
    } catch (error) {
      health.failed(error, 'releasing');
      return null;
    }
  }

  function note(entry: LedgerEntry, state: BatchState): BatchState {
    if (state === 'completed') ledger.markStored(entry);
    if (state === 'unknown') {
      entry.phase = 'to_add';
      onEvent({ kind: 'lost', jobId: entry.jobId });
      onRoom();
    }
    return state;
  }

  async function release(entry: LedgerEntry): Promise<boolean> {
    try {
      await journal.deleteBatch(entry.bounds);
    } catch (error) {
      health.failed(error, 'releasing');
      return false;
    }
    health.journalAnswered('releasing');
    ledger.drop(entry);
    const durationMs = Math.round(clock.nowMs() - entry.takenAt);
    const deliveries = entry.bounds.last - entry.bounds.first + 1;
    onEvent({ kind: 'stored', jobId: entry.jobId, deliveries, durationMs });
    onRoom();
    return true;
  }

  async function putBack(entry: LedgerEntry): Promise<void> {
    if (clock.nowMs() < entry.retryAt) return;
    const { jobId, retries } = entry;
    // Before the try, so that a batch that cannot be put back is not tried at every look.
    const pause = { random, baseMs: putBackBaseMs, limitMs: putBackLimitMs, times: retries };
    entry.retryAt = clock.nowMs() + jitteredDelayMs(pause);
    entry.retries += 1;
    try {
      await queue.retry(jobId);
      onEvent({ kind: 'failed', jobId, retries });
    } catch (error) {
      onEvent({ kind: 'retry_refused', jobId, retries, error });
    }
  }

  return {
    async lookUp() {
      const failed = await noteStates();
      // All at once, so that they leave the journal in one transaction.
      const released = await Promise.all(ledger.inPhase('stored').map(release));
      // Last and all at once: a batch that fails holds no other back, and together they take one deadline.
      await Promise.all((failed ?? []).map(putBack));
      if (failed === null || released.includes(false)) return 'failed';
      return released.length > 0 ? 'stored' : 'nothing';
    },
  };
}
