// Redis behind Sentinels and as a Cluster: a receiver and a worker as real processes, while the server that has their queues
// goes away. What was acknowledged is in Postgres once, and nobody has to be woken for it.
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
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
});
