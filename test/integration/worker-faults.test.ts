// A worker as its own process, and what happens when it is stopped, killed, or loses Postgres. Rows must be as if
// nothing had happened.
import { afterEach, describe, expect, it } from 'vitest';
import { sql } from 'kysely';
import { openDatabase, postgresDialect } from '../../src/store/database.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import {
  needsRealEngines,
  openTestDatabase,
  startPrivatePostgres,
  startPrivateRedis,
} from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { runMigrate, startRole, type RoleProcess } from '../support/processes.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';

const customers = generateCustomers({ seed: 'faults', entities: 3, accounts: 2, transactions: 110 });
const bodies = planDeliveries({ customers, count: 40, duplicateRate: 0.3, seed: 'faults' }).map(
  ({ body }) => body,
);
const timeoutMs = 60_000;

let world: WorkerWorld | null = null;
const processes: RoleProcess[] = [];
afterEach(async () => {
  for (const role of processes.splice(0)) {
    role.kill('SIGKILL');
    await role.exited;
  }
  await world?.close();
  world = null;
});

function startProcess({ env }: WorkerWorld): RoleProcess {
  const role = startRole('worker', { ...env, OPS_PORT: '0' });
  processes.push(role);
  return role;
}

async function holdsWhatLeanHolds(of: WorkerWorld): Promise<boolean> {
  const expected = expectedTables(customers);
  await eventually(async () => expect(await of.tables()).toEqual(expected), { timeoutMs, everyMs: 200 });
  return true;
}

describe('a worker process', () => {
  it('ends with 0 on SIGTERM, at once, and hands its jobs back', async (context) => {
    needsRealEngines(context, 'redis', 'postgres');
    world = await createWorkerWorld({ customers });
    await world.deliver(bodies);
    const role = startProcess(world);
    await role.line('lean_call');
    const askedAt = performance.now();
    role.kill('SIGTERM');
    expect(await role.exited).toEqual({ code: 0, signal: null });
    expectInTime(performance.now() - askedAt, 8_000);
    startProcess(world);
    expect(await holdsWhatLeanHolds(world)).toBe(true);
  }, 90_000);

  it('killed in the middle of its work leaves what another one finishes', async (context) => {
    needsRealEngines(context, 'redis', 'postgres');
    world = await createWorkerWorld({ customers });
    await world.deliver(bodies);
    const killed = startProcess(world);
    await killed.line('lean_call');
    killed.kill('SIGKILL');
    await killed.exited;
    // In this process, because its reconciler does not wait a minute.
    await world.start();
    expect(await holdsWhatLeanHolds(world)).toBe(true);
  }, 120_000);
});

describe('with Postgres gone for a while', () => {
  it('batches wait in Redis, spend no attempt, and are stored when it is back', async (context) => {
    needsRealEngines(context, 'postgres');
    // The tests' usual setting loses the last commits at a crash, which is not what this is about.
    const postgres = await startPrivatePostgres({ args: ['synchronous_commit=on'] });
    try {
      world = await createWorkerWorld({ customers, databaseUrl: postgres.url });
      await world.start();
      await postgres.kill('SIGKILL');
      await world.deliver(bodies);
      const { lines, readiness } = world;
      await eventually(
        () => expect(lines.some(({ fields }) => fields['outcome'] === 'DATABASE_AWAY')).toBe(true),
        { timeoutMs },
      );
      await eventually(() => expect(readiness.report().checks['database']).toMatchObject({ ok: false }), {
        timeoutMs,
      });
      await postgres.restart();
      expect(await holdsWhatLeanHolds(world)).toBe(true);
      const attempts = lines.filter(({ event }) => event === 'job').map(({ fields }) => fields['attempt']);
      expect(new Set(attempts)).toEqual(new Set([1]));
      await eventually(() => expect(readiness.report().ready).toBe(true), { timeoutMs });
    } finally {
      await world?.close();
      world = null;
      await postgres.stop();
    }
  }, 120_000);
});

describe('with Redis gone for a while', () => {
  it('a worker says so in one line and that it is back in another, however often it tried', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis();
    try {
      world = await createWorkerWorld({ customers, redisUrl: redis.url });
      await world.start();
      const { lines, readiness } = world;
      await eventually(() => expect(readiness.report().ready).toBe(true), { timeoutMs });
      const said = () => lines.filter(({ event }) => event === 'queue_state').map(({ fields }) => fields);
      await redis.kill('SIGKILL');
      await eventually(() => expect(readiness.report().checks['queue']).toMatchObject({ ok: false }), {
        timeoutMs,
      });
      const lost = { queue: 'redis', outcome: 'lost', error: { code: 'QUEUE_UNAVAILABLE' } };
      await eventually(() => expect(said()).toMatchObject([lost]), { timeoutMs });
      await redis.restart();
      const back = { queue: 'redis', outcome: 'back', duration_ms: expect.any(Number) };
      await eventually(() => expect(said()).toMatchObject([lost, back]), { timeoutMs });
      await world.deliver(bodies);
      expect(await holdsWhatLeanHolds(world)).toBe(true);
      expect(said()).toMatchObject([lost, back]);
    } finally {
      await world?.close();
      world = null;
      await redis.stop();
    }
  }, 120_000);
});

describe('npm run migrate', () => {
  it('makes the schema, stamps it, opens the views to the reader, and changes nothing the second time', async (context) => {
    needsRealEngines(context, 'postgres');
    const test = await openTestDatabase({ migrated: false });
    const role = `reader_${test.schema}`;
    try {
      await sql`create role ${sql.id(role)}`.execute(test.database.db);
      const env = {
        LEAN_ENVIRONMENT: 'sandbox',
        LEAN_REGION: 'ae',
        LEAN_APP_TOKEN: 'app-token-of-tests',
        DATABASE_URL: test.url ?? '',
        DATABASE_SCHEMA: test.schema,
        DATABASE_READER_ROLE: role,
      };
      const first = await runMigrate(env);
      expect(first).toContain('0001-first-schema');
      expect(first).toContain('change_feed');
      const id = /installation (\S+)/.exec(first)?.[1];
      expect(await runMigrate(env)).toContain(`is up to date\ninstallation ${id}`);
      await expect(runMigrate({ ...env, LEAN_REGION: 'sa' })).rejects.toThrow('WRONG_INSTALLATION');
      await expect(readAs(test.url ?? '', { role, schema: test.schema, name: 'change_feed' })).resolves.toBe(
        0,
      );
      await expect(
        readAs(test.url ?? '', { role, schema: test.schema, name: 'webhook_events' }),
      ).rejects.toThrow('permission denied');
    } finally {
      await sql`drop schema if exists ${sql.id(test.schema)} cascade`.execute(test.database.db);
      await sql`drop role if exists ${sql.id(role)}`.execute(test.database.db);
      await test.drop();
    }
  });
});

/** How many rows the role sees. */
async function readAs(url: string, { role, schema, name }: { role: string; schema: string; name: string }) {
  const dialect = postgresDialect({
    url,
    poolSize: 1,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  const database = openDatabase({ dialect, schema });
  try {
    return await database.transaction(async (transaction) => {
      await sql`set local role ${sql.id(role)}`.execute(transaction);
      const { rows } = await sql`select * from ${database.table(name)}`.execute(transaction);
      return rows.length;
    });
  } finally {
    await database.close();
  }
}
