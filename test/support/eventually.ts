// Waiting for a condition in tests. Bounded, and the last failure is what the test reports.
import { setTimeout as delay } from 'node:timers/promises';

interface EventuallyOptions {
  /** How long the condition may take, milliseconds; 10 seconds when left out. */
  readonly timeoutMs?: number;
  /** Pause between two looks, milliseconds; 20 when left out. */
  readonly everyMs?: number;
}

/** Repeats `attempt` until it does not throw and returns its value; rethrows its last error when time is up. */
export async function eventually<Value>(
  attempt: () => Value | Promise<Value>,
  { timeoutMs = 10_000, everyMs = 20 }: EventuallyOptions = {},
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
