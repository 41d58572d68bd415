// The database of one command: opened for it and closed behind it. Says in a sentence what is wrong with it; a command
// never runs on a schema older than itself.
import { AppError } from '../core/app-error.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import { checkKnownFacts } from '../store/installation-store.ts';
import { missingMigrations } from '../store/migrate.ts';
import type { OperatorContext } from './operator-command.ts';

/** One for the transaction under way, one beside it. */
const poolSize = 2;

/** Throws CONFIG_INVALID, DATABASE_AWAY, SCHEMA_OUTDATED or what `run` throws. */
export async function withDatabase<Value>(
  context: OperatorContext,
  run: (database: Database) => Promise<Value>,
): Promise<Value> {
  const database = context.database ?? openOwn(context);
  try {
    await checkSchema(database);
    return await run(database);
  } catch (error) {
    const failure = databaseFailure(error);
    if (error instanceof AppError || failure === 'other') throw error;
    if (failure === 'slow')
      throw new AppError(
        'DATABASE_AWAY',
        'the database took too long; a narrower choice may help (--since)',
        {
          cause: error,
        },
      );
    const words = error instanceof Error ? error.message : 'no answer';
    throw new AppError('DATABASE_AWAY', `the database says: ${words}`, { cause: error });
  } finally {
    if (database !== context.database) await database.close();
  }
}

/** The same for a command that changes something. Throws WRONG_INSTALLATION where the database is not that of the settings here. */
export function withOwnDatabase<Value>(
  context: OperatorContext,
  run: (database: Database) => Promise<Value>,
): Promise<Value> {
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region, LEAN_APP_TOKEN: appToken } = context.config;
  return withDatabase(context, async (database) => {
    await checkKnownFacts(database, { environment, region, appToken });
    return run(database);
  });
}

function openOwn({ databaseUrl, schema }: OperatorContext): Database {
  if (databaseUrl === undefined)
    throw new AppError('CONFIG_INVALID', 'DATABASE_URL is required by this command');
  const dialect = postgresDialect({
    url: databaseUrl,
    poolSize,
    applicationName: 'lean-ops',
    onIdleError: () => undefined, // The next statement on it says so itself.
  });
  return openDatabase({ dialect, schema });
}

async function checkSchema(database: Database): Promise<void> {
  try {
    const missing = await missingMigrations(database);
    if (missing.length > 0)
      throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} lacks ${missing.join(', ')}`);
  } catch (error) {
    if (error instanceof AppError || databaseFailure(error) !== 'other') throw error;
    throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} cannot be read`, { cause: error });
  }
}
