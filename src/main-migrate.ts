// Brings the database's schema up to date and says whose it is: `npm run migrate`. With `--print` it only shows the SQL.
import { AppError } from './core/app-error.ts';
import { loadConfig, type Config } from './config/load-config.ts';
import { openDatabase, postgresDialect } from './store/database.ts';
import { giveGrants, planGrants, possibleGrants, type GrantsPlan } from './store/grants.ts';
import { refuseAnothers, stampInstallation } from './store/installation-store.ts';
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

type MigrateConfig = Pick<
  Config,
  | 'LEAN_ENVIRONMENT'
  | 'DATABASE_SCHEMA'
  | 'DATABASE_URL'
  | 'MIGRATION_DATABASE_URL'
  | 'DATABASE_READER_ROLE'
  | 'DATABASE_APP_ROLE'
>;

function printSql(): void {
  const config = loadConfig('ops', process.env);
  const { DATABASE_SCHEMA: schema } = config;
  const { named, assumed } = plannedGrants(config);
  say(
    `-- Everything from an empty database on. What has run: select name from "${schema}".schema_migrations;`,
  );
  say(
    '-- Whose the schema is, an id of its own and a hash of LEAN_APP_TOKEN, is written by `npm run migrate` alone.',
  );
  say(printMigrations(schema));
  for (const { statements } of named) say(`\n${statements.map((text) => `${text};`).join('\n')}`);
  for (const { role, statements } of assumed)
    say(`\n-- where there is a role ${role}:\n${statements.map((text) => `-- ${text};`).join('\n')}`);
}

async function bringUpToDate(): Promise<void> {
  const config = loadConfig('migrate', process.env);
  const { DATABASE_SCHEMA: schema } = config;
  const url = config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL;
  if (url === undefined) {
    throw new AppError('CONFIG_INVALID', 'MIGRATION_DATABASE_URL or DATABASE_URL is required by migrate');
  }
  const dialect = postgresDialect({
    url,
    poolSize: 1,
    applicationName: 'lean-migrate',
    onIdleError: () => undefined,
    statementTimeoutMs,
  });
  const database = openDatabase({ dialect, schema });
  try {
    const { grants, impossible } = await possibleGrants(database, plannedGrants(config));
    const facts = {
      environment: config.LEAN_ENVIRONMENT,
      region: config.LEAN_REGION,
      appToken: config.LEAN_APP_TOKEN,
    };
    await refuseAnothers(database, facts);
    const names = await migrate(database);
    say(names.length === 0 ? `schema ${schema} is up to date` : `schema ${schema}: ran ${names.join(', ')}`);
    const installationId = await stampInstallation(database, facts);
    say(`installation ${installationId} (${config.LEAN_ENVIRONMENT}, ${config.LEAN_REGION})`);
    for (const one of grants) {
      await giveGrants(database, one);
      say(`role ${one.role} may ${one.told}`);
    }
    for (const { role, told } of impossible) say(`there is no role ${role}, which could ${told}`);
    if (isProduction(config) && config.DATABASE_APP_ROLE === undefined)
      say('no role may ask for anything: in production only the one that DATABASE_APP_ROLE names');
  } finally {
    await database.close();
  }
}

function plannedGrants(config: MigrateConfig): GrantsPlan {
  return planGrants(config.DATABASE_SCHEMA, {
    readerRole: config.DATABASE_READER_ROLE,
    appRole: config.DATABASE_APP_ROLE,
    isProduction: isProduction(config),
    workerRole: workerRoleOf(config),
  });
}

function isProduction({ LEAN_ENVIRONMENT: environment }: Pick<MigrateConfig, 'LEAN_ENVIRONMENT'>): boolean {
  return environment === 'production';
}

/** Null where workers come as whoever migrates. */
function workerRoleOf({ DATABASE_URL: url, MIGRATION_DATABASE_URL: migrationUrl }: MigrateConfig) {
  const role = userOf(url);
  return migrationUrl === undefined || role === userOf(migrationUrl) ? null : role;
}

function userOf(url = ''): string | null {
  const user = URL.parse(url)?.username ?? '';
  return user === '' ? null : decodeURIComponent(user);
}

/** Postgres and the network say what is wrong in their own words; no row is in them yet. */
function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : 'an unknown failure';
}

function causeOf({ cause }: AppError): string {
  return cause === undefined ? '' : ` (${wordsOf(cause)})`;
}
