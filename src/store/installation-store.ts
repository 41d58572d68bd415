// Which installation a database belongs to: one Lean application in one environment and region. Keeps two of them
// from mixing their rows. Only a hash of the app token is stored.
import { randomUUID } from 'node:crypto';
import { AppError } from '../core/app-error.ts';
import { sha256Hex } from '../core/event-key.ts';
import type { Database } from './database.ts';
import { missingMigrations } from './migrate.ts';

export interface InstallationFacts {
  readonly environment: string;
  readonly region: string;
  readonly appToken: string;
}

/**
 * Stamps a database that has no stamp yet, and returns the installation's id (a random UUID).
 * Throws WRONG_INSTALLATION when it was stamped for another one.
 */
export async function stampInstallation(database: Database, facts: InstallationFacts): Promise<string> {
  await database.db
    .insertInto('installation')
    .values({
      installation_id: randomUUID(),
      environment: facts.environment,
      region: facts.region,
      app_token_sha256: sha256Hex(facts.appToken),
    })
    .onConflict((conflict) => conflict.column('only_row').doNothing())
    .execute();
  return compareInstallation(database, facts);
}

/** For a worker's start. Throws SCHEMA_OUTDATED or WRONG_INSTALLATION, or what the database throws. */
export async function checkInstallation(database: Database, facts: InstallationFacts): Promise<string> {
  await checkMigrated(database);
  return compareInstallation(database, facts);
}

/** Throws SCHEMA_OUTDATED, or what the database throws. */
export async function checkMigrated(database: Database): Promise<void> {
  const missing = await missingOf(database);
  if (missing.length > 0) {
    throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} lacks ${missing.join(', ')}`);
  }
}

async function missingOf(database: Database): Promise<string[]> {
  try {
    return await missingMigrations(database);
  } catch (error) {
    if (!isUndefinedTable(error)) throw error;
    throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} was never migrated`, { cause: error });
  }
}

/** SQLSTATE 42P01 (the table) and 3F000 (the schema). */
function isUndefinedTable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '42P01' || error.code === '3F000');
}

async function compareInstallation(database: Database, facts: InstallationFacts): Promise<string> {
  const row = await database.db
    .selectFrom('installation')
    .select(['installation_id', 'environment', 'region', 'app_token_sha256'])
    .executeTakeFirst();
  if (row === undefined) {
    throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} was migrated but not stamped`);
  }
  refuseOther(database.schema, row, facts);
  return row.installation_id;
}

/**
 * For the operator's commands, which need not know everything: throws WRONG_INSTALLATION where something that is known
 * differs. A database that was never stamped is nobody's.
 */
export async function checkKnownFacts(
  database: Database,
  facts: Readonly<Record<keyof InstallationFacts, string | undefined>>,
): Promise<void> {
  const row = await database.db
    .selectFrom('installation')
    .select(['environment', 'region', 'app_token_sha256'])
    .executeTakeFirst();
  if (row !== undefined) refuseOther(database.schema, row, facts);
}

/** Before a migration: throws WRONG_INSTALLATION where the schema is another's. One that is not there yet is nobody's. */
export async function refuseAnothers(database: Database, facts: InstallationFacts): Promise<void> {
  try {
    await checkKnownFacts(database, facts);
  } catch (error) {
    if (!isUndefinedTable(error)) throw error;
  }
}

export interface InstallationUse {
  readonly installationId: string;
  /** Whether a delivery ever came as far as into this database, and is still kept. */
  readonly hasEvents: boolean;
}

/** Null on a database that was never stamped. */
export async function readInstallationUse(database: Database): Promise<InstallationUse | null> {
  const row = await database.db.selectFrom('installation').select('installation_id').executeTakeFirst();
  if (row === undefined) return null;
  const event = await database.db
    .selectFrom('webhook_events')
    .select('event_key')
    .limit(1)
    .executeTakeFirst();
  return { installationId: row.installation_id, hasEvents: event !== undefined };
}

interface Stamp {
  readonly environment: string;
  readonly region: string;
  readonly app_token_sha256: string | null;
}

const differs = (stamped: string | null, given: string | undefined): boolean =>
  given !== undefined && given !== stamped;

function refuseOther(
  schema: string,
  stamp: Stamp,
  { environment, region, appToken }: Readonly<Record<keyof InstallationFacts, string | undefined>>,
): void {
  const differing = [
    ...(differs(stamp.environment, environment) ? ['LEAN_ENVIRONMENT'] : []),
    ...(differs(stamp.region, region) ? ['LEAN_REGION'] : []),
    ...(differs(stamp.app_token_sha256, appToken && sha256Hex(appToken)) ? ['LEAN_APP_TOKEN'] : []),
  ];
  if (differing.length === 0) return;
  throw new AppError('WRONG_INSTALLATION', `schema ${schema} was made for another ${differing.join(', ')}`);
}

/** Null on a database that was never stamped. */
export async function readRegion(database: Database): Promise<string | null> {
  const row = await database.db.selectFrom('installation').select('region').executeTakeFirst();
  return row?.region ?? null;
}
