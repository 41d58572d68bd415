// Runs something again and again, one run at a time: after a pause, or at once when woken. Never lets a failed run
// end the repetition.
import { machineClock, type Clock } from '../core/clock.ts';

export interface RepeatingTimer {
  /** Cuts the pause short; during a run, another follows it at once. Wakes in between count once. */
  wake(): void;
  /** Starts no further run and waits for the one under way. */
  close(): Promise<void>;
}

interface TimerOptions {
  /** Between the end of a run and the next one. */
  readonly intervalMs: number;
  /** The pause varies by up to this part of itself either way, so that workers do not march in step; 0 when left out. */
  readonly jitter?: number;
  /** `again`: there is more, go on without a pause; `soon`: something could not be done, try again in a second. */
  readonly run: (closing: AbortSignal) => Promise<TimerAnswer>;
  /** `isNew`: the run before did not fail, so whoever wants one line for an outage writes it now. */
  readonly onError: (error: unknown, isNew: boolean) => void;
  /** The machine's when left out. */
  readonly clock?: Clock;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
}

export type TimerAnswer = 'again' | 'soon' | 'rest';

const soonMs = 1_000;

/** The first run comes at once. */
export function startTimer(options: TimerOptions): RepeatingTimer {
  const { intervalMs, jitter = 0, run, onError, clock = machineClock, random = Math.random } = options;
  const closing = new AbortController();
  let woken = false;
  let isFailing = false;
  let endPause: (() => void) | null = null;

  async function repeat(): Promise<void> {
    while (!closing.signal.aborted) {
      woken = false;
      const answer = await runSafely();
      if (answer === 'again' || woken || closing.signal.aborted) continue;
      await pause(answer === 'soon' ? soonMs : intervalMs);
    }
  }

  async function runSafely(): Promise<TimerAnswer> {
    try {
      const answer = await run(closing.signal);
      isFailing = false;
      return answer;
    } catch (error) {
      onError(error, !isFailing);
      isFailing = true;
      return 'rest';
    }
  }

  function pause(aboutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const pauseMs = aboutMs * (1 + jitter * (2 * random() - 1));
      const cancel = clock.after(pauseMs, resolve);
      endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  const repeating = repeat();
  return {
    wake() {
      woken = true;
      endPause?.();
    },
    async close() {
      closing.abort();
      endPause?.();
      await repeating;
    },
  };
}
