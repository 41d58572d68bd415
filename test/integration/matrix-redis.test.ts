// The failure matrix, Redis: a receiver as a process under load, a Redis that fails in every way, and a worker that notes
// what it stores. Each row: acknowledgements do not wait, nothing is lost, the order of arrival holds.
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { needsRealEngines, startPrivateRedis, type PrivateEngine } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import {
  answersOf,
  openReceiverStage,
  redisDeadlineMs,
  slowestMs,
  type ReceiverStage,
  type ServingReceiver,
} from '../support/faults-receiver.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 45_000;

async function open(context: TestContext, args: readonly string[] = []) {
  needsRealEngines(context, 'redis');
  const redis = await startPrivateRedis({ args });
  closers.push(() => redis.stop());
  const stage = await openReceiverStage({ REDIS_URL: redis.url });
  closers.push(() => stage.close());
  return { redis, stage };
}

/** Of the test's own hand; ends with the test. */
function askedBy(redis: PrivateEngine): Redis {
  const admin = new Redis(redis.url, { enableReadyCheck: false, maxRetriesPerRequest: 1 });
  admin.on('error', () => undefined);
  closers.push(() => admin.disconnect());
  return admin;
}

function expectInOrder({ stored }: ReceiverStage): void {
  const sequences = stored.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((left, right) => left - right));
}

async function untilAllStored(stage: ReceiverStage): Promise<void> {
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs, everyMs: 100 });
}

async function failuresOf({ opsUrl }: ServingReceiver, reason: string): Promise<number> {
  const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
  const line = new RegExp(`^lean_forwarder_failures_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
  return Number(line.exec(metrics)?.[1] ?? 0);
}

interface Fault {
  /** What its failures are counted as. */
  readonly reason: string;
  /** What our log says of it: Redis's own word where it has one. */
  readonly says: RegExp;
  readonly apply: (redis: PrivateEngine, admin: Redis) => Promise<unknown>;
  readonly heal: (redis: PrivateEngine, admin: Redis) => Promise<unknown>;
}

const faults: readonly (readonly [name: string, fault: Fault])[] = [
  [
    'killed mid-write',
    {
      reason: 'connection',
      says: /cannot be reached|failed|closed/,
      apply: (redis) => redis.kill('SIGKILL'),
      heal: (redis) => redis.restart(),
    },
  ],
  [
    'frozen (SIGSTOP)',
    {
      reason: 'timeout',
      says: /no answer/,
      apply: (redis) => redis.kill('SIGSTOP'),
      heal: (redis) => redis.kill('SIGCONT'),
    },
  ],
  [
    'out of memory (maxmemory)',
    {
      reason: 'oom',
      says: /Redis says OOM/,
      apply: (_, admin) => admin.config('SET', 'maxmemory', '1'),
      heal: (_, admin) => admin.config('SET', 'maxmemory', '0'),
    },
  ],
  [
    'read-only (REPLICAOF)',
    {
      reason: 'readonly',
      says: /Redis says READONLY/,
      apply: (_, admin) => admin.replicaof('127.0.0.1', 1),
      heal: (_, admin) => admin.replicaof('NO', 'ONE'),
    },
  ],
  [
    'asking for a password nobody gave us (NOAUTH)',
    {
      reason: 'noauth',
      says: /Redis says NOAUTH/,
      async apply(_, admin) {
        await admin.config('SET', 'requirepass', 'new-to-everybody');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      },
      heal: (_, admin) => admin.config('SET', 'requirepass', ''),
    },
  ],
];

describe('Redis under load', () => {
  it.for(faults)(
    '%s: every delivery is answered 200 meanwhile, and stored in order of arrival when it is back',
    { timeout: 90_000 },
    async ([, fault], context) => {
      const { redis, stage } = await open(context, ['--appendonly', 'yes', '--appendfsync', 'everysec']);
      const receiver = await stage.start();
      stage.storeFrom(redis.url);
      await stage.deliver(32);
      const admin = askedBy(redis);
      const loading = stage.deliver(200);
      await eventually(() => expect(stage.stored.length).toBeGreaterThan(60), {
        timeoutMs: settleTimeoutMs,
      });
      await fault.apply(redis, admin);
      const hit = await loading;
      const during = await stage.deliver(100);
      const lost = await receiver.process.line('queue_state');
      expect(lost).toMatchObject({ outcome: 'lost', failure_code: 'QUEUE_UNAVAILABLE' });
      // What Redis says where it says anything; what was under way at that moment may only have run out of time.
      const reasons = [fault.says, /no answer within/, /answered in part/].map(({ source }) => source);
      expect(lost['error']).toMatch(new RegExp(reasons.join('|')));
      expect((await receiver.readiness()).status).toBe(200);
      await eventually(async () => expect(await failuresOf(receiver, fault.reason)).toBeGreaterThan(0), {
        timeoutMs: settleTimeoutMs,
      });
      await fault.heal(redis, admin);
      expect(answersOf([...hit, ...during])).toEqual({ 200: 300 });
      expectInTime(slowestMs([...hit, ...during]), redisDeadlineMs);
      await untilAllStored(stage);
      expectInOrder(stage);
      await eventually(async () => expect(await receiver.journalRows()).toBe(0), {
        timeoutMs: settleTimeoutMs,
      });
      expect(receiver.process.stderr()).toBe('');
    },
  );
});
