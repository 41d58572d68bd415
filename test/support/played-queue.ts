// A queue for tests of the forwarder: what became of a batch is what a test says, and what is asked of it is counted.
import { AppError } from '../../src/core/app-error.ts';
import { batchJobId } from '../../src/core/delivery.ts';
import type { BatchState } from '../../src/queue/intake-queue.ts';
import type { ForwarderQueue } from '../../src/receiver/forwarder-ports.ts';

/** A queue whose batches are in the state a test puts them in; `open` until then. */
export function playQueue() {
  const states = new Map<string, BatchState>();
  const listeners: ((jobId: string) => void)[] = [];
  const played = {
    added: [] as readonly string[],
    retried: [] as readonly string[],
    listeners: () => listeners.length,
    looks: 0,
    isAway: false,
    refusesRetries: false,
    become(jobId: string, state: BatchState) {
      states.set(jobId, state);
      for (const listener of listeners) listener(jobId);
    },
    tellOf(jobId: string) {
      for (const listener of listeners) listener(jobId);
    },
  };
  function mustBeThere(): void {
    if (played.isAway) throw new AppError('QUEUE_UNAVAILABLE', 'played');
  }
  const queue: ForwarderQueue = {
    async addBatch(batch) {
      mustBeThere();
      const jobId = batchJobId(batch);
      played.added = [...played.added, jobId];
      states.set(jobId, 'open');
    },
    async states(jobIds) {
      mustBeThere();
      played.looks += 1;
      return new Map(jobIds.map((jobId) => [jobId, states.get(jobId) ?? 'unknown']));
    },
    async retry(jobId) {
      mustBeThere();
      if (played.refusesRetries) throw new AppError('QUEUE_UNAVAILABLE', 'retrying a batch failed');
      played.retried = [...played.retried, jobId];
      states.set(jobId, 'open');
    },
    onSettled: (listener) => void listeners.push(listener),
    readInstallation: async () => null,
  };
  return { queue, played };
}
