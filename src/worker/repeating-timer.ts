// Runs something again and again, one run at a time: after a pause, or at once when woken. Never lets a failed run
// end the repetition.

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
  readonly run: () => Promise<TimerAnswer>;
  readonly onError: (error: unknown) => void;
}

export type TimerAnswer = 'again' | 'soon' | 'rest';

const soonMs = 1_000;

/** The first run comes at once. */
export function startTimer({ intervalMs, jitter = 0, run, onError }: TimerOptions): RepeatingTimer {
  const closing = new AbortController();
  let woken = false;
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
      return await run();
    } catch (error) {
      onError(error);
      return 'rest';
    }
  }

  function pause(aboutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const pauseMs = aboutMs * (1 + jitter * (2 * Math.random() - 1));
      const timer = setTimeout(resolve, pauseMs);
      endPause = () => {
        clearTimeout(timer);
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
