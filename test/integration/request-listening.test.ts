// How soon a worker hears of what the application asks for: at once where it can listen, within a poll where it cannot,
// and again after whatever breaks on the way.
import { randomBytes } from 'node:crypto';
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely';
import { afterEach, beforeEach, expect, it, type TestContext } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import type { ListenerBounds } from '../../src/store/request-listener.ts';
import type { Tables } from '../../src/store/tables.ts';
import { startRequests } from '../../src/worker/start-requests.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { ask } from '../support/asked-requests.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { longTests } from '../support/long-tests.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { createRecordingLogger } from '../support/silent-logger.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

let test: TestDatabase;
const cleanups: (() => Promise<void>)[] = [];
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  cleanups.push(() => test.drop());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const neverMs = 3_600_000;
const patient = { timeoutMs: 30_000 };

/** With a name of its own, by which its session is told from those of other tests, also from one that is about to end. */
function listenUrl(context: TestContext): URL {
  const { databaseUrl } = engines;
  context.skip(databaseUrl === undefined, 'nobody can listen to an embedded database');
  const url = new URL(databaseUrl ?? '');
  url.searchParams.set('application_name', `listen-${randomBytes(6).toString('hex')}`);
  return url;
}

interface Started {
  readonly url?: URL;
  readonly database?: Database;
  readonly intervalMs?: number;
  readonly bounds?: Partial<ListenerBounds>;
}

function start({ url, database = test.database, intervalMs = neverMs, bounds = {} }: Started) {
  const { logger, lines } = createRecordingLogger();
  const requests = startRequests({
    database,
    syncQueue: { add: () => Promise.resolve() },
    logger,
    metrics: createMetrics({ processMetrics: false }),
    intervalMs,
    listenUrl: url?.href ?? null,
    listenerBounds: { firstPauseMs: 10, ...bounds },
  });
  cleanups.push(() => requests.close());
  const states = () =>
    lines.filter(({ event }) => event === 'request_listening').map(({ fields }) => fields['outcome']);
  return {
    states,
    reaches: (...expected: readonly string[]) =>
      eventually(() => expect(states()).toEqual(expected), patient),
  };
}

/** What a worker has said of a sync of an entity that is not there, once it has. */
async function answerTo(entityId: string, database = test.database) {
  const id = await ask(database, 'request_sync', { id: entityId });
  return eventually(async () => {
    const row = await database.db
      .selectFrom('requests')
      .select(['state', 'failure_code'])
      .where('request_id', '=', id)
      .executeTakeFirst();
    expect(row?.state).not.toBe('waiting');
    return row;
  }, patient);
}
const refused = { state: 'failed', failure_code: 'LEAN_ENTITY_UNKNOWN' };

it('hears of a request at once, however rarely it looks by itself', async (context) => {
  const { reaches } = start({ url: listenUrl(context) });
  await reaches('listening');
  expect(await answerTo('first')).toEqual(refused);
  expect(await answerTo('second')).toEqual(refused);
});

it('finds a request by looking where nobody can listen', async () => {
  start({ intervalMs: 20 });
  expect(await answerTo('first')).toEqual(refused);
});

it('says once that nothing arrives where a pooler lends sessions, and goes on by looking', async (context) => {
  const dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  const url = listenUrl(context);
  const unheard = start({
    url,
    database: { ...test.database, db: new Kysely<Tables>({ dialect }) },
    bounds: { answerMs: 200, unheardPauseMs: 10 },
  });
  await unheard.reaches('unheard');
  start({ intervalMs: 20 });
  expect(await answerTo('first')).toEqual(refused);
  expect(unheard.states()).toEqual(['unheard']);
});

it('outlives the file of a certificate that its URL names and that is missing', async () => {
  const url = new URL('postgres://127.0.0.1:1/none?sslmode=verify-full&sslrootcert=/missing/root.pem');
  const { reaches, states } = start({ url, intervalMs: 20 });
  await reaches('lost');
  expect(await answerTo('first')).toEqual(refused);
  expect(states()).toEqual(['lost']);
});

it('notices PgBouncer in transaction mode by itself', { timeout: 60_000 }, async (context) => {
  context.skip(!longTests, 'takes long: LONG_TESTS=1');
  context.skip(!hasPgBouncer, 'needs pgbouncer');
  listenUrl(context);
  const pooler = await startPgBouncer(engines.databaseUrl ?? '');
  cleanups.push(() => pooler.close());
  const dialect = postgresDialect({
    url: pooler.url,
    poolSize: 2,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  const database = openDatabase({ schema: test.schema, dialect });
  cleanups.push(() => database.close());
  const { states, reaches } = start({ url: new URL(pooler.url), database, intervalMs: 20 });
  await reaches('unheard');
  expect(await answerTo('first')).toEqual(refused);
  expect(states()).toEqual(['unheard']);
});

it('listens anew when its connection is ended, and has missed nothing', async (context) => {
  const url = listenUrl(context);
  const { reaches } = start({ url });
  await reaches('listening');
  const { rows } = await sql<{ ended: boolean }>`
    select pg_terminate_backend(pid) as ended from pg_stat_activity where application_name = ${url.searchParams.get('application_name')}
  `.execute(test.database.db);
  expect(rows).toEqual([{ ended: true }]);
  // Not waiting for the new connection: what is asked for meanwhile is found when it stands.
  expect(await answerTo('first')).toEqual(refused);
  await reaches('listening', 'lost', 'listening');
});

it('notices a connection that broke without a word', async (context) => {
  const url = listenUrl(context);
  const host = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname;
  const proxy = await startTcpProxy({ host, port: Number(url.port || '5432') });
  cleanups.push(() => proxy.close());
  url.host = `127.0.0.1:${proxy.port}`;
  const { reaches } = start({ url, bounds: { answerMs: 2_000, checkEveryMs: 20 } });
  await reaches('listening');
  proxy.freezeOpen();
  expect(await answerTo('first')).toEqual(refused);
  await reaches('listening', 'lost', 'listening');
});

it('is part of every worker', { timeout: 60_000 }, async () => {
  const world = await createWorkerWorld({ customers: generateCustomers({ seed: 'asked', entities: 1 }) });
  cleanups.push(() => world.close());
  await world.start();
  expect(await answerTo('first', world.test.database)).toEqual(refused);
  const expected = engines.kind.postgres === 'embedded' ? [] : ['listening'];
  const said = () =>
    world.lines.filter(({ event }) => event === 'request_listening').map(({ fields }) => fields['outcome']);
  await eventually(() => expect(said()).toEqual(expected), patient);
});
