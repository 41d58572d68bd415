import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { batchJobId } from '../../src/core/delivery.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { eventJobId } from '../../src/core/event-key.ts';
import { intakeJobSchema } from '../../src/queue/job-schemas.ts';
import { installationKey } from '../../src/queue/queue-names.ts';
import { openEventQueue, openSyncQueue } from '../../src/queue/work-queues.ts';
import { engines, needsRealEngines, startPrivateRedis, uniquePrefix } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { makeBatch } from '../support/intake-batches.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function openIntake(url: string, prefix: string, deadlineMs = 20_000) {
  const intake = openIntakeQueue({ url, prefix, deadlineMs });
  closers.push(() => intake.close());
  return intake;
}

/** Looks at the queue as an operator would, by BullMQ's own means. */
function look(url: string, name: string, prefix: string) {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(name, { connection, prefix });
  closers.push(async () => {
    await queue.close();
    connection.disconnect();
  });
  return { queue, connection };
}

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

describe('the intake queue', () => {
  it('keeps one job per bounds, whatever it is told again', async () => {
    const prefix = uniquePrefix();
    const intake = openIntake(engines.redisUrl, prefix);
    const batch = makeBatch({ journalId: randomUUID(), first: 1, last: 3 });
    await intake.addBatch(batch);
    await intake.addBatch(batch);
    const { queue } = look(engines.redisUrl, 'webhook-intake', prefix);
    expect(await queue.getWaitingCount()).toBe(1);
    const data = intakeJobSchema.parse((await queue.getJob(batchJobId(batch)))?.data);
    expect(data).toMatchObject({ v: 1, journalId: batch.journalId });
    if ('stored' in data) throw new Error('the batch is not stored yet');
    expect(data.deliveries.map(({ sealed }) => Buffer.from(sealed, 'base64'))).toEqual(
      batch.deliveries.map(({ sealed }) => sealed),
    );
  });

  it('tells open from unknown, and looks many up at once', async () => {
    const prefix = uniquePrefix();
    const intake = openIntake(engines.redisUrl, prefix);
    const batch = makeBatch({ journalId: randomUUID(), first: 1, last: 1 });
    const absent = batchJobId({ ...batch, first: 9, last: 9 });
    await intake.addBatch(batch);
    expect(await intake.states([batchJobId(batch), absent])).toEqual(
      new Map([
        [batchJobId(batch), 'open'],
        [absent, 'unknown'],
      ]),
    );
    expect(await intake.states([])).toEqual(new Map());
  });

  it('reads the installation that a worker published, and the first one stays', async () => {
    const prefix = uniquePrefix();
    const intake = openIntake(engines.redisUrl, prefix);
    const events = openEventQueue({ url: engines.redisUrl, prefix, deadlineMs: 20_000 });
    closers.push(() => events.close());
    expect(await intake.readInstallation()).toBeNull();
    expect(await events.publishInstallation('one')).toBe('one');
    expect(await events.publishInstallation('two')).toBe('one');
    expect(await intake.readInstallation()).toBe('one');
    expect(installationKey(prefix)).toBe(`${prefix}:installation`);
  });

  it('fails within its deadline with Redis down at the start, and works once Redis is there', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis();
    closers.push(() => redis.stop());
    await redis.kill('SIGKILL');
    const prefix = uniquePrefix();
    const intake = openIntake(redis.url, prefix, 500);
    const batch = makeBatch({ journalId: randomUUID(), first: 1, last: 2 });
    const took = await elapsedMs(() =>
      expect(intake.addBatch(batch)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' }),
    );
    expectInTime(took, 4_000);
    await redis.restart();
    await eventually(() => intake.addBatch(batch));
    expect(await intake.states([batchJobId(batch)])).toEqual(new Map([[batchJobId(batch), 'open']]));
  });

  it('fails within its deadline on a frozen Redis; what was repeated is there once afterwards', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis();
    closers.push(() => redis.stop());
    const prefix = uniquePrefix();
    const intake = openIntake(redis.url, prefix, 400);
    const journalId = randomUUID();
    await eventually(() => intake.addBatch(makeBatch({ journalId, first: 1, last: 1 })));
    await redis.kill('SIGSTOP');
    const batch = makeBatch({ journalId, first: 2, last: 2 });
    for (const what of [
      () => intake.addBatch(batch),
      () => intake.states([batchJobId(batch)]),
      () => intake.readInstallation(),
      () => intake.addBatch(batch),
    ]) {
      const took = await elapsedMs(() => expect(what()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' }));
      expectInTime(took, 4_000);
    }
    await redis.kill('SIGCONT');
    await eventually(() => intake.addBatch(batch));
    const { queue } = look(redis.url, 'webhook-intake', prefix);
    expect(await queue.getWaitingCount()).toBe(2);
  });

  it('finds its way back over a half-open connection', async () => {
    const proxy = await startTcpProxy({ port: Number(new URL(engines.redisUrl).port) });
    closers.push(() => proxy.close());
    const prefix = uniquePrefix();
    const intake = openIntake(`redis://127.0.0.1:${proxy.port}`, prefix, 300);
    await eventually(() => intake.readInstallation());
    proxy.freeze();
    await expect(intake.readInstallation()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await proxy.restore();
    await eventually(() => intake.readInstallation());
    proxy.cut();
    await expect(intake.readInstallation()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await proxy.restore();
    await eventually(() => intake.readInstallation());
  });

  it('says so when Redis is full or read-only instead of claiming the batch', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis();
    closers.push(() => redis.stop());
    const intake = openIntake(redis.url, uniquePrefix(), 4_000);
    const batch = makeBatch({ journalId: randomUUID(), first: 1, last: 1 });
    await eventually(() => intake.addBatch(batch));
    const admin = new Redis(redis.url);
    closers.push(() => admin.disconnect());
    const next = makeBatch({ ...batch, first: 2, last: 2 });
    await admin.config('SET', 'maxmemory', '1');
    await expect(intake.addBatch(next)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await admin.config('SET', 'maxmemory', '0');
    await intake.addBatch(next);
    await admin.replicaof('127.0.0.1', 1);
    const last = makeBatch({ ...batch, first: 3, last: 3 });
    await expect(intake.addBatch(last)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await admin.replicaof('NO', 'ONE');
    await eventually(() => intake.addBatch(last));
  });
});

describe('the queues of the workers', () => {
  it('add a job once per id, with the priority and delay that were asked for', async () => {
    const prefix = uniquePrefix();
    const url = engines.redisUrl;
    const events = openEventQueue({ url, prefix, deadlineMs: 20_000 });
    const syncs = openSyncQueue({ url, prefix, deadlineMs: 20_000 });
    closers.push(
      () => events.close(),
      () => syncs.close(),
    );
    const id = eventJobId('evt-1', 0);
    await events.add([{ id, data: { eventKey: 'evt-1' } }]);
    await events.add([{ id, data: { eventKey: 'evt-1' } }]);
    expect(await look(url, 'webhook-events', prefix).queue.getWaitingCount()).toBe(1);
    await syncs.add([
      { id: 'sy_b', data: { kind: 'step', syncId: 's', stepKey: 'b' }, priority: 4 },
      { id: 'sy_a', data: { kind: 'step', syncId: 's', stepKey: 'a' }, priority: 1 },
      { id: 'sy_c', data: { kind: 'prove', eventKey: 'evt-1' }, priority: 1, delayMs: 60_000 },
    ]);
    const { queue } = look(url, 'lean-sync', prefix);
    expect((await queue.getPrioritized()).map((job) => job.id)).toEqual(['sy_a', 'sy_b']);
    expect((await queue.getDelayed()).map((job) => job.id)).toEqual(['sy_c']);
  });

  it('take more jobs than fit one round trip', async () => {
    const prefix = uniquePrefix();
    const events = openEventQueue({ url: engines.redisUrl, prefix, deadlineMs: 20_000 });
    closers.push(() => events.close());
    const keys = Array.from({ length: 450 }, (_, index) => `evt-${index}`);
    await events.add(keys.map((eventKey) => ({ id: eventJobId(eventKey, 0), data: { eventKey } })));
    expect(await look(engines.redisUrl, 'webhook-events', prefix).queue.getWaitingCount()).toBe(450);
  });
});
