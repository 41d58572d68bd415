// The failure matrix with a whole worker and Postgres behind a receiver as a process: an answer that waits for Postgres,
// whatever of the way there is away, and one event that arrives many times at once.
import { sql } from 'kysely';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { engines, needsRealEngines, startPrivatePostgres } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  answersOf,
  newEvents,
  openReceiverStage,
  slowestMs,
  type ReceiverStage,
} from '../support/faults-receiver.ts';
import { send } from '../support/lean-sender.ts';
import { fromLean } from '../support/receiver-server.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 45_000;
const testTimeoutMs = 90_000;
const customers = generateCustomers({ seed: 'matrix-receiver-stored', entities: 1 });

interface Wish {
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
  readonly receiver?: Readonly<Record<string, string>>;
}

async function open({ redisUrl = engines.redisUrl, databaseUrl, receiver }: Wish = {}) {
  const world = await createWorkerWorld({ customers, ...(databaseUrl !== undefined && { databaseUrl }) });
  closers.push(() => world.close());
  const stage = await openReceiverStage({
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: world.env['QUEUE_PREFIX'] ?? '',
    ...receiver,
  });
  closers.push(() => stage.close());
  await world.start();
  return { world, stage, receiver: await stage.start() };
}

async function countsIn({ test: { database, schema } }: WorkerWorld): Promise<Record<string, number>> {
  const { rows } = await sql<{ event_key: string; delivery_count: number }>`
    select event_key, delivery_count from ${sql.table(`${schema}.webhook_events`)}`.execute(database.db);
  return Object.fromEntries(rows.map((row) => [row.event_key, row.delivery_count]));
}

function needsProcesses(context: TestContext): void {
  needsRealEngines(context, 'redis', 'postgres');
}

function onceEach({ sent }: ReceiverStage): Record<string, number> {
  return Object.fromEntries(sent.map(({ eventId }) => [eventId, 1]));
}

describe('ACK_AFTER=stored', () => {
  it(
    'QueueEvents dead (connection half-open): lookups every 250 ms find out, and every delivery is answered 200',
    { timeout: testTimeoutMs },
    async (context) => {
      needsProcesses(context);
      const { port } = new URL(engines.redisUrl);
      const way = await startTcpProxy({ port: Number(port) });
      closers.push(() => way.close());
      const { world, stage, receiver } = await open({
        redisUrl: `redis://127.0.0.1:${way.port}`,
        receiver: { ACK_AFTER: 'stored', ACK_DEADLINE_MS: '8000' },
      });
      expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
      // Both of its connections hang; the one that asks notices by its deadlines and comes back on a new one.
      way.freezeOpen();
      await stage.deliver(1);
      await eventually(async () => expect(answersOf(await stage.deliver(1))).toEqual({ 200: 1 }), {
        timeoutMs: settleTimeoutMs,
      });
      const blind = await stage.deliver(12, 1);
      expect(answersOf(blind)).toEqual({ 200: 12 });
      // With lookups only once a second, twelve answers after one another would take more than half of it each.
      const sorted = blind
        .map(({ attempts }) => attempts[0]?.ms ?? 0)
        .toSorted((left, right) => left - right);
      expect(sorted[6]).toBeLessThan(700);
      await eventually(async () => expect(await countsIn(world)).toEqual(onceEach(stage)), {
        timeoutMs: settleTimeoutMs,
      });
      expect((await receiver.readiness()).status).toBe(200);
    },
  );

  it(
    'Postgres away: 503 at ACK_DEADLINE_MS, and each event is stored once when it is back',
    { timeout: testTimeoutMs },
    async (context) => {
      needsProcesses(context);
      const postgres = await startPrivatePostgres();
      closers.push(() => postgres.stop());
      const { world, stage } = await open({
        databaseUrl: postgres.url,
        receiver: { ACK_AFTER: 'stored', ACK_DEADLINE_MS: '1500' },
      });
      await eventually(async () => expect(answersOf(await stage.deliver(4))).toEqual({ 200: 4 }));
      await postgres.kill('SIGQUIT');
      const away = await stage.deliver(8);
      expect(away.map(({ attempts }) => attempts[0]?.reply)).toEqual(
        away.map(() => '{"code":"NOT_DURABLE"}'),
      );
      expect(slowestMs(away)).toBeLessThan(4_000);
      expect(Math.min(...away.flatMap(({ attempts }) => attempts.map(({ ms }) => ms)))).toBeGreaterThan(
        1_000,
      );
      await postgres.restart();
      await eventually(async () => expect(await countsIn(world)).toEqual(onceEach(stage)), {
        timeoutMs: settleTimeoutMs,
        everyMs: 200,
      });
      await eventually(async () => expect(answersOf(await stage.deliver(1))).toEqual({ 200: 1 }), {
        timeoutMs: settleTimeoutMs,
      });
    },
  );
});

describe('duplicate delivery', () => {
  it.each(['journal', 'stored'])(
    '7 concurrent posts of one body, ACK_AFTER=%s: 200 to all, one row, delivery_count 7',
    { timeout: testTimeoutMs },
    async (ackAfter) => {
      const { world, stage } = await open({ receiver: { ACK_AFTER: ackAfter, ACK_DEADLINE_MS: '8000' } });
      const { origin, pathname } = new URL(stage.url());
      const [event] = newEvents(1);
      const body = event?.body ?? '';
      const posts = Array.from({ length: 7 }, () =>
        send(fromLean({ url: origin }, stage.settings.pki, { path: pathname, body })),
      );
      expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(posts.map(() => 200));
      await eventually(async () => expect(await countsIn(world)).toEqual({ [event?.eventId ?? '']: 7 }), {
        timeoutMs: settleTimeoutMs,
      });
    },
  );
});
