// The real store code over the model of Postgres: kysely compiles its statements as ever, and this dialect hands them
// to a table of the few that walk 1 uses. A statement it does not know ends the history: the model must not guess.
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { UnknownStatement, runStatement, type Outcome } from './model-statements.ts';
import { pgError, type ModelPostgres, type Session } from './model-postgres.ts';
import type { Life, Schedule } from './schedule.ts';

interface ModelDatabaseOptions {
  readonly schedule: Schedule;
  readonly postgres: ModelPostgres;
  readonly life: Life;
  /** The model has to be taught something: the history says nothing until then. */
  readonly onUnknown: (error: UnknownStatement) => void;
}

export function openModelDatabase(options: ModelDatabaseOptions): Database {
  const dialect: Dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => createModelDriver(options),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  return openDatabase({ dialect, schema: 'sim' });
}

class ModelConnection implements DatabaseConnection {
  readonly session: Session;
  readonly #options: ModelDatabaseOptions;

  constructor(session: Session, options: ModelDatabaseOptions) {
    this.session = session;
    this.#options = options;
  }

  async executeQuery<Result>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Result>> {
    const { postgres, schedule, onUnknown } = this.#options;
    const outcome = await postgres.run(this.session, nameOf(sql), (transaction) => {
      if (transaction.isAborted) throw pgError('25P02');
      if (postgres.deniedTable !== null && sql.includes(`"${postgres.deniedTable}"`)) throw pgError('42501');
      const now = new Date(epochMs + schedule.nowMs());
      try {
        return runStatement({ tables: postgres.tables, transaction, sql, parameters, now });
      } catch (error) {
        if (error instanceof UnknownStatement) onUnknown(error);
        throw error;
      }
    });
    return trusted(outcome);
  }

  streamQuery(): never {
    throw new Error('nothing streams in a simulation');
  }
}

/** The simulation's instant 0. */
export const epochMs = Date.UTC(2026, 4, 13);

/** Kysely leaves it to the driver that rows are what the statement says; so do the real ones. */
function trusted<Result>({ rows, affected }: Outcome): QueryResult<Result> {
  const given: readonly unknown[] = rows;
  return {
    rows: given.filter((row): row is Result => typeof row === 'object'),
    numAffectedRows: BigInt(affected),
  };
}

function nameOf(sql: string): string {
  const table = /"sim"\."(\w+)"/.exec(sql)?.[1] ?? '';
  return `${sql.trim().split(/\s/, 1)[0]} ${table}`.trim();
}

function createModelDriver(options: ModelDatabaseOptions): Driver {
  const { postgres, life } = options;
  const idle: DatabaseConnection[] = [];
  return {
    init: async () => {},
    async acquireConnection() {
      for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
        if (!sessionOf(connection).isBroken) return connection;
      }
      return new ModelConnection(await postgres.connect(life), options);
    },
    beginTransaction: (connection) => postgres.begin(sessionOf(connection)),
    commitTransaction: (connection) => postgres.commit(sessionOf(connection)),
    rollbackTransaction: (connection) => postgres.rollback(sessionOf(connection)),
    async releaseConnection(connection) {
      idle.push(connection);
    },
    destroy: async () => {},
  };
}

function sessionOf(connection: DatabaseConnection): Session {
  if (connection instanceof ModelConnection) return connection.session;
  throw new Error('not a connection of this driver');
}
