// What becomes of pooled connections when the way to Postgres breaks without a word.
import { sql } from 'kysely';
import { afterEach, expect, it, type TestContext } from 'vitest';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { databaseFailure } from '../../src/store/database-failures.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const statementTimeoutMs = 400;
const poolSize = 2;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Connected {
  /** Through the proxy. */
  readonly database: Database;
  /** Past the proxy. */
  readonly direct: Database;
  readonly proxy: TcpProxy;
}

async function connect(context: TestContext, applicationName: string): Promise<Connected> {
  const { databaseUrl } = engines;
  context.skip(databaseUrl === undefined, 'needs a Postgres that is reached over a network');
  const url = new URL(databaseUrl ?? '');
  const host = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname;
  const proxy = await startTcpProxy({ host, port: Number(url.port || '5432') });
  cleanups.push(() => proxy.close());
  const common = { poolSize, onIdleError: () => undefined, statementTimeoutMs };
  const direct = openDatabase({
    schema: 'public',
    dialect: postgresDialect({ ...common, url: url.href, applicationName: 'direct' }),
  });
  cleanups.push(() => direct.close());
  url.host = `127.0.0.1:${proxy.port}`;
  const database = openDatabase({
    schema: 'public',
    dialect: postgresDialect({ ...common, url: url.href, applicationName }),
  });
  cleanups.push(() => database.close());
  return { database, direct, proxy };
}

const ask = (database: Database) => sql<{ one: number }>`select 1 as one`.execute(database.db);

async function fillPool(database: Database): Promise<void> {
  const busy = Array.from({ length: poolSize }, () => sql`select pg_sleep(0.1)`.execute(database.db));
  await Promise.all(busy);
}

async function sessions({ direct }: Connected, applicationName: string) {
  const { rows } = await sql<{ state: string; left_open: boolean }>`
    select state, xact_start is not null as left_open from pg_stat_activity
    where application_name = ${applicationName}
  `.execute(direct.db);
  return rows;
}

it('replaces every connection that a firewall has forgotten, after one statement each', async (context) => {
  const { database, proxy } = await connect(context, 'half-open');
  await fillPool(database);
  expect(proxy.connections()).toBe(poolSize);
  proxy.freezeOpen();
  const refused = await Promise.allSettled([ask(database), ask(database)]);
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect((await ask(database)).rows).toEqual([{ one: 1 }]);
  await Promise.all([fillPool(database), ask(database)]);
  await eventually(() => expect(proxy.connections()).toBeLessThanOrEqual(poolSize));
});

it('leaves no transaction open and loses no write when a silent server comes back', async (context) => {
  const applicationName = 'came-back';
  const connected = await connect(context, applicationName);
  const { database, direct, proxy } = connected;
  const table = sql.id(`came_back_${process.pid}`);
  await sql`create table ${table} (value integer)`.execute(direct.db);
  cleanups.push(async () => void (await sql`drop table ${table}`.execute(direct.db)));
  await ask(database);
  proxy.freeze();
  const begun = database.transaction((transaction) => sql`select 1`.execute(transaction));
  await expect(begun).rejects.toThrow('no answer from the database');
  await proxy.restore();

  await sql`insert into ${table} values (1)`.execute(database.db);
  // Rolls back, and would take the write with it if both were on a connection whose `begin` came late.
  const undone = database.transaction(async (transaction) => {
    await sql`insert into ${table} values (2)`.execute(transaction);
    throw new Error('not this one');
  });
  await expect(undone).rejects.toThrow('not this one');
  expect((await sql`select value from ${table}`.execute(direct.db)).rows).toEqual([{ value: 1 }]);
  await eventually(async () =>
    expect((await sessions(connected, applicationName)).filter((row) => row.left_open)).toEqual([]),
  );
});

it('tells of the statement that ran out of time, not of the rollback that could not follow', async (context) => {
  const { database, proxy } = await connect(context, 'too-slow');
  const failure = await database
    .transaction((transaction) => sql`select pg_sleep(5)`.execute(transaction))
    .catch((error: unknown) => error);
  expect(databaseFailure(failure)).toBe('slow');
  expect((await ask(database)).rows).toEqual([{ one: 1 }]);
  await eventually(() => expect(proxy.connections()).toBe(1));
});
