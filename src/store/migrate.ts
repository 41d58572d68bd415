// Brings the schema up to date: forward only, one migrator at a time (kysely holds an advisory lock).
import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import { AppError } from '../core/app-error.ts';
import type { Database } from './database.ts';
import { schema0001 } from './schema-0001.ts';
import { schema0002 } from './schema-0002.ts';
import { schema0003 } from './schema-0003.ts';
import { schema0004 } from './schema-0004.ts';

const migrations: Readonly<Record<string, readonly string[]>> = {
  '0001-first-schema': schema0001,
  '0002-retention-and-erasure': schema0002,
  '0003-operators-and-all-data': schema0003,
  '0004-trusted-bank-data': schema0004,
};

/** Runs what is missing and returns the names of what was run; throws MIGRATION_FAILED. */
export async function migrate(database: Database): Promise<string[]> {
  const migrator = new Migrator({
    db: database.db,
    migrationTableSchema: database.schema,
    migrationTableName: 'schema_migrations',
    migrationLockTableName: 'schema_migrations_lock',
    provider: {
      getMigrations: () => Promise.resolve(runnableMigrations(database.schema)),
    },
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined)
    throw new AppError('MIGRATION_FAILED', 'the schema was left as it was', { cause: error });
  return (results ?? [])
    .filter(({ status }) => status === 'Success')
    .map(({ migrationName }) => migrationName);
}

/** The names this version knows and the database lacks. */
export async function missingMigrations(database: Database): Promise<string[]> {
  const { rows } = await sql<{
    name: string;
  }>`select name from ${database.table('schema_migrations')}`.execute(database.db);
  const done = new Set(rows.map(({ name }) => name));
  return Object.keys(migrations).filter((name) => !done.has(name));
}

/** The SQL of every migration, for review before it runs. */
export function printMigrations(schema: string): string {
  return Object.entries(migrations)
    .map(([name, statements]) =>
      [`-- ${name}`, ...statements.map((text) => `${qualified(text, schema)};`)].join('\n'),
    )
    .join('\n\n');
}

function runnableMigrations(schema: string): Record<string, Migration> {
  return Object.fromEntries(
    Object.entries(migrations).map(([name, statements]) => [
      name,
      {
        async up(db: Kysely<unknown>) {
          for (const text of statements) await sql.raw(qualified(text, schema)).execute(db);
        },
      },
    ]),
  );
}

function qualified(text: string, schema: string): string {
  return text.replaceAll('@.', `"${schema.replaceAll('"', '""')}".`);
}
