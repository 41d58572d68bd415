// The main job with every part a process of its own: Lean's webhooks in over mTLS, bank data back out of Lean, rows in
// Postgres. The simulator's own data say what the rows must be; nothing of the service's code does.
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { createRealClock } from '../simulator/clock.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { createWebhookSender, type WebhookSender } from '../simulator/webhook-sender.ts';
import { startDeployment, type Deployment } from '../support/deployment.ts';
import { engines, needsRealEngines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { longTests } from '../support/long-tests.ts';
import type { RoleProcess } from '../support/processes.ts';

const runTimeoutMs = 240_000;
const settleTimeoutMs = 120_000;
/** A minute of Lean's retry schedule in half a second. */
const clockSpeed = 120;

const customers = generateCustomers({ seed: 'main-job', entities: 50 });
const deliveries = planDeliveries({ customers, count: 2000, duplicateRate: 0.3, seed: 'main-job' });
const uniqueEvents = new Set(deliveries.map(({ eventId }) => eventId)).size;

let deployment: Deployment | undefined;
let sender: WebhookSender | undefined;
afterEach(async () => {
  await sender?.close();
  await deployment?.close();
});

async function start(): Promise<{
  running: Deployment;
  url: string;
  receiver: RoleProcess;
  workers: RoleProcess[];
}> {
  const running = await startDeployment({ customers });
  deployment = running;
  const { url, process } = await running.startReceiver();
  const workers = [await running.startWorker(), await running.startWorker()];
  return { running, url, receiver: process, workers };
}

function leanSending({ pki, secret }: Deployment, url: string): WebhookSender {
  sender = createWebhookSender({
    url,
    identity: pki.lean.webhookClient,
    ca: pki.serverCaPem,
    secret,
    connections: 16,
    clock: createRealClock({ speed: clockSpeed }),
  });
  return sender;
}

async function expectEverythingStored(running: Deployment): Promise<void> {
  const { database, schema } = running.database;
  await eventually(
    async () => {
      const { rows } = await sql<{ state: string; events: string }>`
        select state, count(*)::text as events from ${sql.table(`${schema}.webhook_events`)} group by state`.execute(
        database.db,
      );
      const counts = new Map(rows.map(({ state, events }) => [state, Number(events)]));
      expect([...counts.keys()].toSorted()).toEqual(['ignored', 'processed']);
      expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(uniqueEvents);
      const { rows: open } = await sql<{ sync_id: string }>`
        select sync_id from ${sql.table(`${schema}.sync_runs`)} where state in ('waiting', 'running')`.execute(
        database.db,
      );
      expect(open).toEqual([]);
    },
    { timeoutMs: settleTimeoutMs, everyMs: 500 },
  );
  expect(await running.tables()).toEqual(expectedTables(customers));
}

describe('2,000 webhooks for 50 entities, 30 % of them duplicates, shuffled', () => {
  it(
    'are all answered 200 and leave exactly the rows that Lean holds',
    { timeout: runTimeoutMs },
    async (context) => {
      needsRealEngines(context);
      context.skip(engines.databaseUrl === undefined, 'processes of their own need a real Postgres');
      const { running, url } = await start();
      const records = await leanSending(running, url).sendAll(deliveries);
      expect(records.map(({ attempts }) => attempts.map(({ status }) => status))).toEqual(
        records.map(() => [200]),
      );
      await expectEverythingStored(running);
      const { database, schema } = running.database;
      const { rows } = await sql<{ delivered: string }>`
      select sum(delivery_count)::text as delivered from ${sql.table(`${schema}.webhook_events`)}`.execute(
        database.db,
      );
      expect(rows).toEqual([{ delivered: String(deliveries.length) }]);
    },
  );

  it(
    'survive kill -9 of receiver, worker and Redis and one FLUSHALL on the way',
    { timeout: runTimeoutMs },
    async (context) => {
      context.skip(!longTests, 'takes long: LONG_TESTS=1; the torture of every gate does as much, and more');
      needsRealEngines(context);
      context.skip(engines.databaseUrl === undefined, 'processes of their own need a real Postgres');
      const { running, url, receiver, workers } = await start();
      const lean = leanSending(running, url);
      const acked = (): number => lean.history.filter((record) => record.acked).length;
      const whenAcked = (share: number): Promise<void> =>
        eventually(() => expect(acked()).toBeGreaterThan(deliveries.length * share), {
          timeoutMs: settleTimeoutMs,
          everyMs: 5,
        });
      const sending = lean.sendAll(deliveries, { concurrency: 16 });

      await whenAcked(0.1);
      await running.redis.kill('SIGKILL');
      await whenAcked(0.3); // The journal takes what comes while Redis is away.
      await running.redis.restart();

      await whenAcked(0.4);
      receiver.kill('SIGKILL');
      await receiver.exited;
      const restarted = await running.startReceiver();
      expect(restarted.url).toBe(url);

      await whenAcked(0.6);
      workers[0]?.kill('SIGKILL');
      await workers[0]?.exited;
      await running.startWorker();

      await whenAcked(0.8);
      await running.flushRedis();

      const records = await sending;
      expect(records.filter((record) => !record.acked)).toEqual([]);
      await expectEverythingStored(running);
    },
  );
});
