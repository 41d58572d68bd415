// Finds jobs that wait for a time which no pause of ours reaches: a worker put them off while its clock was wrong. Their
// ids are taken, so nobody can add them again; they are given back to the queue.
import { Queue } from 'bullmq';
import { endsWithin, withDeadline } from '../core/deadline.ts';
import { openProducerConnection, whenConnected } from './connections.ts';
import type { QueueOptions } from './producer.ts';
import { queueNames } from './queue-names.ts';

export interface StrayJobs {
  /** How many were given back; more may be left. Throws when Redis does not answer in time. */
  promote(): Promise<number>;
  close(): Promise<void>;
}

/** The longest pause is an hour. */
const strayAfterMs = 2 * 3_600_000;
/** Of each queue in one round. */
const limit = 100;
/** A score of BullMQ's delayed jobs is the time shifted by twelve bits, so that equal times keep their order. */
const scoreOfMs = 0x1000;
const defaultDeadlineMs = 5_000;

/** One connection; never waits for Redis here. */
export function openStrayJobs({ url, prefix, deadlineMs = defaultDeadlineMs }: QueueOptions): StrayJobs {
  const client = openProducerConnection({ url, deadlineMs });
  const queues = queueNames.map((name) => {
    const queue = new Queue(name, {
      connection: client,
      prefix,
      skipWaitingForReady: true,
      skipVersionCheck: true,
    });
    queue.on('error', () => {});
    return queue;
  });

  async function promoteOf(queue: Queue): Promise<number> {
    const from = (Date.now() + strayAfterMs) * scoreOfMs;
    const ids = await client.zrangebyscore(queue.toKey('delayed'), from, '+inf', 'LIMIT', 0, limit);
    for (const id of ids) {
      const job = await queue.getJob(id);
      await job?.promote();
    }
    return ids.length;
  }

  async function promoteAll(): Promise<number> {
    await whenConnected(client, deadlineMs);
    const counts = await Promise.all(queues.map((queue) => promoteOf(queue)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  return {
    promote: () => withDeadline(promoteAll(), { deadlineMs, what: 'looking for stray jobs' }),
    async close() {
      await endsWithin(Promise.all(queues.map((queue) => queue.close())), deadlineMs);
      client.disconnect();
    },
  };
}
