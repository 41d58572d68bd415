// The engines of `npm start` where REDIS_URL or DATABASE_URL is unset: started in one folder and stopped with the
// process that owns it.
import { join } from 'node:path';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';
import { startEmbeddedRedis } from './embedded-redis.ts';
import { startSqlSocket } from './sql-socket.ts';

export interface DevelopmentEngines {
  readonly redisUrl: string;
  readonly database: Database;
  /** For the person at the terminal. */
  readonly summary: string;
  close(): Promise<void>;
}

export interface DevelopmentEnginesOptions {
  readonly dir: string;
  readonly redisUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly schema: string;
  readonly poolSize: number;
  /** The PATH in which the machine's Postgres is looked for. */
  readonly searchPath: string;
  readonly onIdleError: (error: Error) => void;
}

/** The caller owns the folder (`lockEmbeddedFolder`). */
export async function startDevelopmentEngines(
  options: DevelopmentEnginesOptions,
): Promise<DevelopmentEngines> {
  const opened: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of opened.splice(0).toReversed()) await closeOne();
  };
  try {
    const redis = options.redisUrl === undefined ? await startEmbeddedRedis() : null;
    if (redis) opened.push(() => redis.close());
    const { database, engine } = await openDatabaseOf(options, opened);
    const summary = `Redis: ${redis ? 'embedded, in memory' : 'REDIS_URL'}; database: ${engine}`;
    return { redisUrl: redis?.url ?? options.redisUrl ?? '', database, summary, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openDatabaseOf(
  { dir, schema, searchPath, databaseUrl, poolSize, onIdleError }: DevelopmentEnginesOptions,
  opened: (() => Promise<void> | void)[],
): Promise<{ database: Database; engine: string }> {
  if (databaseUrl !== undefined) {
    const dialect = postgresDialect({ url: databaseUrl, poolSize, applicationName: 'lean-dev', onIdleError });
    const database = openDatabase({ dialect, schema });
    opened.push(() => database.close());
    return { database, engine: 'DATABASE_URL' };
  }
  const embedded = await openEmbeddedDatabase({ dir, schema, searchPath, onIdleError });
  opened.push(() => embedded.close());
  const socket = await startSqlSocket(join(dir, 'sql.sock'), embedded.database);
  opened.push(() => socket.close());
  const engine = embedded.engine === 'postgres' ? "the machine's Postgres" : 'PGlite';
  return { database: embedded.database, engine: `${engine} under ${dir}` };
}
