// Failure matrix: Postgres away, restarted, slow, full or ending sessions, under a worker at work. The worker goes on
// by itself, spends no attempt on what is not a job's fault, and ends with the rows of an undisturbed one.
import { Client } from 'pg';
import { describe, expect, it, type TestContext } from 'vitest';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { needsRealEngines, startPrivatePostgres, type PrivateEngine } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { casesOf, longTests } from '../support/long-tests.ts';
import { startRole } from '../support/processes.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const customers = generateCustomers({ seed: 'postgres', entities: 3, accounts: 2, transactions: 30 });
const few = generateCustomers({ seed: 'postgres-slow', entities: 1, accounts: 1, transactions: 10 });
const bodiesOf = (whose: SimulatedCustomers, count: number): string[] =>
  planDeliveries({ customers: whose, count, duplicateRate: 0.3, seed: 'postgres' }).map(({ body }) => body);
const bodies = bodiesOf(customers, 30);
const timeoutMs = 60_000;
const rounds = longTests ? 10 : 4;

async function privatePostgres(context: TestContext, ...args: string[]): Promise<PrivateEngine> {
  needsRealEngines(context, 'postgres');
  // The tests' usual setting loses the last commits at a crash, which is not what this is about.
  const postgres = await startPrivatePostgres({ args: ['synchronous_commit=on', ...args] });
  context.onTestFinished(() => postgres.stop());
  return postgres;
}

interface Wish {
  readonly env?: Readonly<Record<string, string>>;
  readonly whose?: SimulatedCustomers;
}

async function newWorld(
  context: TestContext,
  databaseUrl: string,
  { env = {}, whose = customers }: Wish = {},
): Promise<WorkerWorld> {
  const world = await createWorkerWorld({ customers: whose, databaseUrl, env });
  context.onTestFinished(() => world.close());
  return world;
}

const whatLeanHolds = expectedTables(customers);
async function tablesInTheEnd(world: WorkerWorld, expected = whatLeanHolds) {
  await eventually(async () => expect(await world.tables()).toEqual(expected), {
    timeoutMs,
    everyMs: 200,
  });
  return world.tables();
}

/** Which attempts there were: of everything the first, unless one was spent. */
function attemptsOf({ lines }: WorkerWorld): unknown[] {
  const attempts = lines.filter(({ event }) => event === 'job').map(({ fields }) => fields['attempt']);
  return [...new Set(attempts)];
}

const outcomesOf = ({ lines }: WorkerWorld, name: string): unknown[] =>
  lines.filter(({ event }) => event === name).map(({ fields }) => fields['outcome']);

const isReady = ({ readiness }: WorkerWorld): Promise<void> =>
  eventually(() => expect(readiness.report().ready).toBe(true), { timeoutMs });

/** In the middle of what the deliveries ask for; sweeps call Lean as well, and say nothing of these. */
const isAtWork = ({ lean }: WorkerWorld): Promise<void> =>
  eventually(
    () =>
      expect(lean.calls.filter(({ path }) => path.startsWith('/data/v2/accounts')).length).toBeGreaterThan(2),
    { timeoutMs },
  );

const endSessions = async (admin: Client): Promise<void> => {
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lean-worker'`,
  );
};

const sessions = async (admin: Client): Promise<number | null> =>
  (await admin.query(`select pid from pg_stat_activity where application_name = 'lean-worker'`)).rowCount;

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe('Postgres down at the start of a worker', () => {
  it('the worker waits, unready, with one line, and works once it is there', async (context) => {
    const postgres = await privatePostgres(context);
    const world = await newWorld(context, postgres.url);
    await world.deliver(bodies);
    await postgres.kill('SIGQUIT');
    const starting = world.start();
    const database = () => world.readiness.report().checks['database'];
    await eventually(() => expect(database()).toEqual({ ok: false, code: 'DATABASE_AWAY' }));
    // More than one look of two seconds.
    const awaySince = performance.now();
    await eventually(() => expect(performance.now() - awaySince).toBeGreaterThan(2_500));
    expect(outcomesOf(world, 'database_state')).toEqual(['away']);
    await postgres.restart();
    await starting;
    expect(outcomesOf(world, 'database_state')).toEqual(['away', 'back']);
    expect(await tablesInTheEnd(world)).toEqual(whatLeanHolds);
    expect(attemptsOf(world)).toEqual([1]);
    await isReady(world);
  }, 90_000);

  it('SIGTERM ends a worker that waits, with 0 and at once', async (context) => {
    const postgres = await privatePostgres(context);
    const world = await newWorld(context, postgres.url);
    const port = await freePort();
    await postgres.kill('SIGQUIT');
    const role = startRole('worker', { ...world.env, OPS_PORT: String(port) });
    context.onTestFinished(() => role.kill('SIGKILL'));
    expect(await role.line('database_state')).toMatchObject({ failure_code: 'DATABASE_AWAY' });
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      checks: { started: { ok: false }, database: { ok: false, code: 'DATABASE_AWAY' } },
    });
    const askedAt = performance.now();
    role.kill('SIGTERM');
    expect(await role.exited).toEqual({ code: 0, signal: null });
    expectInTime(performance.now() - askedAt, 8_000);
  }, 60_000);

  it('a server that is there without the database asked for is refused, not waited for', async (context) => {
    const postgres = await privatePostgres(context);
    const elsewhere = new URL(postgres.url);
    elsewhere.pathname = '/nobodys';
    const world = await newWorld(context, postgres.url, { env: { DATABASE_URL: elsewhere.href } });
    await expect(world.start()).rejects.toThrow('database "nobodys" does not exist');
  });
});

describe('Postgres restarted under a worker at work', () => {
  it.for(casesOf<'SIGINT' | 'SIGQUIT'>(['SIGQUIT'], ['SIGINT']))(
    '%s: the worker goes on by itself and spends no attempt',
    { timeout: 90_000 },
    async (signal, context) => {
      const postgres = await privatePostgres(context);
      const world = await newWorld(context, postgres.url);
      await world.start();
      await world.deliver(bodies);
      await isAtWork(world);
      await postgres.kill(signal);
      const { readiness } = world;
      await eventually(
        () => expect(readiness.report().checks['database']).toEqual({ ok: false, code: 'DATABASE_AWAY' }),
        { timeoutMs },
      );
      await postgres.restart();
      expect(await tablesInTheEnd(world)).toEqual(whatLeanHolds);
      expect(attemptsOf(world)).toEqual([1]);
      await isReady(world);
    },
  );
});

describe('Postgres slow', () => {
  it('50 ms away in each direction: everything is done, later, and no attempt is spent', async (context) => {
    const postgres = await privatePostgres(context);
    const proxy = await startTcpProxy({ port: postgres.port });
    context.onTestFinished(() => proxy.close());
    const url = new URL(postgres.url);
    url.port = String(proxy.port);
    const world = await newWorld(context, postgres.url, { env: { DATABASE_URL: url.href }, whose: few });
    await world.start();
    proxy.delay(50);
    await world.deliver(bodiesOf(few, 8));
    const expected = expectedTables(few);
    expect(await tablesInTheEnd(world, expected)).toEqual(expected);
    expect(attemptsOf(world)).toEqual([1]);
    await isReady(world);
  }, 90_000);
});

describe('Postgres that refuses or ends sessions', () => {
  it('out of connections: work waits, spends no attempt, and is done when there are some again', async (context) => {
    const postgres = await privatePostgres(context, 'max_connections=16', 'superuser_reserved_connections=0');
    const admin = await connect(postgres.url);
    context.onTestFinished(() => admin.end());
    const world = await newWorld(context, postgres.url);
    await world.start();
    const hogs: Client[] = [];
    const takeAll = async (): Promise<void> => {
      for (;;) hogs.push(await connect(postgres.url));
    };
    const isFull = { code: '53300' };
    await expect(takeAll()).rejects.toMatchObject(isFull);
    await endSessions(admin);
    await expect(takeAll()).rejects.toMatchObject(isFull);
    await world.deliver(bodies);
    await eventually(() => expect(outcomesOf(world, 'job')).toContain('DATABASE_AWAY'), { timeoutMs });
    await Promise.all(hogs.map((hog) => hog.end()));
    expect(await tablesInTheEnd(world)).toEqual(whatLeanHolds);
    expect(attemptsOf(world)).toEqual([1]);
    await isReady(world);
  }, 90_000);

  it('every session ended, over and over: no attempt is spent and nothing is lost', async (context) => {
    const postgres = await privatePostgres(context);
    const admin = await connect(postgres.url);
    context.onTestFinished(() => admin.end());
    const world = await newWorld(context, postgres.url);
    await world.start();
    const delivering = world.deliver(bodies, { batchSize: 3 });
    for (let round = 0; round < rounds; round += 1) {
      await eventually(async () => expect(await sessions(admin)).toBeGreaterThan(0), { timeoutMs });
      await endSessions(admin);
    }
    await delivering;
    expect(await tablesInTheEnd(world)).toEqual(whatLeanHolds);
    expect(attemptsOf(world)).toEqual([1]);
    await isReady(world);
  }, 90_000);
});
