// A bell between two loops of the forwarder: rung while nobody listens, it is heard by the next who does.
import type { Clock } from '../core/clock.ts';

export interface Wake {
  ring(): void;
  /** Resolves at the next ring, at once when it rang since the last wait, or after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void>;
}

export function createWake(clock: Clock): Wake {
  let rung = false;
  let heard: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      heard?.();
    },
    async wait(timeoutMs) {
      if (!rung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const cancel = clock.after(timeoutMs, resolve);
        heard = resolve;
        await promise;
        cancel();
        heard = undefined;
      }
      rung = false;
    },
  };
}
