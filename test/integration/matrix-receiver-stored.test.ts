// The failure matrix with a whole worker and Postgres behind a receiver as a process: an answer that waits for Postgres,
// whatever of the way there is away, and one event that arrives many times at once.
import { sql } from 'kysely';
import { describe, expect, it, type TestContext } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { engines, needsRealEngines, startPrivatePostgres } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
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

const settleTimeoutMs = 45_000;
const testTimeoutMs = 90_000;
const customers = generateCustomers({ seed: 'matrix-receiver-stored', entities: 1 });

interface Wish {
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
  readonly receiver?: Readonly<Record<string, string>>;
  /** The test starts the worker itself. */
  readonly workerLater?: boolean;
}

/** Ends with the test. */
async function open(
  context: TestContext,
  { redisUrl = engines.redisUrl, databaseUrl, receiver, workerLater = false }: Wish,
) {
  const world = await createWorkerWorld({ customers, ...(databaseUrl !== undefined && { databaseUrl }) });
  context.onTestFinished(() => world.close());
  const stage = await openReceiverStage({
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: world.env['QUEUE_PREFIX'] ?? '',
    ...receiver,
  });
  context.onTestFinished(() => stage.close());
  if (!workerLater) await world.start();
  return { world, stage, receiver: await stage.start() };
}

async function countsIn({ test: { database, schema } }: WorkerWorld): Promise<Record<string, number>> {
  const { rows } = await sql<{ event_key: string; delivery_count: number }>`
    select event_key, delivery_count from ${sql.table(`${schema}.webhook_events`)}`.execute(database.db);
  return Object.fromEntries(rows.map((row) => [row.event_key, row.delivery_count]));
}

async function changesOf({ test: { database } }: WorkerWorld, eventKey: string): Promise<string[]> {
  const changes = database.db.selectFrom('changes').select('change').where('event_key', '=', eventKey);
  return (await changes.execute()).map(({ change }) => change);
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
      context.onTestFinished(() => way.close());
      const { world, stage, receiver } = await open(context, {
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
      const blind = await stage.deliver(6, 1);
      expect(answersOf(blind)).toEqual({ 200: 6 });
      // Each follows right upon an answer, that is upon a lookup: with one a second every one would take that long.
      expectInTime(Math.min(...blind.map(({ attempts }) => attempts[0]?.ms ?? 0)), 800);
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
      // As long as it is told nothing else it answers a commit before that is on disk, and the crash takes it back.
      const postgres = await startPrivatePostgres({ args: ['synchronous_commit=off'] });
      context.onTestFinished(() => postgres.stop());
      const { world, stage } = await open(context, {
        databaseUrl: postgres.url,
        receiver: { ACK_AFTER: 'stored', ACK_DEADLINE_MS: '1500' },
      });
      await eventually(async () => expect(answersOf(await stage.deliver(4))).toEqual({ 200: 4 }));
      await postgres.kill('SIGQUIT');
      const away = await stage.deliver(8);
      expect(away.map(({ attempts }) => attempts[0]?.reply)).toEqual(
        away.map(() => '{"code":"NOT_DURABLE"}'),
      );
      expectInTime(slowestMs(away), 8_000);
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

describe.concurrent('duplicate delivery', () => {
  it.for(['journal', 'stored'])(
    '7 concurrent posts of one body, ACK_AFTER=%s: 200 to all, one row, delivery_count 7',
    { timeout: testTimeoutMs },
    async (ackAfter, context) => {
      const { world, stage } = await open(context, {
        receiver: { ACK_AFTER: ackAfter, ACK_DEADLINE_MS: '8000' },
      });
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

describe.concurrent('retry between commit and 200', () => {
  it(
    'receiver SIGKILLed in between: Lean sends the delivery again, one event and one effect, two deliveries counted',
    { timeout: testTimeoutMs },
    async (context) => {
      const { world, stage, receiver } = await open(context, {
        receiver: { ACK_AFTER: 'stored', ACK_DEADLINE_MS: '9500' },
        workerLater: true,
      });
      const [event] = newEvents(1);
      const { eventId = '', body = '' } = event ?? {};
      const post = () => {
        const { origin, pathname } = new URL(stage.url());
        return send(fromLean({ url: origin }, stage.settings.pki, { path: pathname, body }));
      };
      const first = post().then(
        ({ status }) => status,
        () => 'no answer',
      );
      // Committed, and the answer waits for a worker that is not there.
      await eventually(async () => expect(await receiver.journalRows()).toBe(1), {
        timeoutMs: settleTimeoutMs,
      });
      receiver.process.kill('SIGKILL');
      await receiver.process.exited;
      expect(await first).not.toBe(200);
      const again = await stage.start({ ACK_AFTER: 'journal' });
      await world.start();
      expect((await post()).status).toBe(200);
      await eventually(
        async () => {
          expect(await countsIn(world)).toEqual({ [eventId]: 2 });
          expect(await changesOf(world, eventId)).toEqual(['entity.connected']);
          expect(await again.journalRows()).toBe(0);
        },
        { timeoutMs: settleTimeoutMs },
      );
    },
  );
});
