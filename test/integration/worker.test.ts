// The whole worker on real engines: batches of deliveries in, calls over mTLS to a simulated Lean, rows out.
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/worker/start-worker.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { needsRealEngines, startPrivateRedis } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { changeNames, createWorkerParts, eventRows } from '../support/worker-parts.ts';

const customers = generateCustomers({ seed: 'worker', entities: 4, accounts: 2, transactions: 110 });
const none = generateCustomers({ seed: 'nobody', entities: 0 });
const bodies = planDeliveries({ customers, count: 60, duplicateRate: 0.3, seed: 'worker' }).map(
  ({ body }) => body,
);
const timeoutMs = 180_000;

let world: WorkerWorld | null = null;
afterEach(async () => {
  await world?.close();
  world = null;
});

async function holdsWhatLeanHolds(of: WorkerWorld): Promise<boolean> {
  const expected = expectedTables(customers);
  await eventually(async () => expect(await of.tables()).toEqual(expected), { timeoutMs, everyMs: 200 });
  return true;
}

function allIsDone({ test }: WorkerWorld): Promise<void> {
  const { db } = test.database;
  const openEvents = db.selectFrom('webhook_events').select('event_key').where('concluded_at', 'is', null);
  const openRuns = db.selectFrom('sync_runs').select(['state', 'failure_code']).where('state', '<>', 'done');
  return eventually(
    async () => {
      expect(await openEvents.execute()).toEqual([]);
      expect(await openRuns.execute()).toEqual([]);
    },
    { timeoutMs },
  );
}

const startParts = () => ({
  logger: silentLogger,
  metrics: createMetrics({ processMetrics: false }),
  readiness: createReadiness(),
});

describe('a worker', () => {
  it(
    'turns shuffled and repeated webhooks into exactly the rows that Lean holds',
    async () => {
      world = await createWorkerWorld({ customers });
      await world.start();
      await world.deliver(bodies);
      const { test } = world;
      await eventually(async () => expect(await eventRows(test.database)).not.toEqual([]), { timeoutMs });
      expect(await holdsWhatLeanHolds(world)).toBe(true);
      await allIsDone(world);
      const deliveries = (await eventRows(test.database)).reduce((sum, row) => sum + row.delivery_count, 0);
      expect(deliveries).toBe(bodies.length);
      await eventually(async () => {
        const unnumbered = test.database.db
          .selectFrom('changes')
          .select('change_id')
          .where('position', 'is', null);
        expect(await unnumbered.execute()).toEqual([]);
      });
      const { readiness } = world;
      await eventually(() =>
        expect(readiness.report()).toEqual({
          ready: true,
          checks: {
            installation: { ok: true },
            queue: { ok: true },
            database: { ok: true },
            'redis-settings': { ok: true },
          },
        }),
      );
      const outcomesOf = (queue: string) =>
        world?.lines.flatMap(({ event, fields }) =>
          event === 'job' && fields['queue'] === queue ? [fields['outcome']] : [],
        ) ?? [];
      const processed = (await eventRows(test.database)).filter(({ state }) => state === 'processed');
      // A job's line is written when its rows have been there for a while.
      const countOf = (queue: string, outcome: string) =>
        outcomesOf(queue).filter((one) => one === outcome).length;
      await eventually(() => {
        expect(countOf('webhook-intake', 'stored')).toBe(3);
        expect(countOf('webhook-events', 'processed')).toBe(processed.length);
      });
    },
    2 * timeoutMs,
  );

  it(
    'finishes what Redis has forgotten, from Postgres alone',
    async () => {
      world = await createWorkerWorld({ customers });
      // Stored, and their jobs remembered by nobody: what a flush leaves behind.
      await createWorkerParts(world.test.database).intake(
        bodies.map((body) => ({ body: Buffer.from(body) })),
      );
      await world.start();
      expect(await holdsWhatLeanHolds(world)).toBe(true);
      await allIsDone(world);
    },
    2 * timeoutMs,
  );

  it(
    'goes on after FLUSHALL in the middle of its work',
    async (context) => {
      needsRealEngines(context, 'redis');
      const redis = await startPrivateRedis();
      const client = new Redis(redis.url);
      try {
        world = await createWorkerWorld({ customers, redisUrl: redis.url });
        await world.deliver(bodies);
        await world.start();
        const { test, lean } = world;
        // Of what the deliveries ask for; sweeps call Lean as well.
        const fetches = () => lean.calls.filter(({ path }) => path.startsWith('/data/v2/accounts'));
        await eventually(() => expect(fetches().length).toBeGreaterThan(3), { timeoutMs });
        const storedBatches = () => test.database.db.selectFrom('intake_batches').select('job_id').execute();
        await eventually(async () => expect(await storedBatches()).toHaveLength(3), { timeoutMs });
        await client.flushall();
        expect(await holdsWhatLeanHolds(world)).toBe(true);
        await allIsDone(world);
        await eventually(async () => expect(await world?.intake.readInstallation()).not.toBeNull());
      } finally {
        client.disconnect();
        await world?.close();
        world = null;
        await redis.stop();
      }
    },
    2 * timeoutMs,
  );

  it(
    'asks Lean about entities of deliveries without a signature, and writes nothing of a stranger’s',
    async () => {
      const [entity] = customers.entities;
      if (entity === undefined) throw new Error('the simulator knows nobody');
      world = await createWorkerWorld({ customers });
      await world.start();
      const ours = entityBody({ entityId: entity.entityId, customerId: entity.customerId, eventId: 'ours' });
      const withoutCustomer = entityBody({
        type: 'entity.updated',
        entityId: customers.entities[1]?.entityId ?? '',
        customerId: null,
        eventId: 'ours-too',
      });
      const strangers = entityBody({ eventId: 'strangers' });
      const texts = [ours, withoutCustomer, strangers].map((body) => Buffer.from(body).toString());
      await world.deliver(texts, { proof: 'certificate' });
      const { test } = world;
      await eventually(
        async () =>
          expect(await eventRows(test.database)).toMatchObject([
            { event_key: 'ours', state: 'processed', proof: 'certificate' },
            { event_key: 'ours-too', state: 'processed' },
            { event_key: 'strangers', state: 'ignored', failure_code: 'ENTITY_NOT_OURS' },
          ]),
        { timeoutMs },
      );
      const entities = await test.database.db.selectFrom('entities').select('entity_id').execute();
      expect(entities.map((row) => row.entity_id).toSorted()).toEqual(
        customers.entities
          .slice(0, 2)
          .map(({ entityId }) => entityId)
          .toSorted(),
      );
      // Whatever the first word of an entity is, it tells of it.
      expect(await changeNames(test.database)).toEqual(['entity.connected', 'entity.connected']);
    },
    2 * timeoutMs,
  );

  it(
    'pauses with all others for as long as Lean asks, after too many requests of any of them',
    async () => {
      world = await createWorkerWorld({ customers });
      const { lean } = world;
      const pauseSeconds = 4;
      lean.faults.add({ fault: { kind: 'rate-limit', retryAfter: String(pauseSeconds) }, after: 2 });
      await world.start();
      await world.start();
      await world.deliver(bodies);
      expect(await holdsWhatLeanHolds(world)).toBe(true);
      const refused = lean.calls.findIndex(({ httpStatus }) => httpStatus === 429);
      const times = lean.calls.slice(refused).map(({ at }) => Date.parse(at));
      // Calls under way at the refusal may still come in; between the last of them and the next one nobody calls.
      const longestRestMs = Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
      expect(longestRestMs).toBeGreaterThan((pauseSeconds * 1_000) / 2);
    },
    2 * timeoutMs,
  );

  it(
    'stops although Lean owes it an answer, and another one takes what it had in hand',
    async () => {
      world = await createWorkerWorld({ customers });
      const { lean } = world;
      lean.faults.add({ fault: { kind: 'half-open' } });
      const first = await world.start();
      await world.deliver(bodies);
      await eventually(() => expect(lean.faults.size).toBe(0), { timeoutMs });
      await first.close();
      expect(world.lines.some(({ fields }) => fields['outcome'] === 'aborted')).toBe(true);
      await world.start();
      expect(await holdsWhatLeanHolds(world)).toBe(true);
    },
    2 * timeoutMs,
  );
});

describe('the start of a worker', () => {
  it('is refused on the database of another installation', async () => {
    world = await createWorkerWorld({ customers: none });
    const config = loadConfig('worker', { ...world.env, LEAN_APP_TOKEN: 'another-application' });
    const starting = startWorker({ config, database: world.test.database, ...startParts() });
    await expect(starting).rejects.toMatchObject({ code: 'WRONG_INSTALLATION' });
  });

  it('is refused on a database that was not migrated', async () => {
    world = await createWorkerWorld({ customers: none });
    const config = loadConfig('worker', world.env);
    const { database } = world.test;
    await database.db.deleteFrom('installation').execute();
    await expect(startWorker({ config, database, ...startParts() })).rejects.toMatchObject({
      code: 'SCHEMA_OUTDATED',
    });
    await database.db.schema.dropTable('schema_migrations').execute();
    await expect(startWorker({ config, database, ...startParts() })).rejects.toMatchObject({
      code: 'SCHEMA_OUTDATED',
    });
  });
});
