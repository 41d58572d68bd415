// The simulator's time: the machine's, run faster on demand, or one that stands still until a test moves it.

export interface SimulatorClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves when `instantMs` has come; rejects with the signal's reason when aborted. */
  waitUntil(instantMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock; with `speed` 60 a minute of Lean's schedule takes a second. */
export function createRealClock({ speed = 1 }: { speed?: number } = {}): SimulatorClock {
  const startedAt = Date.now();
  const now = () => startedAt + (Date.now() - startedAt) * speed;
  return {
    now,
    waitUntil(instantMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(reasonOf(signal));
          return;
        }
        const stop = () => {
          clearTimeout(timer);
          reject(reasonOf(signal));
        };
        const timer = setTimeout(
          () => {
            signal?.removeEventListener('abort', stop);
            resolve();
          },
          Math.max(0, (instantMs - now()) / speed),
        );
        signal?.addEventListener('abort', stop, { once: true });
      });
    },
  };
}

export interface VirtualClock extends SimulatorClock {
  /** How many are waiting for a later instant. */
  readonly waiting: number;
  /** Moves time forward and wakes whoever's instant has come. */
  advance(ms: number): void;
}

/** Stands still but for `advance`. `start` is milliseconds since 1970. */
export function createVirtualClock({ start = Date.UTC(2026, 4, 13) }: { start?: number } = {}): VirtualClock {
  let nowMs = start;
  let waiters: { instantMs: number; wake: () => void }[] = [];
  return {
    now: () => nowMs,
    get waiting() {
      return waiters.length;
    },
    waitUntil(instantMs, signal) {
      if (instantMs <= nowMs) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const waiter = { instantMs, wake: resolve };
        waiters.push(waiter);
        signal?.addEventListener(
          'abort',
          () => {
            waiters = waiters.filter((one) => one !== waiter);
            reject(reasonOf(signal));
          },
          { once: true },
        );
      });
    },
    advance(ms) {
      nowMs += ms;
      const due = waiters.filter(({ instantMs }) => instantMs <= nowMs);
      waiters = waiters.filter(({ instantMs }) => instantMs > nowMs);
      for (const { wake } of due) wake();
    },
  };
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('stopped');
}
