// Failure matrix: Postgres down for long while deliveries go on, and Redis emptied meanwhile. Ten minutes in a long run;
// twenty seconds otherwise, which is the same: the only thing that grows with the outage is how long a job steps back, and that
// reaches its bound within them; no attempt is spent (asserted), so none can run out, and whoever looks whether a batch
// is still known to Redis does so at a fixed pace. The rest of a longer outage is only more rows in the journal.
import { Redis } from 'ioredis';
import { expect, it, type TestContext } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { createWebhookSender, type WebhookSender } from '../simulator/webhook-sender.ts';
import { needsRealEngines, startPrivatePostgres, startPrivateRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { longTests } from '../support/long-tests.ts';
import { startRole } from '../support/processes.ts';
import { testSecret } from '../support/receiver-server.ts';
import { receiverSettings } from '../support/receiver-settings.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';

const customers = generateCustomers({ seed: 'outage', entities: 4, accounts: 1, transactions: 20 });
const deliveries = planDeliveries({ customers, count: 60, duplicateRate: 0.3, seed: 'outage' });
const outageMs = longTests ? 600_000 : 20_000;
const slices = 5;
const timeoutMs = outageMs + 100_000;

async function startReceiver(context: TestContext, { env }: WorkerWorld): Promise<WebhookSender> {
  const settings = await receiverSettings({
    REDIS_URL: env['REDIS_URL'] ?? '',
    QUEUE_PREFIX: env['QUEUE_PREFIX'] ?? '',
    REDIS_DEADLINE_MS: '2000',
  });
  context.onTestFinished(() => settings.remove());
  const receiver = startRole('receiver', settings.env);
  context.onTestFinished(async () => {
    receiver.kill('SIGKILL');
    await receiver.exited;
  });
  const url = String((await receiver.line('listening'))['url']);
  const sender = createWebhookSender({
    url: new URL('/webhooks/lean', url).href,
    identity: settings.pki.lean.webhookClient,
    ca: settings.pki.serverCaPem,
    secret: testSecret,
    retryMinutes: [],
  });
  context.onTestFinished(() => sender.close());
  return sender;
}

it(
  'Postgres down for long while deliveries go on, FLUSHALL meanwhile, Postgres up: nothing acked is missing',
  { timeout: 2 * timeoutMs },
  async (context) => {
    needsRealEngines(context);
    const postgres = await startPrivatePostgres({ args: ['synchronous_commit=on'] });
    context.onTestFinished(() => postgres.stop());
    const redis = await startPrivateRedis();
    context.onTestFinished(() => redis.stop());
    const operator = new Redis(redis.url);
    context.onTestFinished(() => operator.disconnect());
    const world = await createWorkerWorld({ customers, databaseUrl: postgres.url, redisUrl: redis.url });
    context.onTestFinished(() => world.close());
    const lean = await startReceiver(context, world);
    await world.start();

    const size = deliveries.length / (slices + 1);
    const slice = (index: number) => deliveries.slice(index * size, (index + 1) * size);
    await lean.sendAll(slice(0));
    await postgres.kill('SIGQUIT');
    const downSince = performance.now();
    for (let index = 1; index <= slices; index += 1) {
      await lean.sendAll(slice(index));
      await eventually(
        () => expect(performance.now() - downSince).toBeGreaterThan((index * outageMs) / slices),
        { timeoutMs },
      );
      if (index === 2 || index === slices) await operator.flushall();
    }
    const jobs = () => world.lines.filter(({ event }) => event === 'job').map(({ fields }) => fields);
    expect(jobs().map(({ outcome }) => outcome)).toContain('DATABASE_AWAY');
    await postgres.restart();

    expect(lean.history.map(({ attempts }) => attempts.map(({ status }) => status))).toEqual(
      deliveries.map(() => [200]),
    );
    await eventually(async () => expect(await world.tables()).toEqual(expectedTables(customers)), {
      timeoutMs,
      everyMs: 200,
    });
    const stored = world.test.database.db
      .selectFrom('webhook_events')
      .select(['event_key', 'delivery_count', 'state']);
    await eventually(
      async () => {
        const rows = await stored.execute();
        expect(new Set(rows.map((row) => row.event_key))).toEqual(
          new Set(deliveries.map(({ eventId }) => eventId)),
        );
        expect(rows.reduce((sum, row) => sum + row.delivery_count, 0)).toBe(deliveries.length);
        expect(rows.filter(({ state }) => state === 'received')).toEqual([]);
      },
      { timeoutMs },
    );
    expect(new Set(jobs().map(({ attempt }) => attempt))).toEqual(new Set([1]));
    await eventually(() => expect(world.readiness.report().ready).toBe(true), { timeoutMs });
  },
);
