// Lets at most so many run at a time; whoever comes later waits, in the order they came. It bounds nothing but their
// number: how long one may run is for whoever runs it to say.

/** Nothing was begun: whoever waited has lost nothing but time. */
export class NoTurnError extends Error {
  override readonly name = 'NoTurnError';
}

/** Rejects with NoTurnError where the signal comes before the turn; what runs already goes on. */
export type Turns = <Value>(run: () => Promise<Value>, signal?: AbortSignal) => Promise<Value>;

export function createTurns(limit: number): Turns {
  const waiting = new Set<() => void>();
  let free = limit;

  function takeTurn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      waiting.delete(begin);
      reject(new NoTurnError());
    };
    const begin = (): void => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    waiting.add(begin);
    return promise;
  }

  return async (run, signal) => {
    if (signal?.aborted) throw new NoTurnError();
    if (free > 0) free -= 1;
    else await takeTurn(signal);
    try {
      return await run();
    } finally {
      // The place goes straight to the next, so that nobody who comes now is before them.
      const [next] = waiting;
      if (next === undefined) free += 1;
      else {
        waiting.delete(next);
        next();
      }
    }
  };
}
