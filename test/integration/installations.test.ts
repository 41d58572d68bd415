// Two installations on one Redis and one Postgres, each with its own prefix and schema: nothing of the one is met in the
// other. And what was given the wrong one of them says so and takes nothing.
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { openEventQueue } from '../../src/queue/work-queues.ts';
import { startReceiver, type RunningReceiver } from '../../src/receiver/start-receiver.ts';
import { tryLock } from '../../src/store/advisory-lock.ts';
import { publishChanges } from '../../src/store/change-store.ts';
import { lockEntity } from '../../src/store/entity-lock.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { engines, needsRealEngines, startPrivateRedis, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { postgresKept } from '../support/everything-kept.ts';
import { send } from '../support/lean-sender.ts';
import { operate } from '../support/operator.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';
import { forgetKeys } from '../support/redis-keys.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { silentLogger } from '../support/silent-logger.ts';

const timeoutMs = 120_000;

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part.close();
});

/** The same ids in both, and everything else of each under its own name. */
function customersNamed(name: string): SimulatedCustomers {
  const customers = generateCustomers({ seed: 'both', entities: 2, accounts: 1, transactions: 12 });
  for (const entity of customers.entities) {
    entity.appUserId = `${name}-${entity.appUserId}`;
    for (const { transactions } of entity.accounts) {
      for (const transaction of transactions) transaction.information = `paid by ${name}`;
    }
  }
  return customers;
}

interface Installation {
  readonly name: string;
  readonly customers: SimulatedCustomers;
  readonly world: WorkerWorld;
  readonly prefix: string;
  readonly settings: ReceiverSettings;
}

async function install(wish: {
  readonly name: string;
  readonly environment: 'sandbox' | 'production';
  readonly redisUrl: string;
}): Promise<Installation> {
  const { name, environment, redisUrl } = wish;
  const customers = customersNamed(name);
  const world = await createWorkerWorld({ customers, redisUrl, environment, appToken: `token-of-${name}` });
  open.push(world);
  const { QUEUE_PREFIX: prefix = '', PAYLOAD_KEYS = '' } = world.env;
  const settings = await receiverSettings({
    LEAN_ENVIRONMENT: environment,
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: prefix,
    PAYLOAD_KEYS,
    REDIS_DEADLINE_MS: '2000',
  });
  open.push({ close: () => settings.remove() });
  return { name, customers, world, prefix, settings };
}

interface Receiving {
  readonly receiver: RunningReceiver;
  readonly metrics: Metrics;
  readonly lines: Record<string, unknown>[];
}

async function receive(
  { settings }: Installation,
  changes: Readonly<Record<string, string>> = {},
): Promise<Receiving> {
  const { logger, lines } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const config = loadConfig('receiver', { ...settings.env, ...changes });
  const receiver = await startReceiver({ config, logger, metrics, readiness: createReadiness() });
  open.push({ close: () => receiver.close({ delayMs: 0 }) });
  return { receiver, metrics, lines };
}

async function deliver({ receiver }: Receiving, { settings: { pki } }: Installation, body: string) {
  const { origin, pathname } = new URL(receiver.url);
  expect(await send(fromLean({ url: origin }, pki, { path: pathname, body }))).toMatchObject({ status: 200 });
}

async function holdsItsOwn({ world, customers }: Installation): Promise<void> {
  await eventually(
    async () => {
      expect(await world.tables()).toEqual(expectedTables(customers));
      const { db } = world.test.database;
      const openEvents = db.selectFrom('webhook_events').select('type').where('concluded_at', 'is', null);
      expect(await openEvents.execute()).toEqual([]);
      const openRuns = db.selectFrom('sync_runs').select('state').where('finished_at', 'is', null);
      expect(await openRuns.execute()).toEqual([]);
      const unnumbered = db.selectFrom('changes').select('change').where('position', 'is', null);
      expect(await unnumbered.execute()).toEqual([]);
    },
    { timeoutMs, everyMs: 100 },
  );
}

/** Every place of its schema that has a name in it. */
async function placesNaming({ world: { test } }: Installation) {
  const pieces = await postgresKept(test.database, test.schema);
  return (name: string) => pieces.filter(({ bytes }) => bytes.includes(name)).map(({ place }) => place);
}

it(
  'keeps two installations on one Redis and one Postgres apart, with the same events and entities in both',
  async (context) => {
    needsRealEngines(context, 'redis');
    context.skip(engines.databaseUrl === undefined, 'needs two schemas in one Postgres');
    const redis = await startPrivateRedis();
    open.push({ close: () => redis.stop() });
    const one = await install({ name: 'sandbox-one', environment: 'sandbox', redisUrl: redis.url });
    const two = await install({ name: 'live-two', environment: 'production', redisUrl: redis.url });
    const both = [one, two] as const;
    const receivers = [await receive(one), await receive(two)] as const;
    for (const { world } of both) await world.start();
    const plans = both.map(({ customers }) =>
      planDeliveries({ customers, count: 12, duplicateRate: 0.25, seed: 'both' }),
    );
    expect(plans[0]?.map(({ eventId }) => eventId)).toEqual(plans[1]?.map(({ eventId }) => eventId));
    for (const [place, event] of (plans[0] ?? []).entries()) {
      await deliver(receivers[0], one, event.body);
      await deliver(receivers[1], two, plans[1]?.[place]?.body ?? '');
    }
    for (const installation of both) await holdsItsOwn(installation);

    const [inOne, inTwo] = [await placesNaming(one), await placesNaming(two)];
    expect([...inOne(two.name), ...inTwo(one.name)]).toEqual([]);
    const own = ['entities.app_user_id', 'transactions.description'];
    expect(inOne(one.name)).toEqual(expect.arrayContaining(own));
    expect(inTwo(two.name)).toEqual(expect.arrayContaining(own));
    for (const { world } of both) {
      // Another application's token is refused with 401.
      expect(world.lean.calls.filter(({ httpStatus }) => httpStatus === 401)).toEqual([]);
      expect(world.lean.calls.length).toBeGreaterThan(0);
    }

    const client = new Redis(redis.url);
    open.push({ close: () => Promise.resolve(client.disconnect()) });
    const keys = await client.keys('*');
    const keysOf = ({ prefix }: Installation) => keys.filter((key) => key.startsWith(`${prefix}:`));
    expect([...keysOf(one), ...keysOf(two)].toSorted()).toEqual(keys.toSorted());
    await forgetKeys(client, one.prefix);
    expect(await client.exists(...keysOf(two))).toBe(keysOf(two).length);
    // And the one that was emptied goes on by itself.
    const later = planDeliveries({ customers: one.customers, count: 8, duplicateRate: 0, seed: 'later' });
    for (const { body } of later) await deliver(receivers[0], one, body);
    await holdsItsOwn(one);
    await holdsItsOwn(two);
  },
  2 * timeoutMs,
);

it(
  'lets no lock and no NOTIFY of the one schema stop or lead astray the other',
  async (context) => {
    context.skip(engines.databaseUrl === undefined, 'needs two schemas in one Postgres');
    const one = (await install({ name: 'one', environment: 'sandbox', redisUrl: engines.redisUrl })).world
      .test;
    const two = (await install({ name: 'two', environment: 'sandbox', redisUrl: engines.redisUrl })).world
      .test;
    for (const { database } of [one, two]) {
      const change = { change: 'event.recorded', event_key: database.schema, details: '{}' };
      await database.db.insertInto('changes').values(change).execute();
    }
    await one.database.transaction(async (held) => {
      for (const name of ['publish', 'reconcile']) expect(await tryLock(one.database, held, name)).toBe(true);
      await lockEntity(one.database, held, 'an-entity');
      expect(await publishChanges(one.database, { limit: 10 })).toBe(0);
      expect(await publishChanges(two.database, { limit: 10 })).toBe(1);
      await two.database.transaction(async (other) => {
        expect(await tryLock(two.database, other, 'reconcile')).toBe(true);
        await lockEntity(two.database, other, 'an-entity');
      });
    });
    // The channel is one, the payload says whose it is, and the feed behind it is the schema's own.
    expect(await publishChanges(one.database, { limit: 10 })).toBe(1);
    for (const { database } of [one, two]) {
      const { rows } = await sql`select position, event_key from ${database.table('change_feed')}`.execute(
        database.db,
      );
      expect(rows).toEqual([{ position: expect.anything(), event_key: database.schema }]);
      expect(String(Object.values(rows[0] ?? {})[0])).toBe('1');
    }
  },
  timeoutMs,
);

function startOf({ world }: Installation, changes: Readonly<Record<string, string>>) {
  return startWorker({
    config: loadConfig('worker', { ...world.env, ...changes }),
    database: world.test.database,
    logger: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    readiness: createReadiness(),
  });
}

it('a worker with the prefix of another installation does not start, nor one whose facts differ', async () => {
  const redisUrl = engines.redisUrl;
  const one = await install({ name: 'one', environment: 'sandbox', redisUrl });
  const two = await install({ name: 'two', environment: 'sandbox', redisUrl });
  await one.world.start();
  for (const changes of [
    { QUEUE_PREFIX: one.prefix },
    { LEAN_ENVIRONMENT: 'production' },
    { LEAN_REGION: 'sa' },
    { LEAN_APP_TOKEN: 'token-of-one' },
  ])
    await expect(startOf(two, changes)).rejects.toMatchObject({ code: 'WRONG_INSTALLATION' });
});

it('migrate refuses the schema of another environment, region or application', async () => {
  const { world } = await install({ name: 'one', environment: 'sandbox', redisUrl: engines.redisUrl });
  const facts = { environment: 'sandbox', region: 'ae', appToken: 'token-of-one' };
  await stampInstallation(world.test.database, facts);
  for (const [changes, variable] of [
    [{ environment: 'production' }, 'LEAN_ENVIRONMENT'],
    [{ region: 'sa' }, 'LEAN_REGION'],
    [{ appToken: 'token-of-two' }, 'LEAN_APP_TOKEN'],
  ] as const) {
    const stamping = stampInstallation(world.test.database, { ...facts, ...changes });
    await expect(stamping).rejects.toMatchObject({
      code: 'WRONG_INSTALLATION',
      message: expect.stringContaining(variable),
    });
  }
});

it('a command that changes something refuses the database of another installation, and one that reads does not', async () => {
  const { world } = await install({ name: 'one', environment: 'sandbox', redisUrl: engines.redisUrl });
  const { database } = world.test;
  const wrong = { LEAN_ENVIRONMENT: 'production', LEAN_REGION: 'ae' };
  for (const argv of [
    ['sync', 'an-entity'],
    ['refresh', 'an-entity'],
    ['sweep'],
    ['erase', 'a-customer', '--yes'],
    ['renormalize', '--yes'],
    ['events', 'replay', 'a-key', '--yes'],
    ['quarantine', 'discard', 'a-key', '--yes'],
  ]) {
    const answer = await operate(argv, { database, env: wrong });
    expect(answer).toMatchObject({ code: 2, output: expect.stringContaining('WRONG_INSTALLATION') });
  }
  expect(await operate(['events', 'list'], { database, env: wrong })).toMatchObject({ code: 0 });
  const right = { LEAN_ENVIRONMENT: 'sandbox', LEAN_REGION: 'ae', LEAN_APP_TOKEN: 'token-of-one' };
  const known = await operate(['erase', 'a-customer', '--yes'], { database, env: right });
  expect(known.output).not.toContain('WRONG_INSTALLATION');
});

it(
  'a receiver whose journal belongs to another installation acknowledges and forwards nothing, also after a flush',
  async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis();
    open.push({ close: () => redis.stop() });
    const one = await install({ name: 'one', environment: 'sandbox', redisUrl: redis.url });
    const publish = async (prefix: string, id: string) => {
      const queue = openEventQueue({ url: redis.url, prefix, deadlineMs: 20_000 });
      await queue.publishInstallation(id);
      await queue.close();
    };
    await publish(one.prefix, 'ours');
    const first = await receive(one);
    await deliver(first, one, '{"type":"before"}');
    const client = new Redis(redis.url);
    open.push({ close: () => Promise.resolve(client.disconnect()) });
    const waiting = (prefix: string) => client.llen(`${prefix}:webhook-intake:wait`);
    await eventually(async () => expect(await waiting(one.prefix)).toBe(1));
    await first.receiver.close({ delayMs: 0, timeoutMs: 600 });

    const theirs = uniquePrefix();
    await publish(theirs, 'theirs');
    const second = await receive(one, { QUEUE_PREFIX: theirs });
    await deliver(second, one, '{"type":"meanwhile"}');
    const refused = async () => (await second.metrics.forwarderRefused.get()).values[0]?.value;
    await eventually(async () => expect(await refused()).toBe(1));
    const line = {
      msg: 'installation',
      failure_code: 'WRONG_INSTALLATION',
      installation_id: 'theirs',
      expected_installation_id: 'ours',
      level: 'error',
    };
    expect(second.lines).toContainEqual(expect.objectContaining(line));

    await client.flushall();
    const looked = (await client.info('commandstats')).match(/cmdstat_get:calls=(\d+)/)?.[1];
    await deliver(second, one, '{"type":"after the flush"}');
    await eventually(
      async () => {
        const now = (await client.info('commandstats')).match(/cmdstat_get:calls=(\d+)/)?.[1];
        // The second look comes only to one that did not go on after the first.
        expect(Number(now)).toBeGreaterThan(Number(looked) + 1);
      },
      { timeoutMs },
    );
    expect(await client.exists(`${theirs}:webhook-intake:wait`)).toBe(0);
    expect(await refused()).toBe(1);
    await second.receiver.close({ delayMs: 0, timeoutMs: 600 });

    await receive(one);
    await eventually(async () => expect(await waiting(one.prefix)).toBeGreaterThan(0));
    expect(await waiting(theirs)).toBe(0);
  },
  2 * timeoutMs,
);
