import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { batchJobId } from '../../src/core/delivery.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import type { JobHandler, RunnerJob } from '../../src/queue/job-processor.ts';
import { startJobRunner, type JobRunnerOptions, type RunnerEvent } from '../../src/queue/job-runner.ts';
import type { SyncJob } from '../../src/queue/job-schemas.ts';
import { openSyncQueue } from '../../src/queue/work-queues.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { makeBatch } from '../support/intake-batches.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const url = engines.redisUrl;
const step: SyncJob = { kind: 'step', syncId: 's', stepKey: 'accounts' };

function syncQueue(prefix: string) {
  const queue = openSyncQueue({ url, prefix, deadlineMs: 20_000 });
  closers.push(() => queue.close());
  return queue;
}

type SyncRunnerWish = Partial<JobRunnerOptions<'lean-sync'>> & {
  prefix: string;
  handle: JobHandler<'lean-sync'>;
};

function runSync(wish: SyncRunnerWish) {
  const runner = startJobRunner({ queueName: 'lean-sync', url, concurrency: 2, probeEveryMs: 100, ...wish });
  closers.push(() => runner.close({ handBack: true, deadlineMs: 1_000 }));
  return runner;
}

function look(name: string, prefix: string): Queue {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(name, { connection, prefix });
  closers.push(async () => {
    await queue.close();
    connection.disconnect();
  });
  return queue;
}

describe('a job runner', () => {
  it('hands a job over with its id and parsed data, and a finished id can be added again', async () => {
    const prefix = uniquePrefix();
    const jobs: RunnerJob<'lean-sync'>[] = [];
    runSync({
      prefix,
      handle: async (job) => {
        jobs.push(job);
        return { kind: 'done' };
      },
    });
    const queue = syncQueue(prefix);
    await queue.add([{ id: 'sy_1', data: step, priority: 1 }]);
    await eventually(() => expect(jobs).toEqual([{ id: 'sy_1', data: step, attempt: 1, attempts: 10 }]));
    await eventually(async () => {
      await queue.add([{ id: 'sy_1', data: step, priority: 1 }]);
      expect(jobs.length).toBeGreaterThan(1);
    });
  });

  it('runs a job again later without spending an attempt', async () => {
    const prefix = uniquePrefix();
    const attempts: number[] = [];
    runSync({
      prefix,
      handle: async ({ attempt }) => {
        attempts.push(attempt);
        return attempts.length < 15 ? { kind: 'later', delayMs: 1 } : { kind: 'done' };
      },
    });
    await syncQueue(prefix).add([{ id: 'sy_1', data: step, priority: 1 }]);
    await eventually(() => expect(attempts).toEqual(Array.from({ length: 15 }, () => 1)));
    await eventually(async () => expect(await look('lean-sync', prefix).getJobCountByTypes()).toBe(0));
  });

  it('spends an attempt on a throw, retries with back-off, and tells which failure was the last', async () => {
    const prefix = uniquePrefix();
    const events: RunnerEvent[] = [];
    const attempts: number[] = [];
    runSync({
      prefix,
      onEvent: (event) => events.push(event),
      handle: async ({ attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new AppError('QUEUE_UNAVAILABLE', 'secret words of a bank');
        return { kind: 'done' };
      },
    });
    await syncQueue(prefix).add([{ id: 'sy_1', data: step, priority: 1 }]);
    const failedReason = await eventually(async () => {
      const [job] = await look('lean-sync', prefix).getDelayed();
      expect(job?.stacktrace).toEqual([]);
      return job?.failedReason;
    });
    expect(failedReason).toBe('QUEUE_UNAVAILABLE');
    await eventually(() => expect(attempts).toEqual([1, 2, 3]));
    expect(events.filter(({ kind }) => kind === 'attempt_failed')).toMatchObject([
      { jobId: 'sy_1', attempt: 1, final: false },
      { jobId: 'sy_1', attempt: 2, final: false },
    ]);
  });

  it('pauses the queue for every worker and spends no attempt, then starts with the same job', async () => {
    const prefix = uniquePrefix();
    const started: { id: string; attempt: number; at: number }[] = [];
    const handle: JobHandler<'lean-sync'> = async ({ id, attempt }) => {
      started.push({ id, attempt, at: performance.now() });
      return started.length === 1 ? { kind: 'paused', delayMs: 1_500 } : { kind: 'done' };
    };
    const runners = [
      runSync({ prefix, handle, concurrency: 1 }),
      runSync({ prefix, handle, concurrency: 1 }),
    ];
    await eventually(() => expect(runners.map((runner) => runner.state().ok)).toEqual([true, true]));
    const queue = syncQueue(prefix);
    await queue.add([{ id: 'sy_1', data: step, priority: 1 }]);
    await eventually(() => expect(started).toHaveLength(1));
    await queue.add([{ id: 'sy_2', data: step, priority: 1 }]);
    await eventually(() => expect(started).toHaveLength(3));
    const [first, ...others] = started;
    expect(others.map(({ id }) => id).toSorted()).toEqual(['sy_1', 'sy_2']);
    expect(others.every(({ attempt }) => attempt === 1)).toBe(true);
    for (const { at } of others) expect(at - (first?.at ?? 0)).toBeGreaterThan(1_300);
    expect(runners.map((runner) => runner.state().ok)).toEqual([true, true]);
  });

  it('starts no more jobs per second than its limit, all workers together', async () => {
    const prefix = uniquePrefix();
    const startedAt: number[] = [];
    const handle: JobHandler<'lean-sync'> = async () => {
      startedAt.push(performance.now());
      return { kind: 'done' };
    };
    const ids = Array.from({ length: 9 }, (_, index) => `sy_${index}`);
    await syncQueue(prefix).add(ids.map((id) => ({ id, data: step, priority: 1 })));
    runSync({ prefix, handle, rateLimit: 3 });
    runSync({ prefix, handle, rateLimit: 3 });
    await eventually(() => expect(startedAt).toHaveLength(9));
    // Were each to count for itself, a second would do.
    expect((startedAt[8] ?? 0) - (startedAt[0] ?? 0)).toBeGreaterThan(1_400);
  });

  it('replaces a stored batch by its mark and keeps its id completed, so bodies leave Redis', async () => {
    const prefix = uniquePrefix();
    const intake = openIntakeQueue({ url, prefix, deadlineMs: 20_000 });
    const settled: string[] = [];
    intake.onSettled((jobId) => settled.push(jobId));
    closers.push(() => intake.close());
    const seen: unknown[] = [];
    const runner = startJobRunner({
      queueName: 'webhook-intake',
      url,
      prefix,
      concurrency: 1,
      handle: async ({ data }) => {
        seen.push('stored' in data ? data : data.deliveries.length);
        return { kind: 'done', replaceData: { stored: true } };
      },
    });
    closers.push(() => runner.close());
    const batch = makeBatch({ journalId: randomUUID(), first: 1, last: 4 });
    const jobId = batchJobId(batch);
    await intake.addBatch(batch);
    await eventually(async () => expect((await intake.states([jobId])).get(jobId)).toBe('completed'));
    await eventually(() => expect(settled).toContain(jobId));
    expect((await look('webhook-intake', prefix).getJob(jobId))?.data).toEqual({ stored: true });
    await intake.addBatch(batch);
    expect((await intake.states([jobId])).get(jobId)).toBe('completed');
    expect(seen).toEqual([4]);
  });

  it('fails a batch it cannot read, and the receiver can have it retried', async () => {
    const prefix = uniquePrefix();
    const intake = openIntakeQueue({ url, prefix, deadlineMs: 20_000 });
    closers.push(() => intake.close());
    const events: RunnerEvent[] = [];
    const queue = look('webhook-intake', prefix);
    const jobId = `in_${randomUUID()}_1-1`;
    await queue.add('batch', { v: 2 }, { jobId, attempts: 3 });
    const runner = startJobRunner({
      queueName: 'webhook-intake',
      url,
      prefix,
      concurrency: 1,
      handle: async () => ({ kind: 'done' }),
      onEvent: (event) => events.push(event),
    });
    closers.push(() => runner.close());
    await eventually(async () => expect((await intake.states([jobId])).get(jobId)).toBe('failed'));
    expect(events).toMatchObject([{ kind: 'attempt_failed', final: true, error: { code: 'JOB_MALFORMED' } }]);
    await queue.getJob(jobId).then((job) => job?.updateData({ stored: true }));
    await intake.retry(jobId);
    await eventually(async () => expect((await intake.states([jobId])).get(jobId)).toBe('completed'));
    await intake.retry(jobId);
    expect((await intake.states([jobId])).get(jobId)).toBe('completed');
  });

  it('hands its jobs back at once when it stops, without spending an attempt', async () => {
    const prefix = uniquePrefix();
    const attempts: number[] = [];
    const runner = runSync({
      prefix,
      handle: async ({ attempt }, signal) => {
        attempts.push(attempt);
        const { promise, reject } = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => reject(signal.reason));
        return promise;
      },
    });
    await syncQueue(prefix).add([
      { id: 'sy_1', data: step, priority: 2 },
      { id: 'sy_2', data: step, priority: 1 },
    ]);
    await eventually(() => expect(attempts).toEqual([1, 1]));
    const startedAt = performance.now();
    await runner.close({ handBack: true, deadlineMs: 4_000 });
    expectInTime(performance.now() - startedAt, 3_500);
    const waiting = await look('lean-sync', prefix).getPrioritized();
    expect(waiting.map(({ id, attemptsMade }) => ({ id, attemptsMade }))).toEqual([
      { id: 'sy_2', attemptsMade: 0 },
      { id: 'sy_1', attemptsMade: 0 },
    ]);
  });

  it('lets a job finish when it stops without handing back', async () => {
    const prefix = uniquePrefix();
    const mayFinish = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    let aborted = true;
    const runner = runSync({
      prefix,
      handle: async (_job, signal) => {
        started.resolve();
        await mayFinish.promise;
        aborted = signal.aborted;
        return { kind: 'done' };
      },
    });
    await syncQueue(prefix).add([{ id: 'sy_1', data: step, priority: 1 }]);
    await started.promise;
    const closed = runner.close();
    mayFinish.resolve();
    await closed;
    expect(aborted).toBe(false);
    expect(await look('lean-sync', prefix).getJobCountByTypes()).toBe(0);
  });

  it('aborts a job at its deadline and says that it is stuck when it does not let go', async () => {
    const prefix = uniquePrefix();
    const letGo = Promise.withResolvers<void>();
    let abortedAt = 0;
    const startedAt = performance.now();
    const runner = runSync({
      prefix,
      deadlineMs: 200,
      handle: async (_job, signal) => {
        signal.addEventListener('abort', () => (abortedAt = performance.now()));
        await letGo.promise;
        return { kind: 'done' };
      },
    });
    await syncQueue(prefix).add([{ id: 'sy_1', data: step, priority: 1 }]);
    await eventually(() => expect(runner.state()).toEqual({ ok: false, code: 'JOB_STUCK' }));
    expect(abortedAt - startedAt).toBeGreaterThan(190);
    letGo.resolve();
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
  });
});
