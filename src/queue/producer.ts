// The writing side of one queue: BullMQ's Queue over a connection that fails fast.
// Nothing here waits longer than the deadline, with Redis down, frozen or half-open.
import { Queue } from 'bullmq';
import { AppError } from '../core/app-error.ts';
import { endsWithin, withDeadline } from '../core/deadline.ts';
import { openProducerConnection, refusalOf, whenConnected, type RedisClient } from './connections.ts';
import { installationKey, type QueueName } from './queue-names.ts';

export interface QueueOptions {
  readonly url: string;
  /** Key prefix of all queues, with `{…}` so that a Cluster keeps them on one slot. */
  readonly prefix: string;
  /** Bound on any single operation, milliseconds; 2,000 when left out. */
  readonly deadlineMs?: number;
  /** Connection trouble, for the log; the operations themselves throw. */
  readonly onError?: (error: Error) => void;
}

export interface Producer {
  readonly queue: Queue;
  readonly client: RedisClient;
  /** Runs one bounded operation. Throws QUEUE_UNAVAILABLE; after a time-out the operation may still have happened. */
  readonly run: <Value>(what: string, operation: () => Promise<Value>) => Promise<Value>;
  readonly readInstallation: () => Promise<string | null>;
  close(): Promise<void>;
}

const defaultDeadlineMs = 2_000;

export function openProducer(
  name: QueueName,
  { url, prefix, deadlineMs = defaultDeadlineMs, onError = () => {} }: QueueOptions,
): Producer {
  const client = openProducerConnection({ url, deadlineMs });
  const queue = new Queue(name, {
    connection: client,
    prefix,
    // Without these two a start with Redis down leaves the queue waiting for ever.
    skipWaitingForReady: true,
    skipVersionCheck: true,
  });
  queue.on('error', onError);

  async function run<Value>(what: string, operation: () => Promise<Value>): Promise<Value> {
    const bounded = async () => {
      await whenConnected(client, deadlineMs);
      return operation();
    };
    try {
      return await withDeadline(bounded(), { deadlineMs, what });
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError('QUEUE_UNAVAILABLE', `${what} failed${refusalOf(error)}`, { cause: error });
    }
  }

  return {
    queue,
    client,
    run,
    readInstallation: () => run('reading the installation', () => client.get(installationKey(prefix))),
    async close() {
      await endsWithin(queue.close(), deadlineMs);
      client.disconnect();
    },
  };
}
