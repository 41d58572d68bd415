// Whether the way to Redis is open, as the forwarder's own operations find it; told once per outage, not per try.
import { AppError } from '../core/app-error.ts';
import type { ForwarderListener } from './forwarder-ports.ts';

export interface ForwarderHealth {
  /** Returns whose failure it was. */
  failed(error: unknown): 'queue' | 'journal';
  /** The queue answered. */
  answered(): void;
  queueIsLost(): boolean;
}

export function createForwarderHealth(onEvent: ForwarderListener): ForwarderHealth {
  let lostAt: number | null = null;
  return {
    failed(error) {
      if (!(error instanceof AppError) || error.code !== 'QUEUE_UNAVAILABLE') {
        onEvent({ kind: 'journal_failed', error });
        return 'journal';
      }
      if (lostAt === null) {
        lostAt = performance.now();
        onEvent({ kind: 'queue_lost', error });
      }
      return 'queue';
    },
    answered() {
      if (lostAt === null) return;
      const outageMs = Math.round(performance.now() - lostAt);
      lostAt = null;
      onEvent({ kind: 'queue_back', outageMs });
    },
    queueIsLost: () => lostAt !== null,
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
