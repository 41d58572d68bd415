// Who else may do what in the schema, beside its owner: the application's readers, the application that asks for
// something, the workers. Never gives away more than is named here, and takes nothing back that somebody has granted.
import { sql } from 'kysely';
import { AppError } from '../core/app-error.ts';
import type { Database } from './database.ts';
import { migratedTables } from './migrate.ts';
import { qualified, quotedName } from './schema-text.ts';

/** What is made for the application; any other view in the schema is somebody's own. */
const applicationViews = [
  'account_overview',
  'booked_transactions',
  'change_feed',
  'change_feed_bounds',
  'current_balances',
];

/** What the application asks with. */
const applicationFunctions = ['request_refresh', 'request_sync', 'request_erase', 'entity_removed'];

/** What of a request is the application's to know. */
const requestColumns = [
  'request_id',
  'kind',
  'entity_id',
  'customer_id',
  'state',
  'failure_code',
  'refresh_id',
  'full_history',
  'created_at',
  'updated_at',
  'concluded_at',
];

/** What `npm run ops` asks with, in the workers' role. */
const workerFunctions = ['ask_for'];

/** Written by `migrate` alone. */
const migratorsTables: ReadonlySet<string> = new Set(['installation']);

export interface Grants {
  readonly role: string;
  /** Plain SQL; twice is as good as once. */
  readonly statements: readonly string[];
  /** What the role may do then, in words. */
  readonly told: string;
}

/** The views and nothing else. */
export function readerGrants(schema: string, role: string): Grants {
  const statements = applicationViews.map((name) => `grant select on @.${name}`);
  return grantsOf({ schema, role, statements, told: `read ${applicationViews.join(', ')}` });
}

/** To ask, and to see what becomes of what was asked. */
export function applicationGrants(schema: string, role: string): Grants {
  const statements = [
    ...applicationFunctions.map((name) => `grant execute on function @.${name}`),
    `grant select (${requestColumns.join(', ')}) on @.requests`,
  ];
  return grantsOf({ schema, role, statements, told: `call ${applicationFunctions.join(', ')}` });
}

/** Rows of every table that there is by now, and no say over the tables themselves. */
export function workerGrants(schema: string, role: string): Grants {
  const written = migratedTables().filter((name) => !migratorsTables.has(name));
  const statements = [
    ...['schema_migrations', ...migratorsTables].map((name) => `grant select on @.${name}`),
    ...written.map((name) => `grant select, insert, update, delete on @.${name}`),
    ...workerFunctions.map((name) => `grant execute on function @.${name}`),
  ];
  return grantsOf({ schema, role, statements, told: 'read and write rows, as workers do' });
}

interface Wanted extends Grants {
  readonly schema: string;
}

function grantsOf({ schema, role, statements, told }: Wanted): Grants {
  const whole = [`grant usage on schema ${quotedName(schema)}`, ...statements];
  return {
    role,
    told,
    statements: whole.map((text) => qualified(`${text} to ${quotedName(role)}`, schema)),
  };
}

/** All of them or, where one is refused, none; throws what the database throws. */
export function giveGrants(database: Database, { statements }: Pick<Grants, 'statements'>): Promise<void> {
  return database.transaction(async (transaction) => {
    for (const text of statements) await sql.raw(text).execute(transaction);
  });
}

export interface RoleNames {
  readonly readerRole: string | undefined;
  /** Where left out, the default one outside production, which need not exist. */
  readonly appRole: string | undefined;
  /** Roles are of the whole server: nobody who was not named for it may ask for anything there. */
  readonly isProduction: boolean;
  /** Null: workers are whoever owns the schema. */
  readonly workerRole: string | null;
}

export interface GrantsPlan {
  /** To roles that somebody has named for this: they must exist. */
  readonly named: readonly Grants[];
  /** To roles that need not exist. */
  readonly assumed: readonly Grants[];
}

const defaultAppRole = 'lean_app';

/** What `migrate` gives, and to whom. */
export function planGrants(schema: string, names: RoleNames): GrantsPlan {
  const { readerRole, appRole, isProduction, workerRole } = names;
  const reader = readerRole === undefined ? [] : [readerGrants(schema, readerRole)];
  const application = appRole === undefined ? [] : [applicationGrants(schema, appRole)];
  const isAssumed = appRole === undefined && !isProduction;
  const assumed = isAssumed ? [applicationGrants(schema, defaultAppRole)] : [];
  const worker = workerRole === null ? [] : [workerGrants(schema, workerRole)];
  return { named: [...reader, ...application], assumed: [...assumed, ...worker] };
}

export interface PossibleGrants {
  readonly grants: readonly Grants[];
  /** For roles that are not there. */
  readonly impossible: readonly Grants[];
}

/** Throws CONFIG_INVALID where a role that was named does not exist; asked before anything is changed. */
export async function possibleGrants(
  database: Database,
  { named, assumed }: GrantsPlan,
): Promise<PossibleGrants> {
  const grants = [...named];
  const impossible: Grants[] = [];
  for (const one of named) {
    if (!(await roleExists(database, one.role)))
      throw new AppError('CONFIG_INVALID', `there is no role ${one.role}: create it, then migrate again`);
  }
  for (const one of assumed) {
    ((await roleExists(database, one.role)) ? grants : impossible).push(one);
  }
  return { grants, impossible };
}

/** Roles are of the whole server, not of one database. */
async function roleExists({ db }: Database, role: string): Promise<boolean> {
  const { rows } = await sql`select from pg_roles where rolname = ${role}`.execute(db);
  return rows.length > 0;
}
