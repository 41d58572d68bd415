// Waiting for a condition in tests. Bounded, and the last failure is what the test reports.
import { setTimeout as delay } from 'node:timers/promises';

interface EventuallyOptions {
  /** How long the condition may take, milliseconds; 25 seconds when left out. */
  readonly timeoutMs?: number;
  /** Pause between two looks, milliseconds; 20 when left out. */
  readonly everyMs?: number;
}

/** Repeats `attempt` until it does not throw and returns its value; rethrows its last error when time is up. */
export async function eventually<Value>(
  attempt: () => Value | Promise<Value>,
  { timeoutMs = 25_000, everyMs = 20 }: EventuallyOptions = {},
): Promise<Value> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= endsAt) throw error;
    }
    await delay(everyMs);
  }
}

/**
 * For what must be over by a bound of its own. In the words by which vitest.config.ts tries a test once more: late on a
 * machine that others keep busy proves nothing.
 */
export function expectInTime(tookMs: number, boundMs: number): void {
  if (tookMs >= boundMs)
    throw new Error(`deadline passed: it took ${Math.round(tookMs)} ms of ${boundMs} ms`);
}
