// Brings the schema up to date: forward only, all of it or nothing, one migrator at a time. Keeps nothing but the
// transaction's own lock, and never looks beyond its schema.
import { sql } from 'kysely';
import { AppError } from '../core/app-error.ts';
import type { Database, Executor, TablesTransaction } from './database.ts';
import { schema0001 } from './schema-0001.ts';
import { schema0002 } from './schema-0002.ts';
import { schema0003 } from './schema-0003.ts';
import { schema0004 } from './schema-0004.ts';
import { schema0005 } from './schema-0005.ts';
import { qualified, quotedName, quotedText } from './schema-text.ts';

const migrations: Readonly<Record<string, readonly string[]>> = {
  '0001-first-schema': schema0001,
  '0002-retention-and-erasure': schema0002,
  '0003-operators-and-all-data': schema0003,
  '0004-trusted-bank-data': schema0004,
  '0005-application': schema0005,
};

/** Which migrations ran. The second table is only there because the migrators of former versions look for it. */
const records = [
  `create table if not exists @.schema_migrations (
    name varchar(255) not null primary key,
    timestamp varchar(255) not null
  )`,
  `create table if not exists @.schema_migrations_lock (
    id varchar(255) not null primary key,
    is_locked integer default 0 not null
  )`,
  `insert into @.schema_migrations_lock (id, is_locked) values ('migration_lock', 0) on conflict do nothing`,
];

/** Runs what is missing and returns the names of what was run; throws MIGRATION_FAILED. */
export async function migrate(database: Database): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await database.transaction((transaction) => runMissing(database, transaction));
    } catch (error) {
      // Workers may have been given the same locks in another order; Postgres then ends one of the two.
      if (attempt < attempts && isDeadlock(error)) continue;
      throw new AppError('MIGRATION_FAILED', 'the schema was left as it was', { cause: error });
    }
  }
}

const attempts = 5;

function isDeadlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '40P01';
}

async function runMissing({ schema }: Database, transaction: TablesTransaction): Promise<string[]> {
  const run = (text: string) => sql.raw(qualified(text, schema)).execute(transaction);
  await run(lockOf(schema));
  await run(patience);
  if (!(await hasRecords(schema, transaction))) {
    // Who may change the schema need not be allowed to make one, nor be asked to where it is there.
    if (!(await isThere(schema, transaction))) await run(creationOf(schema));
    for (const text of records) await run(text);
  }
  const done = await doneNames(schema, transaction);
  const missing = Object.entries(migrations).filter(([name]) => !done.has(name));
  for (const [name, statements] of missing) {
    for (const text of [...statements, recordOf(name)]) await run(text);
  }
  return missing.map(([name]) => name);
}

/** The names this version knows and the database lacks. */
export async function missingMigrations({ db, schema }: Database): Promise<string[]> {
  const done = await doneNames(schema, db);
  return Object.keys(migrations).filter((name) => !done.has(name));
}

/** The SQL of every migration from an empty schema on, for review; run as it is, it does what `migrate` does. */
export function printMigrations(schema: string): string {
  const blocks = Object.entries(migrations).map(([name, statements]) =>
    [`-- ${name}`, ...[...statements, recordOf(name)].map((text) => `${text};`)].join('\n'),
  );
  const before = ['begin', lockOf(schema), patience, creationOf(schema), ...records].map(
    (text) => `${text};`,
  );
  return qualified([before.join('\n'), ...blocks, 'commit;'].join('\n\n'), schema);
}

/** Every table that migrations have made. */
export function migratedTables(): readonly string[] {
  const made = Object.values(migrations).flatMap((statements) =>
    statements.map((text) => /^create table @\.(\w+)/.exec(text)?.[1]),
  );
  return made.filter((name) => name !== undefined);
}

/** Held until the transaction ends, so that a transaction pooler may sit in between; other schemas do not wait. */
function lockOf(schema: string): string {
  return `select pg_advisory_xact_lock(hashtextextended(${quotedText(`lean-migrate:${schema}`)}, 0))`;
}

/**
 * Of the tables' locks: behind one that somebody else holds for long every worker would wait with us, so rather another
 * time. Set once the lock above is ours: for another migrator we wait as long as it takes.
 */
const patience = `set local lock_timeout = '20s'`;

function creationOf(schema: string): string {
  return `create schema if not exists ${quotedName(schema)}`;
}

/** In the words of former versions: one time for all that ran together. */
function recordOf(name: string): string {
  return `insert into @.schema_migrations (name, timestamp)
    values (${quotedText(name)}, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`;
}

async function isThere(schema: string, executor: Executor): Promise<boolean> {
  const { rows } = await sql`select from pg_namespace where nspname = ${schema}`.execute(executor);
  return rows.length > 0;
}

async function hasRecords(schema: string, executor: Executor): Promise<boolean> {
  const { rows } = await sql`
    select from pg_tables where schemaname = ${schema} and tablename = 'schema_migrations'
  `.execute(executor);
  return rows.length > 0;
}

async function doneNames(schema: string, executor: Executor): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`
    select name from ${sql.table(`${schema}.schema_migrations`)}
  `.execute(executor);
  return new Set(rows.map(({ name }) => name));
}
