// The service's own queue interfaces over the model of Redis: what a producer sees (an answer, or QUEUE_UNAVAILABLE
// within its deadline) and what a runner makes of a handler's verdict.
import { AppError } from '../../src/core/app-error.ts';
import { batchJobId, type JournalBatch } from '../../src/core/delivery.ts';
import type { BatchState } from '../../src/queue/intake-queue.ts';
import type { JobHandler } from '../../src/queue/job-processor.ts';
import { jobSchemas } from '../../src/queue/job-schemas.ts';
import type { QueueName } from '../../src/queue/queue-names.ts';
import type { EventQueue } from '../../src/queue/work-queues.ts';
import type { ForwarderQueue } from '../../src/receiver/forwarder-ports.ts';
import type { ModelRedis, Taken } from './model-redis.ts';
import type { Life, Schedule } from './schedule.ts';

interface QueueParts {
  readonly schedule: Schedule;
  readonly redis: ModelRedis;
  readonly life: Life;
}

const deadlineMs = 2_000;
const jobDeadlineMs = 60_000;
const attempts = 10;

export function openModelIntakeQueue(parts: QueueParts): ForwarderQueue {
  const { redis, life } = parts;
  const queue = 'webhook-intake';
  return {
    addBatch: (batch) => {
      const id = batchJobId(batch);
      return ask(parts, `add ${id}`, () => redis.add(queue, { id, data: toJob(batch) }));
    },
    states: (jobIds) =>
      ask(parts, 'states', () => new Map(jobIds.map((jobId) => [jobId, stateOf(redis, jobId)]))),
    retry: (jobId) =>
      ask(parts, `retry ${jobId}`, () => {
        const job = redis.find(queue, jobId);
        if (job?.state !== 'failed') return;
        job.attemptsMade = 0;
        redis.putBack(job, 0);
      }),
    onSettled: (listener) => redis.onSettled(life, listener),
    readInstallation: () => ask(parts, 'installation', () => redis.installation),
  };
}

export function openModelWorkQueue(
  parts: QueueParts,
  queue: QueueName,
): Pick<EventQueue, 'publishInstallation'> & {
  add(jobs: readonly { readonly id: string; readonly data: unknown }[]): Promise<void>;
} {
  const { redis } = parts;
  return {
    add: (jobs) =>
      ask(parts, `add ${jobs.length} to ${queue}`, () => {
        for (const job of jobs) redis.add(queue, job);
      }),
    publishInstallation: (id) => ask(parts, 'publish', () => (redis.installation ??= id)),
  };
}

/** A timed-out operation may still happen, as with the real one. */
function ask<Value>({ schedule, redis, life }: QueueParts, what: string, act: () => Value): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const refuse = () => reject(new AppError('QUEUE_UNAVAILABLE', `${what} failed`));
  const cancel = schedule.clockOf(life).after(deadlineMs, refuse);
  redis.attempt(life, what, act, {
    onValue(value) {
      cancel();
      resolve(value);
    },
    onRefused: refuse,
  });
  return promise;
}

function stateOf(redis: ModelRedis, jobId: string): BatchState {
  const job = redis.find('webhook-intake', jobId);
  if (job === undefined) return 'unknown';
  return job.state === 'completed' || job.state === 'failed' ? job.state : 'open';
}

function toJob({ journalId, deliveries }: JournalBatch) {
  return {
    v: 1,
    journalId,
    deliveries: deliveries.map(({ sealed, ...delivery }) => ({
      ...delivery,
      sealed: Buffer.from(sealed).toString('base64'),
    })),
  };
}

interface RunnerParts<Name extends QueueName> extends QueueParts {
  readonly queue: Name;
  readonly slots: number;
  readonly handle: JobHandler<Name>;
}

/** What job-processor.ts and BullMQ do with a handler, in the order in which they tell Redis. */
export function runModelJobs<Name extends QueueName>(parts: RunnerParts<Name>): void {
  const { redis, life, queue, slots } = parts;
  redis.consume(life, { queue, slots, take: (taken) => runJob(parts, taken) });
}

async function runJob<Name extends QueueName>(parts: RunnerParts<Name>, taken: Taken): Promise<void> {
  const { schedule, redis, life, queue, handle } = parts;
  const { job, token } = taken;
  const { id } = job;
  const aborting = new AbortController();
  const cancel = schedule.clockOf(life).after(jobDeadlineMs, () => aborting.abort(new Error('too late')));
  /** Only who holds the job may move it. */
  const move = (what: string, run: (held: typeof job) => void) =>
    redis.insist(life, `${what} ${id}`, () => {
      const held = redis.find(queue, id);
      if (held !== undefined && held.token === token) run(held);
    });
  try {
    const data = jobSchemas[queue].parse(job.data);
    const verdict = await handle({ id, data, attempt: job.attemptsMade + 1, attempts }, aborting.signal);
    if (verdict.kind === 'done') {
      const { replaceData } = verdict;
      // BullMQ asks for no lock here.
      if (replaceData !== undefined)
        await redis.insist(life, `replace ${id}`, () => {
          const found = redis.find(queue, id);
          if (found !== undefined) found.data = replaceData;
        });
      await move('complete', (held) => redis.finish(held, 'completed'));
    } else await move('later', (held) => redis.putBack(held, verdict.delayMs));
  } catch (error) {
    schedule.note(`${life.name} fails at ${id}: ${error instanceof Error ? error.message : 'unknown'}`);
    const delayMs = Math.min(500 * 2 ** job.attemptsMade, 60_000) * (0.5 + schedule.random.next() / 2);
    await move('fail', (held) => {
      held.attemptsMade += 1;
      if (held.attemptsMade >= attempts) redis.finish(held, 'failed');
      else redis.putBack(held, delayMs);
    });
  } finally {
    cancel();
  }
}
