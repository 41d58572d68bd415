// The database of demo and development where DATABASE_URL is unset: the machine's Postgres, else PGlite.
// Never opened by a production role.
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect } from 'kysely';
import { columnParsers } from '../store/column-types.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { findPostgresBinaries, startMachinePostgres } from './machine-postgres.ts';

export interface EmbeddedDatabase {
  readonly database: Database;
  readonly engine: 'postgres' | 'pglite';
  close(): Promise<void>;
}

const poolSize = 8;

/** In memory: PGlite, gone with the process. */
export function openMemoryDatabase(schema: string): EmbeddedDatabase {
  return wrapPglite(new PGlite({ parsers: { ...columnParsers } }), schema);
}

/** Kept under `dir`. The caller holds the folder's lock: neither engine survives two owners. */
export async function openEmbeddedDatabase(options: {
  dir: string;
  schema: string;
  searchPath: string;
  onIdleError: (error: Error) => void;
}): Promise<EmbeddedDatabase> {
  const { dir, schema, searchPath, onIdleError } = options;
  const binaries = findPostgresBinaries(searchPath);
  const postgres = binaries === null ? null : await startMachinePostgres(binaries, dir);
  if (postgres === null) {
    return wrapPglite(new PGlite(join(dir, 'pglite'), { parsers: { ...columnParsers } }), schema);
  }
  const dialect = postgresDialect({ url: postgres.url, poolSize, applicationName: 'lean-dev', onIdleError });
  const database = openDatabase({ dialect, schema });
  return {
    database,
    engine: 'postgres',
    async close() {
      await database.close();
      await postgres.close();
    },
  };
}

function wrapPglite(pglite: PGlite, schema: string): EmbeddedDatabase {
  const database = openDatabase({ dialect: new PGliteDialect({ pglite }), schema });
  return { database, engine: 'pglite', close: () => database.close() };
}
