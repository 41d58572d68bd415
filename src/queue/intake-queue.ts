// The receiver's side of `webhook-intake`. An add that got no answer counts as unknown, never as failed:
// the same bounds give the same job id, so adding again changes nothing.
import { QueueEvents } from 'bullmq';
import { AppError } from '../core/app-error.ts';
import { endsWithin } from '../core/deadline.ts';
import { batchJobId, type JournalBatch } from '../core/delivery.ts';
import { openConsumerConnection, refusalOf } from './connections.ts';
import type { IntakeJob } from './job-schemas.ts';
import { openProducer, type QueueOptions } from './producer.ts';
import { jobOptions } from './queue-names.ts';

/** `open` = waiting, delayed or being worked on; `unknown` = Redis answered and has no such job. */
export type BatchState = 'completed' | 'failed' | 'open' | 'unknown';

/** Every method but `onSettled` and `close` throws QUEUE_UNAVAILABLE within the deadline. */
export interface IntakeQueue {
  addBatch(batch: JournalBatch): Promise<void>;
  states(jobIds: readonly string[]): Promise<Map<string, BatchState>>;
  /** Puts a failed job back with fresh attempts; a job in any other state is left as it is. */
  retry(jobId: string): Promise<void>;
  /**
   * A hint that a job completed or failed. May be missed while Redis is away: poll `states` as well. The first listener
   * opens a connection of its own, which hears of every step of every job: for whom each millisecond counts.
   */
  onSettled(listener: (jobId: string) => void): void;
  /** The id that this deployment's workers published, or null. */
  readInstallation(): Promise<string | null>;
  close(): Promise<void>;
}

const queueName = 'webhook-intake';

export function openIntakeQueue(options: QueueOptions): IntakeQueue {
  const producer = openProducer(queueName, options);
  let settled: ReturnType<typeof openSettledEvents> | undefined;
  let isClosed = false;
  const { queue, client, run } = producer;
  return {
    async addBatch(batch) {
      await run('adding a batch', () =>
        queue.add('batch', toJob(batch), { ...jobOptions[queueName], jobId: batchJobId(batch) }),
      );
    },
    async states(jobIds) {
      if (jobIds.length === 0) return new Map();
      const pipeline = client.pipeline();
      for (const jobId of jobIds) {
        pipeline.exists(queue.toKey(jobId));
        pipeline.zscore(queue.toKey('completed'), jobId);
        pipeline.zscore(queue.toKey('failed'), jobId);
      }
      const replies = await run('looking batches up', async () => pipeline.exec());
      return toStates(jobIds, replies ?? []);
    },
    async retry(jobId) {
      await run('retrying a batch', async () => {
        const job = await queue.getJob(jobId);
        if (await job?.isFailed()) await job?.retry('failed', { resetAttemptsMade: true });
      });
    },
    onSettled(listener) {
      if (isClosed) return;
      settled ??= openSettledEvents(options);
      settled.listen(listener);
    },
    readInstallation: producer.readInstallation,
    async close() {
      isClosed = true;
      await Promise.all([producer.close(), settled?.close()]);
    },
  };
}

function toJob({ journalId, deliveries }: JournalBatch): IntakeJob {
  return {
    v: 1,
    journalId,
    deliveries: deliveries.map(({ sequence, receivedAt, proof, sealed }) => ({
      sequence,
      receivedAt,
      proof,
      sealed: sealed.toBase64(),
    })),
  };
}

type Reply = [error: Error | null, result: unknown];

function toStates(jobIds: readonly string[], replies: readonly Reply[]): Map<string, BatchState> {
  const states = new Map<string, BatchState>();
  for (const [index, jobId] of jobIds.entries()) {
    const [exists, completed, failed] = replies.slice(index * 3, index * 3 + 3);
    if (exists === undefined || completed === undefined || failed === undefined) throw unanswered();
    const error = exists[0] ?? completed[0] ?? failed[0];
    if (error !== null) throw unanswered(error);
    states.set(jobId, toState(exists[1], completed[1], failed[1]));
  }
  return states;
}

function toState(exists: unknown, completedAt: unknown, failedAt: unknown): BatchState {
  if (exists === 0) return 'unknown';
  if (completedAt !== null) return 'completed';
  return failedAt === null ? 'open' : 'failed';
}

function unanswered(cause?: Error): AppError {
  const what = `looking batches up was answered in part${refusalOf(cause)}`;
  return new AppError('QUEUE_UNAVAILABLE', what, { cause });
}

function openSettledEvents({ url, prefix, onError = () => {} }: QueueOptions) {
  const connection = openConsumerConnection(url);
  // BullMQ reads events on a duplicate of what it is given; this connection is for nothing else.
  const events = new QueueEvents(queueName, {
    connection: Object.assign(connection, { duplicate: () => connection }),
    prefix,
    skipVersionCheck: true,
  });
  events.on('error', onError);
  return {
    listen(listener: (jobId: string) => void) {
      events.on('completed', ({ jobId }) => listener(jobId));
      events.on('failed', ({ jobId }) => listener(jobId));
    },
    async close() {
      connection.disconnect();
      await endsWithin(events.close(), 1_000);
    },
  };
}
