// The failure matrix, Redis that is not there yet: down at the start, still loading its file, or sending everybody
// elsewhere. A receiver as a process acknowledges all the same and forwards in order once it can.
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { needsRealEngines, startPrivateRedis, type PrivateEngine } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { answersOf, openReceiverStage, redisDeadlineMs, slowestMs } from '../support/faults-receiver.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 45_000;

async function privateRedis(context: TestContext, args: readonly string[] = []): Promise<PrivateEngine> {
  needsRealEngines(context, 'redis');
  const redis = await startPrivateRedis({ args });
  closers.push(() => redis.stop());
  return redis;
}

async function stageFor(redisUrl: string) {
  const stage = await openReceiverStage({ REDIS_URL: redisUrl });
  closers.push(() => stage.close());
  return stage;
}

function askedBy(redis: PrivateEngine): Redis {
  const admin = new Redis(redis.url, { enableReadyCheck: false, maxRetriesPerRequest: 1 });
  admin.on('error', () => undefined);
  closers.push(() => admin.disconnect());
  return admin;
}

it('Redis down at start: starts ready, acknowledges, and forwards in order of arrival when Redis comes up', async (context) => {
  const redis = await privateRedis(context);
  await redis.kill('SIGKILL');
  const stage = await stageFor(redis.url);
  const receiver = await stage.start();
  expect((await receiver.readiness()).status).toBe(200);
  const sent = await stage.deliver(40, 1);
  expect(answersOf(sent)).toEqual({ 200: 40 });
  expectInTime(slowestMs(sent), redisDeadlineMs);
  await eventually(async () => expect(await receiver.journalRows()).toBe(40));
  await redis.restart();
  stage.storeFrom(redis.url);
  await eventually(
    () => expect(stage.stored.map(({ eventId }) => eventId)).toEqual(sent.map(({ eventId }) => eventId)),
    { timeoutMs: settleTimeoutMs },
  );
  await eventually(async () => expect(await receiver.journalRows()).toBe(0));
});

it('Redis LOADING its file: acknowledgements go on, and everything is stored in order once it has', async (context) => {
  // A key takes a millisecond to load, and Redis answers in between: that it loads.
  const redis = await privateRedis(context, [
    '--key-load-delay',
    '1000',
    '--loading-process-events-interval-bytes',
    '1024',
  ]);
  const stage = await stageFor(redis.url);
  const receiver = await stage.start();
  stage.storeFrom(redis.url);
  await stage.deliver(16);
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
  const admin = askedBy(redis);
  const filler = Array.from({ length: 8_000 }, (_, index) => [`filler:${index}`, '0'.repeat(64)]);
  await admin.mset(filler.flat());
  await admin.call('SAVE');
  await redis.kill('SIGKILL');
  const restarting = redis.restart();
  await eventually(async () => expect(await admin.get('filler:0').catch(String)).toContain('LOADING'));
  const during = await stage.deliver(32);
  expect(await admin.get('filler:0').catch(String)).toContain('LOADING');
  await restarting;
  expect(answersOf(during)).toEqual({ 200: 32 });
  expectInTime(slowestMs(during), redisDeadlineMs);
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs, everyMs: 100 });
  const sequences = stage.stored.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((left, right) => left - right));
  await eventually(async () => expect(await receiver.journalRows()).toBe(0), { timeoutMs: settleTimeoutMs });
});

describe('Redis of a Cluster that was given as a single one (MOVED)', () => {
  it('costs no acknowledgement: the journal keeps everything, and the log says why it goes no further', async (context) => {
    const clustered = async () => {
      const busPort = await freePort();
      const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
      return { redis: await privateRedis(context, args), busPort };
    };
    const [here, there] = [await clustered(), await clustered()];
    const [one, other] = [askedBy(here.redis), askedBy(there.redis)];
    // Every slot is the other's, and the one that is asked says so.
    await other.cluster('ADDSLOTSRANGE', 0, 16_383);
    await one.call('CLUSTER', 'MEET', '127.0.0.1', there.redis.port, there.busPort);
    await eventually(async () => expect(await one.get('any').catch(String)).toContain('MOVED'));
    const stage = await stageFor(here.redis.url);
    const receiver = await stage.start();
    const sent = await stage.deliver(32);
    expect(answersOf(sent)).toEqual({ 200: 32 });
    expectInTime(slowestMs(sent), redisDeadlineMs);
    const lost = await receiver.process.line('queue_state');
    expect(JSON.stringify(lost)).toContain('MOVED');
    await eventually(async () => expect(await receiver.journalRows()).toBe(32));
  });
});
