// The failure matrix, Redis that forgets: emptied, or failed over to a replica that never got the last writes. A receiver
// as a process, a whole worker and Postgres: each acknowledged delivery is counted there once.
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterEach, expect, it, type TestContext } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { needsRealEngines, startPrivateRedis, type PrivateEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  answersOf,
  openReceiverStage,
  type ReceiverStage,
  type ServingReceiver,
} from '../support/faults-receiver.ts';
import { startSwitch } from '../support/faults-switch.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 60_000;
const testTimeoutMs = 120_000;
const customers = generateCustomers({ seed: 'matrix-redis-loss', entities: 1 });

async function privateRedis(context: TestContext, args: readonly string[] = []): Promise<PrivateEngine> {
  needsRealEngines(context, 'redis');
  const redis = await startPrivateRedis({ args });
  closers.push(() => redis.stop());
  return redis;
}

async function worldOn(redisUrl: string): Promise<{ world: WorkerWorld; stage: ReceiverStage }> {
  const world = await createWorkerWorld({ customers, redisUrl });
  closers.push(() => world.close());
  const stage = await openReceiverStage({
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: world.env['QUEUE_PREFIX'] ?? '',
  });
  closers.push(() => stage.close());
  return { world, stage };
}

function askedBy(redis: PrivateEngine): Redis {
  const admin = new Redis(redis.url);
  admin.on('error', () => undefined);
  closers.push(() => admin.disconnect());
  return admin;
}

/** How often Postgres says each event was delivered. */
async function countsIn({ test: { database, schema } }: WorkerWorld): Promise<Record<string, number>> {
  const { rows } = await sql<{ event_key: string; delivery_count: number }>`
    select event_key, delivery_count from ${sql.table(`${schema}.webhook_events`)}`.execute(database.db);
  return Object.fromEntries(rows.map((row) => [row.event_key, row.delivery_count]));
}

async function expectEachOnce(world: WorkerWorld, stage: ReceiverStage): Promise<void> {
  const expected = Object.fromEntries(stage.sent.map(({ eventId }) => [eventId, 1]));
  await eventually(async () => expect(await countsIn(world)).toEqual(expected), {
    timeoutMs: settleTimeoutMs,
    everyMs: 200,
  });
}

it(
  'Redis emptied (FLUSHALL), again and again under load: each acknowledged delivery is in Postgres once',
  { timeout: testTimeoutMs },
  async (context) => {
    const redis = await privateRedis(context);
    const { world, stage } = await worldOn(redis.url);
    await world.start();
    const receiver = await stage.start();
    const admin = askedBy(redis);
    const loading = stage.deliver(300);
    let sending = true;
    void loading.finally(() => (sending = false));
    await eventually(
      async () => {
        await admin.flushall();
        expect(sending).toBe(false);
      },
      { timeoutMs: settleTimeoutMs, everyMs: 150 },
    );
    expect(answersOf(await loading)).toEqual({ 200: 300 });
    await expectEachOnce(world, stage);
    await eventually(async () => expect(await receiver.journalRows()).toBe(0), {
      timeoutMs: settleTimeoutMs,
    });
  },
);

it(
  'Redis failed over with lost writes: what only the old primary knew is added again, and nothing counts twice',
  { timeout: testTimeoutMs },
  async (context) => {
    const primary = await privateRedis(context);
    const link = await startTcpProxy({ port: primary.port });
    closers.push(() => link.close());
    const replica = await privateRedis(context, ['--replicaof', `127.0.0.1 ${link.port}`]);
    const way = await startSwitch(primary.port);
    closers.push(() => way.close());
    const { world, stage } = await worldOn(`redis://127.0.0.1:${way.port}`);
    const worker = await world.start();
    const receiver = await stage.start();
    await stage.deliver(32);
    await expectEachOnce(world, stage);
    const next = askedBy(replica);
    await eventually(async () => expect(await next.info('replication')).toContain('master_link_status:up'));

    // From here on the replica gets nothing, while the primary sees batches completed, and then some that wait.
    link.freeze();
    await stage.deliver(64);
    await expectEachOnce(world, stage);
    await worker.close();
    const before = forwards(receiver, 'added');
    await stage.deliver(40);
    await eventually(() => expect(forwards(receiver, 'added')).toBeGreaterThan(before));
    const loading = stage.deliver(100);
    await primary.kill('SIGKILL');
    link.cut();
    await next.replicaof('NO', 'ONE');
    way.lead(replica.port);

    expect(answersOf(await loading)).toEqual({ 200: 100 });
    await eventually(() => expect(forwards(receiver, 'added_again')).toBeGreaterThan(0), {
      timeoutMs: settleTimeoutMs,
    });
    await world.start();
    await expectEachOnce(world, stage);
    await eventually(async () => expect(await receiver.journalRows()).toBe(0), {
      timeoutMs: settleTimeoutMs,
    });
  },
);

function forwards({ process }: ServingReceiver, outcome: string): number {
  return process.lines.filter((line) => line.msg === 'forward' && line['outcome'] === outcome).length;
}
