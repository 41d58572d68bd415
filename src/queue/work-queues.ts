// The workers' side of writing: jobs for events and for calls to Lean. Both are made from rows in Postgres and
// can be made again from them, so nothing is lost with Redis; an id that is already queued is left as it is.
import type { EventJob, SyncJob } from './job-schemas.ts';
import { openProducer, type Producer, type QueueOptions } from './producer.ts';
import { installationKey, jobOptions, type QueueName } from './queue-names.ts';

export interface EventQueueJob {
  /** From `eventJobId`. */
  readonly id: string;
  readonly data: EventJob;
}

export interface SyncQueueJob {
  readonly id: string;
  readonly data: SyncJob;
  /** 1 is first; jobs of one priority run in the order they came. */
  readonly priority: number;
  /** Milliseconds before the job may start. */
  readonly delayMs?: number;
}

/** Every method but `close` throws QUEUE_UNAVAILABLE within the deadline; jobs may have been added all the same. */
export interface EventQueue {
  add(jobs: readonly EventQueueJob[]): Promise<void>;
  /** Publishes `id` unless another is there, and returns the one that is there afterwards. */
  publishInstallation(id: string): Promise<string>;
  close(): Promise<void>;
}

/** As EventQueue. */
export interface SyncQueue {
  add(jobs: readonly SyncQueueJob[]): Promise<void>;
  close(): Promise<void>;
}

export function openEventQueue(options: QueueOptions): EventQueue {
  const producer = openProducer('webhook-events', options);
  const key = installationKey(options.prefix);
  return {
    add: (jobs) => addAll(producer, 'webhook-events', jobs),
    async publishInstallation(id) {
      const held = await producer.run('publishing the installation', async () => {
        await producer.client.set(key, id, 'NX');
        return producer.client.get(key);
      });
      return held ?? id;
    },
    close: () => producer.close(),
  };
}

export function openSyncQueue(options: QueueOptions): SyncQueue {
  const producer = openProducer('lean-sync', options);
  return {
    add: (jobs) => addAll(producer, 'lean-sync', jobs),
    close: () => producer.close(),
  };
}

interface AnyJob {
  readonly id: string;
  readonly data: EventJob | SyncJob;
  readonly priority?: number;
  readonly delayMs?: number;
}

/** Small enough for one round trip to stay far below the deadline, also on the embedded server (some 100 adds a second). */
const chunkSize = 50;

async function addAll({ queue, run }: Producer, name: QueueName, jobs: readonly AnyJob[]): Promise<void> {
  for (let start = 0; start < jobs.length; start += chunkSize) {
    const chunk = jobs.slice(start, start + chunkSize).map(({ id, data, priority, delayMs }) => ({
      name: 'kind' in data ? data.kind : 'event',
      data,
      opts: {
        ...jobOptions[name],
        jobId: id,
        ...(priority === undefined ? {} : { priority }),
        ...(delayMs === undefined ? {} : { delay: delayMs }),
      },
    }));
    await run('adding jobs', async () => {
      const added = await queue.addBulk(chunk);
      // A refused entry does not reject: its answer is a negative number in the id's place.
      const refused = added.filter((job) => String(job.id).startsWith('-')).length;
      if (refused > 0) throw new Error(`${refused} of ${chunk.length} jobs were refused`);
    });
  }
}
