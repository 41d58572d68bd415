// Redis and Postgres for tests: importing this file starts them once per run. A test that needs its own, to kill or
// to empty it, starts a private one. Never touches an engine or a schema that it did not make.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterAll, afterEach, inject, type TestContext } from 'vitest';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import {
  askBroker,
  engineProcessSchema,
  sharedEnginesSchema,
  type BrokerRequest,
  type EngineSignal,
} from './engines-broker.ts';
import { sharedPgliteDialect, takePreparedSchema } from './engines-pglite.ts';
import { emptyAgain, lookAtFresh, type HandedOn } from './engines-schemas.ts';
import { forgetKeys } from './redis-keys.ts';

const broker = inject('enginesBroker');
const shared = sharedEnginesSchema.parse(await askBroker(broker, { want: 'shared' }));

export const engines = {
  kind: { redis: shared.redis.kind, postgres: shared.postgres.kind },
  /** Shared by all files of a run: never FLUSHALL it, and keep to a prefix of your own. */
  redisUrl: shared.redis.url,
  /** Undefined when Postgres is embedded. Everything in it is in a schema of its test's own. */
  databaseUrl: shared.postgres.url,
  canStart: shared.canStart,
};

/** `{test-…}`: a queue prefix nobody else has. */
export function uniquePrefix(): string {
  const prefix = `{test-${randomBytes(6).toString('hex')}}`;
  prefixes.add(prefix);
  return prefix;
}

/** The Redis may be a developer's own. */
const prefixes = new Set<string>();
afterAll(async () => {
  if (shared.redis.kind !== 'real' || prefixes.size === 0) return;
  const redis = new Redis(shared.redis.url);
  for (const prefix of prefixes) await forgetKeys(redis, prefix);
  redis.disconnect();
});

/** Skips the test by name, with the reason, where there is no real engine to start and kill. */
export function needsRealEngines(context: TestContext, ...names: readonly ('redis' | 'postgres')[]): void {
  const missing = (names.length > 0 ? names : (['redis', 'postgres'] as const)).filter(
    (name) => !engines.canStart[name],
  );
  context.skip(missing.length > 0, `needs a real ${missing.join(' and ')} of its own`);
}

let someTestFailed = false;
afterEach((context) => {
  if (context.task.result?.state === 'fail') someTestFailed = true;
});

export interface TestDatabase {
  readonly database: Database;
  /** For processes of their own; undefined when Postgres is embedded. */
  readonly url: string | undefined;
  readonly schema: string;
  /** Closes it; the schema goes too unless a test of this file failed, so that one can look at the rows. */
  drop(): Promise<void>;
}

interface Wish {
  readonly migrated?: boolean;
  /**
   * May be one that an earlier test of the file has dropped, and that is empty again. Only where nothing is left of a
   * test that would still write when it is over.
   */
  readonly handedOn?: boolean;
}

/** A schema nobody else has, migrated unless `migrated` is false, in the shared Postgres or the file's own PGlite. */
export async function openTestDatabase({
  migrated = true,
  handedOn = false,
}: Wish = {}): Promise<TestDatabase> {
  const { postgres } = shared;
  const former = handedOn ? emptied.pop() : undefined;
  const isPrepared = migrated && former === undefined && postgres.kind === 'embedded';
  const ready = former?.schema ?? (isPrepared ? takePreparedSchema() : undefined);
  const schema = ready ?? `test_${randomBytes(6).toString('hex')}`;
  const database = await openSchema(schema);
  if (migrated && ready === undefined) await migrate(database);
  const fresh = handedOn ? (former ?? (await lookAtFresh(database))) : undefined;
  return {
    database,
    url: postgres.url,
    schema,
    async drop() {
      if (someTestFailed) process.stderr.write(`schema ${schema} is kept: a test failed\n`);
      else if (fresh !== undefined && (await emptyAgain(database, fresh))) emptied.push(fresh);
      else await dropSchema(database);
      await database.close();
    },
  };
}

const emptied: HandedOn[] = [];
afterAll(async () => {
  if (shared.postgres.kind === 'embedded') return;
  for (const { schema } of emptied.splice(0)) {
    const database = await openSchema(schema);
    await dropSchema(database);
    await database.close();
  }
});

async function openSchema(schema: string): Promise<Database> {
  const { postgres } = shared;
  const common = { poolSize: 4, applicationName: 'test', onIdleError: () => undefined };
  const dialect =
    postgres.kind === 'embedded'
      ? await sharedPgliteDialect(postgres.template)
      : postgresDialect({ ...common, url: postgres.url });
  return openDatabase({ schema, dialect });
}

async function dropSchema({ db, schema }: Database): Promise<void> {
  await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(db);
}

export interface PrivateEngine {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; another one after a restart. */
  pid(): number;
  /** SIGSTOP and SIGCONT return at once, the others when the process is gone. */
  kill(signal: EngineSignal): Promise<void>;
  /** On the same port with the same folder, after a kill. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface PrivateOptions {
  /** Redis: more of its command line, such as `['--appendonly', 'yes']`. Postgres: settings, `name=value`. */
  readonly args?: readonly string[];
}

/** A Redis of the test's own; memory only unless its arguments say otherwise. */
export function startPrivateRedis(options: PrivateOptions = {}): Promise<PrivateEngine> {
  return startPrivate('redis', options);
}

export function startPrivatePostgres(options: PrivateOptions = {}): Promise<PrivateEngine> {
  return startPrivate('postgres', options);
}

async function startPrivate(
  want: 'redis' | 'postgres',
  { args = [] }: PrivateOptions,
): Promise<PrivateEngine> {
  const { url, port, folder, pid: firstPid } = await start({ want, args: [...args] });
  let pid = firstPid;
  return {
    url,
    port,
    pid: () => pid,
    kill: (signal) => sendSignal(pid, signal),
    async restart() {
      ({ pid } = await start({ want, args: [...args], port, folder }));
    },
    stop: () => sendSignal(pid, 'SIGKILL'),
  };
}

async function start(wish: BrokerRequest) {
  return engineProcessSchema.parse(await askBroker(broker, wish));
}

async function sendSignal(pid: number, signal: EngineSignal): Promise<void> {
  await askBroker(broker, { want: 'signal', pid, signal });
}
