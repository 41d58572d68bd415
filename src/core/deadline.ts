// A bound on anything that waits. What comes later than its bound is never an unhandled rejection.
import { machineClock, type Clock } from './clock.ts';

interface DeadlineOptions {
  /** Below zero counts as zero. */
  readonly deadlineMs: number;
  /** Said of the work when the time is up: "adding a batch". */
  readonly what: string;
  /** The machine's when left out. */
  readonly clock?: Clock;
}

/** Its own class, so that a caller can tell "too late" from whatever the work itself throws. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Settles as `work` does, or rejects with DeadlineError after `deadlineMs`. The work itself goes on: its outcome is
 * then unknown.
 */
export async function withDeadline<Value>(
  work: Promise<Value>,
  { deadlineMs, what, clock = machineClock }: DeadlineOptions,
): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const cancel = clock.after(deadlineMs, () => {
    reject(new DeadlineError(`${what}: no answer within ${deadlineMs} ms`));
  });
  work.then(resolve, reject);
  try {
    return await promise;
  } finally {
    cancel();
  }
}

/** For closing: waits for `work` no longer than the deadline and never throws. True when it ended by itself. */
export async function endsWithin(work: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  try {
    await withDeadline(work, { deadlineMs, what: 'closing' });
    return true;
  } catch {
    return false;
  }
}
