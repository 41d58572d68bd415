// Whether the way out of the journal is open, as the forwarder's own operations find it; told once per outage of
// Redis or of the journal, not per try.
import { AppError } from '../core/app-error.ts';
import type { Clock } from '../core/clock.ts';
import type { ForwarderListener } from './forwarder-ports.ts';

/** Two loops use the journal, and one may fail while the other does not. */
export type JournalWork = 'adding' | 'releasing';

export interface ForwarderHealth {
  /** Returns whose failure it was. `work` is what was done with the journal, should it be the journal's. */
  failed(error: unknown, work: JournalWork): 'queue' | 'journal';
  queueAnswered(): void;
  /** The journal did what this work needs of it. */
  journalAnswered(work: JournalWork): void;
  queueIsLost(): boolean;
}

export function createForwarderHealth(onEvent: ForwarderListener, clock: Clock): ForwarderHealth {
  const queue = createOutage({
    clock,
    onLost: (error) => onEvent({ kind: 'queue_lost', error }),
    onBack: (outageMs) => onEvent({ kind: 'queue_back', outageMs }),
  });
  const journal = createOutage({
    clock,
    onLost: (error) => onEvent({ kind: 'journal_failed', error }),
    onBack: (outageMs) => onEvent({ kind: 'journal_back', outageMs }),
  });
  const failingWork = new Set<JournalWork>();
  return {
    failed(error, work) {
      if (error instanceof AppError && error.code === 'QUEUE_UNAVAILABLE') {
        queue.failed(error);
        return 'queue';
      }
      failingWork.add(work);
      journal.failed(error);
      return 'journal';
    },
    queueAnswered: () => queue.answered(),
    journalAnswered(work) {
      failingWork.delete(work);
      if (failingWork.size === 0) journal.answered();
    },
    queueIsLost: () => queue.lasts(),
  };
}

interface OutageOptions {
  readonly clock: Clock;
  readonly onLost: (error: unknown) => void;
  /** How long it lasted, milliseconds. */
  readonly onBack: (outageMs: number) => void;
}

function createOutage({ clock, onLost, onBack }: OutageOptions) {
  let lostAt: number | null = null;
  return {
    failed(error: unknown) {
      if (lostAt !== null) return;
      lostAt = clock.nowMs();
      onLost(error);
    },
    answered() {
      if (lostAt === null) return;
      const outageMs = Math.round(clock.nowMs() - lostAt);
      lostAt = null;
      onBack(outageMs);
    },
    lasts: () => lostAt !== null,
  };
}

interface JitterOptions {
  readonly random: () => number;
  readonly baseMs: number;
  readonly limitMs: number;
  /** How often it failed before. */
  readonly times: number;
}

/** Full jitter, so that many receivers do not come back at the same moment. */
export function jitteredDelayMs({ random, baseMs, limitMs, times }: JitterOptions): number {
  return random() * Math.min(baseMs * 2 ** Math.min(times, 20), limitMs);
}
