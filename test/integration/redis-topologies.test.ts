// Redis behind Sentinels and as a Cluster: a receiver and a worker as real processes, while the server that has their queues
// goes away. What was acknowledged is in Postgres once, and nobody has to be woken for it.
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { withDeadline } from '../../src/core/deadline.ts';
import { openConsumerConnection, type RedisClient } from '../../src/queue/connections.ts';
import { probeRedis } from '../../src/queue/redis-probe.ts';
import { createEngineTls } from '../support/engine-tls.ts';
import { needsRealEngines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { answersOf } from '../support/faults-receiver.ts';
import { longTests } from '../support/long-tests.ts';
import { hasRedis7, startRedisCluster, startWatchedRedis } from '../support/redis-topologies.ts';
import { askDoctor, startPair, wellKeptRedis } from '../support/served-pair.ts';

const settleTimeoutMs = 150_000;
const testTimeoutMs = 400_000;

const closers: (() => unknown)[] = [];
beforeEach((context) => context.skip(!longTests, 'takes long: LONG_TESTS=1'));
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function toClose<Value extends { close(): unknown }>(opened: Value): Value {
  closers.push(() => opened.close());
  return opened;
}

function told(what: string, sinceMs: number): void {
  process.stdout.write(`${what}: ${Math.round(performance.now() - sinceMs)} ms\n`);
}

describe('Redis behind three Sentinels', () => {
  it(
    'of which one is frozen, its primary killed: what was acknowledged is stored once, and the queues go on by themselves',
    { timeout: testTimeoutMs },
    async (context) => {
      needsRealEngines(context);
      const redis = toClose(await startWatchedRedis());
      const pair = toClose(await startPair({ redisUrl: redis.url }));
      const { stage, env } = pair;
      await stage.deliver(32);
      await pair.expectAllDone();
      redis.freezeFirst();
      const loading = stage.deliver(400, 4);
      const killedMs = performance.now();
      await redis.primary.kill('SIGKILL');
      await eventually(async () => expect(await redis.primaryPort()).toBe(redis.replica.port), {
        timeoutMs: settleTimeoutMs,
      });
      told('Sentinels name another primary', killedMs);
      expect(answersOf(await loading)).toEqual({ 200: 400 });
      await pair.expectAllDone();
      told('everything stored after the primary was killed', killedMs);

      // Who comes anew meets the frozen one first.
      const probe = await probeRedis({ url: redis.url, prefix: env['QUEUE_PREFIX'], deadlineMs: 30_000 });
      expect(probe.writes).toMatchObject({ role: 'master' });
      await redis.primary.restart();
      await eventually(async () => expect(await redis.roleOf(redis.primary)).toBe('slave'), {
        timeoutMs: settleTimeoutMs,
      });
      expect(answersOf(await stage.deliver(32))).toEqual({ 200: 32 });
      await pair.expectAllDone();
      expect(await askDoctor('redis', env)).toMatchObject(wellKeptRedis);
    },
  );
});

async function startCluster(context: TestContext, way: 'plain' | 'TLS') {
  needsRealEngines(context);
  context.skip(!hasRedis7(), 'needs Redis 7');
  if (way === 'plain') return { cluster: toClose(await startRedisCluster()), env: {} };
  const tls = await createEngineTls();
  closers.push(() => tls.remove());
  const cluster = toClose(await startRedisCluster((port) => tls.redisArgs(port)));
  return { cluster, env: { NODE_EXTRA_CA_CERTS: tls.caFile } };
}

/** Has met the Cluster and found it down. What is left of the former connection may cut it short before: then it throws. */
async function connectInVain(client: RedisClient): Promise<{ readonly end: Promise<unknown> }> {
  let isOver = false;
  const end = client
    .connect()
    .catch(() => undefined)
    .finally(() => (isOver = true));
  await eventually(() => expect(isOver || client.status === 'reconnecting').toBe(true));
  expect(isOver).toBe(false);
  return { end };
}

describe('a Redis Cluster of three primaries', () => {
  it.for(['plain', 'TLS'] as const)(
    '(%s) whose node with the queues is away for a while: nothing acknowledged is lost, and the doctor finds it well',
    { timeout: testTimeoutMs },
    async (way, context) => {
      const { cluster, env: more } = await startCluster(context, way);
      const pair = toClose(await startPair({ redisUrl: cluster.url, env: more }));
      const { stage, env } = pair;
      await stage.deliver(32);
      await pair.expectAllDone();
      const owner = await cluster.ownerOf(env['QUEUE_PREFIX'] ?? '');
      const loading = stage.deliver(300, 4);
      const killedMs = performance.now();
      await owner.kill('SIGKILL');
      expect(answersOf(await loading)).toEqual({ 200: 300 });
      await cluster.until('fail', (node) => node !== owner);
      // Two nodes answer; the one with our keys does not.
      await pair.expectReadiness({ status: 503, text: 'QUEUE_UNAVAILABLE' });
      const backMs = performance.now();
      await owner.restart();
      await pair.expectAllDone();
      told(`${way}: everything stored after the node was killed`, killedMs);
      told(`${way}: and after it came back`, backMs);
      await pair.expectReadiness({ status: 200, text: '' });
      expect(await askDoctor('redis', env)).toMatchObject(wellKeptRedis);
      expect(await askDoctor('queue prefix', env)).toMatchObject([{ state: 'ok' }]);
      const spread = { ...env, QUEUE_PREFIX: 'no-braces' };
      expect(await askDoctor('queue prefix', spread)).toMatchObject([{ state: 'problem' }]);
    },
  );

  it(
    'that is down while a consumer is connected again: connecting comes to an end, and then the connection is there',
    { timeout: testTimeoutMs },
    async (context) => {
      const { cluster } = await startCluster(context, 'plain');
      const client = openConsumerConnection(cluster.url);
      closers.push(() => client.disconnect());
      const expectStatus = async (status: string) =>
        eventually(() => expect(client.status).toBe(status), { timeoutMs: settleTimeoutMs });
      await expectStatus('ready');
      const owner = await cluster.ownerOf('{consumer}');
      await owner.kill('SIGKILL');
      await cluster.until('fail', (node) => node !== owner);
      // As BullMQ does where a wait for jobs is overdue.
      const ended = Promise.withResolvers<void>();
      client.once('end', () => ended.resolve());
      client.disconnect();
      await ended.promise;
      const connecting = await eventually(() => connectInVain(client));
      await owner.restart();
      await cluster.until('ok');
      await expectStatus('ready');
      await withDeadline(connecting.end, { deadlineMs: 20_000, what: 'connecting' });
      expect(await client.set('{consumer}:key', 'set')).toBe('OK');
    },
  );
});
