// A queue worker that can be exchanged under way: the dead one keeps its jobs until they end, a new one takes the next.
import { endsWithin } from '../core/deadline.ts';
import type { QueueWorker } from './queue-worker.ts';

export interface RenewableWorker extends Pick<QueueWorker, 'silentMs' | 'unaskedMs' | 'pauseAll' | 'close'> {
  renew(): void;
}

/** `deadlineMs` bounds how long a worker that was exchanged may take to end. */
export function createRenewableWorker(open: () => QueueWorker, deadlineMs: number): RenewableWorker {
  let current = open();
  const retired = new Map<QueueWorker, Promise<void>>();
  return {
    silentMs: () => current.silentMs(),
    unaskedMs: () => current.unaskedMs(),
    pauseAll: (delayMs) => current.pauseAll(delayMs),
    renew() {
      const dead = current;
      // What its jobs come to may still reach Redis, should its other connection come back.
      const ended = dead.close(deadlineMs).finally(() => retired.delete(dead));
      retired.set(dead, ended);
      current = open();
    },
    async close(closeDeadlineMs) {
      await current.close(closeDeadlineMs);
      const left = [...retired.values()];
      for (const dead of retired.keys()) dead.cut();
      await endsWithin(Promise.all(left), closeDeadlineMs);
    },
  };
}
