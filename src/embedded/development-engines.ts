// The engines of `npm start` where REDIS_URL or DATABASE_URL is unset: started in one folder and stopped with the
// process that owns it.
import { join } from 'node:path';
import { createOpened, type Opened } from '../core/opened.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';
import { startEmbeddedRedis } from './embedded-redis.ts';
import { startSqlSocket, type RunCommand } from './sql-socket.ts';

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
  /** For the operator's commands about the rows of a database inside this process. */
  readonly runCommand: RunCommand;
}

/** The caller owns the folder (`lockEmbeddedFolder`). */
export async function startDevelopmentEngines(
  options: DevelopmentEnginesOptions,
): Promise<DevelopmentEngines> {
  const opened = createOpened();
  try {
    const redis = options.redisUrl === undefined ? await startEmbeddedRedis() : null;
    if (redis) opened.add(() => redis.close());
    const { database, engine } = await openDatabaseOf(options, opened);
    const summary = `Redis: ${redis ? 'embedded, in memory' : 'REDIS_URL'}; database: ${engine}`;
    return {
      redisUrl: redis?.url ?? options.redisUrl ?? '',
      database,
      summary,
      close: () => opened.closeAll(),
    };
  } catch (error) {
    await opened.closeAll();
    throw error;
  }
}

async function openDatabaseOf(
  { dir, schema, searchPath, databaseUrl, poolSize, onIdleError, runCommand }: DevelopmentEnginesOptions,
  opened: Opened,
): Promise<{ database: Database; engine: string }> {
  if (databaseUrl !== undefined) {
    const dialect = postgresDialect({ url: databaseUrl, poolSize, applicationName: 'lean-dev', onIdleError });
    const database = openDatabase({ dialect, schema });
    opened.add(() => database.close());
    return { database, engine: 'DATABASE_URL' };
  }
  const embedded = await openEmbeddedDatabase({ dir, schema, searchPath, onIdleError });
  opened.add(() => embedded.close());
  const { database } = embedded;
  const socket = await startSqlSocket({ path: join(dir, 'sql.sock'), database, runCommand });
  opened.add(() => socket.close());
  const engine = embedded.engine === 'postgres' ? "the machine's Postgres" : 'PGlite';
  return { database, engine: `${engine} under ${dir}` };
}
