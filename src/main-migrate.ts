// Brings the database's schema up to date and says whose it is: `npm run migrate`. With `--print` it only shows the SQL.
import { AppError } from './core/app-error.ts';
import { loadConfig } from './config/load-config.ts';
import { openDatabase, postgresDialect } from './store/database.ts';
import { grantViews, stampInstallation } from './store/installation-store.ts';
import { migrate, printMigrations } from './store/migrate.ts';

/** Building an index of a large table takes as long as it takes. */
const statementTimeoutMs = 3_600_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

try {
  if (process.argv.includes('--print')) printSql();
  else await bringUpToDate();
} catch (error) {
  const failed = error instanceof AppError ? error : new AppError('MIGRATION_FAILED', wordsOf(error));
  process.stderr.write(`${failed.code}: ${failed.message}${causeOf(failed)}\n`);
  process.exitCode = 1;
}

function printSql(): void {
  const { DATABASE_SCHEMA: schema } = loadConfig('ops', process.env);
  say(`create schema if not exists "${schema}";\n`);
  say(printMigrations(schema));
}

async function bringUpToDate(): Promise<void> {
  const config = loadConfig('migrate', process.env);
  const { DATABASE_SCHEMA: schema, DATABASE_READER_ROLE: readerRole } = config;
  const url = config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL;
  if (url === undefined) {
    throw new AppError('CONFIG_INVALID', 'MIGRATION_DATABASE_URL or DATABASE_URL is required by migrate');
  }
  // The migrator holds one connection for its lock and works on another.
  const dialect = postgresDialect({
    url,
    poolSize: 2,
    applicationName: 'lean-migrate',
    onIdleError: () => undefined,
    statementTimeoutMs,
  });
  const database = openDatabase({ dialect, schema });
  try {
    const names = await migrate(database);
    say(names.length === 0 ? `schema ${schema} is up to date` : `schema ${schema}: ran ${names.join(', ')}`);
    const installationId = await stampInstallation(database, {
      environment: config.LEAN_ENVIRONMENT,
      region: config.LEAN_REGION,
      appToken: config.LEAN_APP_TOKEN,
    });
    say(`installation ${installationId} (${config.LEAN_ENVIRONMENT}, ${config.LEAN_REGION})`);
    if (readerRole !== undefined) {
      const views = await grantViews(database, readerRole);
      say(`role ${readerRole} may read ${views.join(', ')}`);
    }
  } finally {
    await database.close();
  }
}

/** Postgres and the network say what is wrong in their own words; no row is in them yet. */
function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : 'an unknown failure';
}

function causeOf({ cause }: AppError): string {
  return cause === undefined ? '' : ` (${wordsOf(cause)})`;
}
