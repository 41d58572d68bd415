import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { openConsumerConnection } from '../../src/queue/connections.ts';
import {
  startJobRunner,
  type JobRunnerOptions,
  type JobRunnerState,
  type RunnerEvent,
} from '../../src/queue/job-runner.ts';
import { openSyncQueue } from '../../src/queue/work-queues.ts';
import { engines, needsRealEngines, startPrivateRedis, uniquePrefix } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function privateRedis(context: TestContext) {
  needsRealEngines(context, 'redis');
  const redis = await startPrivateRedis();
  closers.push(() => redis.stop());
  return redis;
}

/** A runner that notes the ids it was given, and a way to add jobs from outside. */
function startNoting(
  url: string,
  options: Partial<JobRunnerOptions<'lean-sync'>> & { addUrl?: string } = {},
) {
  const prefix = uniquePrefix();
  const ids: string[] = [];
  const events: RunnerEvent[] = [];
  const runner = startJobRunner({
    queueName: 'lean-sync',
    url,
    prefix,
    concurrency: 2,
    probeEveryMs: 100,
    handle: async ({ id }) => {
      ids.push(id);
      return { kind: 'done' };
    },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const queue = openSyncQueue({ url: options.addUrl ?? url, prefix, deadlineMs: 500 });
  closers.push(
    () => queue.close(),
    () => runner.close({ handBack: true, deadlineMs: 1_000 }),
  );
  return {
    prefix,
    runner,
    ids,
    events,
    add: (id: string) => queue.add([{ id, data: { kind: 'step', syncId: 's', stepKey: id }, priority: 1 }]),
  };
}

describe('a job runner', () => {
  it('is not ok with Redis down at the start, and takes jobs by itself once Redis is there', async (context) => {
    const redis = await privateRedis(context);
    await redis.kill('SIGKILL');
    const { runner, ids, add } = startNoting(redis.url);
    expect(runner.state()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' });
    await redis.restart();
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']));
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
  });

  it('goes on by itself when Redis is killed and started again under it', async (context) => {
    const redis = await privateRedis(context);
    const { runner, ids, add } = startNoting(redis.url);
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']));
    await redis.kill('SIGKILL');
    await eventually(() => expect(runner.state()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' }));
    await redis.restart();
    await eventually(() => add('sy_2'));
    await eventually(() => expect(ids).toEqual(['sy_1', 'sy_2']), { timeoutMs: 20_000 });
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
  });

  it('is not ok while Redis is frozen, and goes on when it thaws', async (context) => {
    const redis = await privateRedis(context);
    const { runner, ids, add } = startNoting(redis.url);
    await eventually(() => expect(runner.state().ok).toBe(true));
    await redis.kill('SIGSTOP');
    await eventually(() => expect(runner.state()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' }));
    await redis.kill('SIGCONT');
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']), { timeoutMs: 20_000 });
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
  });

  it('starts over when only its own connections are dead', async () => {
    const proxy = await startTcpProxy({ port: Number(new URL(engines.redisUrl).port) });
    closers.push(() => proxy.close());
    const { runner, ids, events, add } = startNoting(`redis://127.0.0.1:${proxy.port}`, {
      addUrl: engines.redisUrl,
      silenceLimitMs: 1_000,
    });
    await eventually(() => expect(runner.state().ok).toBe(true));
    proxy.freezeOpen();
    await eventually(() => add('sy_1'));
    await eventually(() => expect(runner.state()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' }));
    await eventually(() => expect(ids).toEqual(['sy_1']), { timeoutMs: 20_000 });
    expect(events.some(({ kind }) => kind === 'restarted')).toBe(true);
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
  });

  it('says so and starts over when it asks for no job, though its connections are well', async () => {
    let opened = 0;
    const before: JobRunnerState[] = [];
    const { runner, ids, events, add } = startNoting(engines.redisUrl, {
      unaskedLimitMs: 500,
      openConnection(url) {
        const client = openConsumerConnection(url);
        opened += 1;
        // The first worker has two, and waits beside them for ever; it is there until the next one has opened its own.
        if (opened <= 2) client.bzpopmin = () => Promise.withResolvers<never>().promise;
        if (opened === 3) before.push(runner.state());
        return client;
      },
    });
    await eventually(() => expect(events).toMatchObject([{ kind: 'restarted' }]));
    expect(before).toEqual([{ ok: false, code: 'QUEUE_UNAVAILABLE' }]);
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']));
    await eventually(() => expect(runner.state()).toEqual({ ok: true }));
    expect(events).toHaveLength(1);
  });

  it('is well while it holds as many jobs as it may, however long it asks for none', async () => {
    const [first, second, release] = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const { runner, events, add } = startNoting(engines.redisUrl, {
      unaskedLimitMs: 500,
      handle: async ({ id }) => {
        (id === 'sy_1' ? first : second)?.resolve();
        await release?.promise;
        return { kind: 'done' };
      },
    });
    await eventually(() => add('sy_1'));
    await eventually(() => add('sy_2'));
    await Promise.all([first?.promise, second?.promise]);
    const heldSince = performance.now();
    await eventually(() => expect(performance.now() - heldSince).toBeGreaterThan(1_000));
    expect(runner.state()).toEqual({ ok: true });
    expect(events).toEqual([]);
    release?.resolve();
  });

  it('takes jobs again after FLUSHALL', async (context) => {
    const redis = await privateRedis(context);
    const { runner, ids, add } = startNoting(redis.url);
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']));
    const admin = new Redis(redis.url);
    closers.push(() => admin.disconnect());
    await admin.flushall();
    await eventually(() => add('sy_2'));
    await eventually(() => expect(ids).toEqual(['sy_1', 'sy_2']));
    await eventually(() => expect(runner.state().ok).toBe(true));
  });

  it('does not storm a Redis that refuses, and goes on when it takes writes again', async (context) => {
    const redis = await privateRedis(context);
    const { runner, ids, events, add } = startNoting(redis.url);
    await eventually(() => add('sy_1'));
    await eventually(() => expect(ids).toEqual(['sy_1']));
    const admin = new Redis(redis.url);
    closers.push(() => admin.disconnect());
    // A job waits, but taking it is a write.
    await admin.client('PAUSE', 300, 'WRITE');
    const adding = eventually(() => add('sy_2'));
    await admin.replicaof('127.0.0.1', 1);
    await eventually(() => expect(events.some(({ kind }) => kind === 'error')).toBe(true));
    const before = events.length;
    const askedAt = performance.now();
    await eventually(() => expect(performance.now() - askedAt).toBeGreaterThan(1_500));
    expect(events.length - before).toBeLessThan(30);
    // It answers questions all the while, which is not the end of it.
    const told = events.filter(({ kind }) => kind === 'lost' || kind === 'back');
    expect(told).toMatchObject([
      { kind: 'lost', error: { code: 'QUEUE_UNAVAILABLE', message: expect.stringContaining('READONLY') } },
    ]);
    expect(runner.state()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' });
    await admin.replicaof('NO', 'ONE');
    await adding;
    await eventually(() => expect(ids).toContain('sy_2'));
  });

  it('closes in bounded time with Redis down or frozen', async (context) => {
    const redis = await privateRedis(context);
    const frozen = startNoting(redis.url);
    await eventually(() => expect(frozen.runner.state().ok).toBe(true));
    await redis.kill('SIGSTOP');
    const startedAt = performance.now();
    await frozen.runner.close({ handBack: true, deadlineMs: 500 });
    await redis.kill('SIGKILL');
    const down = startNoting(redis.url);
    await down.runner.close({ handBack: true, deadlineMs: 500 });
    expectInTime(performance.now() - startedAt, 8_000);
  });
});
