// How much waits in each queue and for how long, and whether Redis would throw it away, for the metrics. Reads only.
import { Queue } from 'bullmq';
import { endsWithin, withDeadline } from '../core/deadline.ts';
import { openProducerConnection, whenConnected } from './connections.ts';
import type { QueueOptions } from './producer.ts';
import { queueNames, type QueueName } from './queue-names.ts';
import { parseRedisInfo, readInfo } from './redis-facts.ts';

export interface QueueDepth {
  readonly queueName: QueueName;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly failed: number;
  /** Since the job that is next in turn was added; 0 when none waits. */
  readonly oldestSeconds: number;
}

export interface QueuesMeasured {
  readonly queues: readonly QueueDepth[];
  /** null: Redis does not say. */
  readonly evicts: boolean | null;
}

export interface QueueMeasure {
  /** Throws when Redis does not answer in time. */
  measure(): Promise<QueuesMeasured>;
  close(): Promise<void>;
}

const defaultDeadlineMs = 5_000;

/** One connection; never waits for Redis here. */
export function openQueueMeasure({
  url,
  prefix,
  deadlineMs = defaultDeadlineMs,
}: QueueOptions): QueueMeasure {
  const client = openProducerConnection({ url, deadlineMs });
  const queues = queueNames.map((queueName) => {
    const queue = new Queue(queueName, {
      connection: client,
      prefix,
      skipWaitingForReady: true,
      skipVersionCheck: true,
    });
    queue.on('error', () => {});
    return { queueName, queue };
  });

  async function measureAll(): Promise<QueuesMeasured> {
    await whenConnected(client, deadlineMs);
    const info = await readInfo(client);
    const policy = info === null ? null : parseRedisInfo(info).evictionPolicy;
    return {
      queues: await Promise.all(queues.map(measureOne)),
      evicts: policy === null ? null : policy !== 'noeviction',
    };
  }

  return {
    measure: () => withDeadline(measureAll(), { deadlineMs, what: 'measuring the queues' }),
    async close() {
      await endsWithin(Promise.all(queues.map(({ queue }) => queue.close())), deadlineMs);
      client.disconnect();
    },
  };
}

async function measureOne({ queueName, queue }: { queueName: QueueName; queue: Queue }): Promise<QueueDepth> {
  const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed');
  const [waiting, prioritized] = await Promise.all([
    queue.getJobs(['waiting'], 0, 0, true),
    queue.getJobs(['prioritized'], 0, 0, true),
  ]);
  // A job may have gone between its place in the list and its data.
  const addedMs = [...waiting, ...prioritized].flatMap((job) => job?.timestamp ?? []);
  return {
    queueName,
    waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0),
    active: counts['active'] ?? 0,
    delayed: counts['delayed'] ?? 0,
    failed: counts['failed'] ?? 0,
    // Of the clock that added it, which may be ahead of ours.
    oldestSeconds: addedMs.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...addedMs)) / 1000,
  };
}
