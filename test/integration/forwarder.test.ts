import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { openEventQueue } from '../../src/queue/work-queues.ts';
import { startForwarder, type ForwarderOptions } from '../../src/receiver/forwarder.ts';
import type { ForwarderEvent } from '../../src/receiver/forwarder-ports.ts';
import { engines, needsRealEngines, startPrivateRedis, uniquePrefix } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { createMemoryJournal, type MemoryJournal } from '../support/memory-journal.ts';

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

interface ForwardWish extends Partial<ForwarderOptions> {
  readonly url: string;
  readonly prefix: string;
  readonly journal: MemoryJournal;
}

function forward({ url, prefix, journal, ...options }: ForwardWish) {
  const events: ForwarderEvent[] = [];
  const queue = openIntakeQueue({ url, prefix, deadlineMs: 500 });
  const forwarder = startForwarder({
    journal,
    queue,
    pollMs: 100,
    onEvent: (event) => events.push(event),
    ...options,
  });
  closers.push(
    () => queue.close(),
    () => forwarder.close(),
  );
  return { forwarder, events, kinds: () => events.map(({ kind }) => kind) };
}

/** A worker that notes the sequences it stores, in order, and does with a batch what `act` says. */
function store(url: string, prefix: string, act: () => Promise<void> = async () => {}) {
  const stored: number[] = [];
  const runner = startJobRunner({
    queueName: 'webhook-intake',
    url,
    prefix,
    concurrency: 1,
    probeEveryMs: 100,
    handle: async ({ data }) => {
      await act();
      if ('deliveries' in data) stored.push(...data.deliveries.map(({ sequence }) => sequence));
      return { kind: 'done', replaceData: { stored: true } };
    },
  });
  closers.push(() => runner.close({ handBack: true, deadlineMs: 1_000 }));
  return { stored, runner };
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

describe('the forwarder', () => {
  it('brings every delivery to the workers in order of arrival and empties the journal', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 10 });
    const { forwarder } = forward({ url: engines.redisUrl, prefix, journal, maxOutstanding: 4 });
    const { stored } = store(engines.redisUrl, prefix);
    for (let group = 0; group < 20; group += 1) journal.append(13);
    await eventually(() => expect(journal.rows()).toEqual([]), { timeoutMs: 20_000 });
    expect(stored).toEqual(upTo(260));
    expect(forwarder.outstanding()).toBe(0);
  });

  it('keeps every row until its batch is stored, and no more batches on the way than allowed', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 2 });
    const { forwarder, kinds } = forward({ url: engines.redisUrl, prefix, journal, maxOutstanding: 3 });
    journal.append(20);
    await eventually(() => expect(kinds()).toEqual(['added', 'added', 'added']));
    expect(journal.rows()).toHaveLength(20);
    expect(forwarder.outstanding()).toBe(3);
    expect(await forwarder.flush(200)).toBe(20);
    store(engines.redisUrl, prefix);
    expect(await forwarder.flush(10_000)).toBe(0);
  });

  it('resolves whenStored for stored deliveries only, also when asked late', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal();
    const { forwarder } = forward({ url: engines.redisUrl, prefix, journal });
    const first = journal.append(1);
    await expect(forwarder.whenStored(first, 200)).rejects.toMatchObject({ code: 'NOT_DURABLE' });
    const waiting = forwarder.whenStored(first, 10_000);
    store(engines.redisUrl, prefix);
    await waiting;
    await forwarder.whenStored(first, 1);
    await expect(forwarder.whenStored(first + 1, 50)).rejects.toMatchObject({ code: 'NOT_DURABLE' });
  });

  it('goes on after a restart with the batches that were open, and then with the rest', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 2 });
    const before = forward({ url: engines.redisUrl, prefix, journal, maxOutstanding: 2 });
    journal.append(7);
    await eventually(() => expect(before.forwarder.outstanding()).toBe(2));
    await before.forwarder.close();
    forward({ url: engines.redisUrl, prefix, journal });
    const { stored } = store(engines.redisUrl, prefix);
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(stored).toEqual(upTo(7));
  });

  it('has a failed batch retried, says so, and never drops it', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal();
    const { events } = forward({ url: engines.redisUrl, prefix, journal, random: () => 0 });
    let refusals = 0;
    const { stored } = store(engines.redisUrl, prefix, async () => {
      refusals += 1;
      // The one error that fails a job at once: using up all attempts would take minutes here.
      if (refusals <= 2) throw new AppError('JOB_MALFORMED', 'not yet');
    });
    journal.append(3);
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(stored).toEqual([1, 2, 3]);
    expect(events.filter(({ kind }) => kind === 'failed').length).toBeGreaterThanOrEqual(2);
  });

  it('forwards only to the installation its journal first saw, and goes on when it is back', async () => {
    const prefix = uniquePrefix();
    const other = uniquePrefix();
    for (const [where, id] of [
      [prefix, 'ours'],
      [other, 'theirs'],
    ] as const) {
      const events = openEventQueue({ url: engines.redisUrl, prefix: where, deadlineMs: 20_000 });
      closers.push(() => events.close());
      await events.publishInstallation(id);
    }
    const journal = createMemoryJournal();
    const first = forward({ url: engines.redisUrl, prefix, journal });
    await eventually(async () => expect(await journal.readInstallation()).toBe('ours'));
    await first.forwarder.close();
    const wrong = forward({ url: engines.redisUrl, prefix: other, journal });
    journal.append(2);
    await eventually(() =>
      expect(wrong.forwarder.state()).toEqual({ ok: false, code: 'WRONG_INSTALLATION', outstanding: 0 }),
    );
    expect(wrong.events).toEqual([{ kind: 'wrong_installation', expected: 'ours', found: 'theirs' }]);
    await wrong.forwarder.close();
    expect(journal.rows()).toEqual([1, 2]);
    forward({ url: engines.redisUrl, prefix, journal });
    store(engines.redisUrl, prefix);
    await eventually(() => expect(journal.rows()).toEqual([]));
  });

  it('finds a batch again whose cut was recorded but not answered', async () => {
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 2 });
    let losses = 0;
    const { kinds } = forward({
      url: engines.redisUrl,
      prefix,
      journal: {
        ...journal,
        async cutBatch() {
          const batch = await journal.cutBatch();
          if (batch !== null && losses++ === 0) throw new AppError('JOURNAL_UNWRITABLE', 'no answer');
          return batch;
        },
      },
    });
    const { stored } = store(engines.redisUrl, prefix);
    journal.append(5);
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(stored).toEqual(upTo(5));
    expect(kinds().filter((kind) => kind === 'journal_failed')).toHaveLength(1);
  });
});

describe('the forwarder with a Redis that fails', () => {
  it('forwards by itself when Redis comes up after a start without it', async (context) => {
    const redis = await privateRedis(context);
    await redis.kill('SIGKILL');
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 5 });
    const { forwarder, kinds } = forward({ url: redis.url, prefix, journal });
    journal.append(12);
    await eventually(() => expect(forwarder.state()).toMatchObject({ ok: false, code: 'QUEUE_UNAVAILABLE' }));
    expect(journal.rows()).toHaveLength(12);
    await redis.restart();
    const { stored } = store(redis.url, prefix);
    await eventually(() => expect(journal.rows()).toEqual([]), { timeoutMs: 20_000 });
    expect(stored).toEqual(upTo(12));
    expect(forwarder.state().ok).toBe(true);
    expect(kinds().filter((kind) => kind === 'queue_lost')).toHaveLength(1);
    expect(kinds().filter((kind) => kind === 'queue_back')).toHaveLength(1);
  });

  it('loses nothing and stores nothing out of order when Redis freezes and thaws', async (context) => {
    const redis = await privateRedis(context);
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 5 });
    const { forwarder } = forward({ url: redis.url, prefix, journal });
    const { stored } = store(redis.url, prefix);
    journal.append(5);
    await eventually(() => expect(stored).toEqual(upTo(5)));
    await redis.kill('SIGSTOP');
    journal.append(20);
    await eventually(() => expect(forwarder.state().code).toBe('QUEUE_UNAVAILABLE'));
    await redis.kill('SIGCONT');
    await eventually(() => expect(journal.rows()).toEqual([]), { timeoutMs: 20_000 });
    expect([...new Set(stored)]).toEqual(upTo(25));
  });

  it('adds again what FLUSHALL took, with workers away all the while', async (context) => {
    const redis = await privateRedis(context);
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 4 });
    const { kinds } = forward({ url: redis.url, prefix, journal });
    journal.append(12);
    await eventually(() => expect(kinds()).toEqual(['added', 'added', 'added']));
    const admin = new Redis(redis.url);
    closers.push(() => admin.disconnect());
    await admin.flushall();
    await eventually(() => expect(kinds().filter((kind) => kind === 'lost')).toHaveLength(3));
    const { stored } = store(redis.url, prefix);
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(stored).toEqual(upTo(12));
  });

  it('adds again what a Redis without a disk forgot when it was killed', async (context) => {
    const redis = await privateRedis(context);
    const prefix = uniquePrefix();
    const journal = createMemoryJournal({ batchSize: 4 });
    const { kinds } = forward({ url: redis.url, prefix, journal });
    const { stored } = store(redis.url, prefix, () => new Promise(() => {}));
    journal.append(12);
    await eventually(() => expect(kinds().filter((kind) => kind === 'added')).toHaveLength(3));
    await redis.kill('SIGKILL');
    await redis.restart();
    const second = store(redis.url, prefix);
    await eventually(() => expect(journal.rows()).toEqual([]), { timeoutMs: 25_000 });
    expect(stored).toEqual([]);
    expect(new Set(second.stored)).toEqual(new Set(upTo(12)));
  });

  it('closes in bounded time with Redis frozen', async (context) => {
    const redis = await privateRedis(context);
    const journal = createMemoryJournal();
    const { forwarder } = forward({ url: redis.url, prefix: uniquePrefix(), journal });
    await redis.kill('SIGSTOP');
    journal.append(1);
    const startedAt = performance.now();
    await forwarder.close();
    expectInTime(performance.now() - startedAt, 8_000);
    expect(journal.rows()).toEqual([1]);
  });
});
