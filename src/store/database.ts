// Opens the database. Everything is schema-qualified and no session state is kept, so that a transaction
// pooler may sit in between.
import { Kysely, sql, type Dialect, type RawBuilder, type Transaction } from 'kysely';
import { Pool, types } from 'pg';
import { columnParsers } from './column-types.ts';
import { limitStatements } from './statement-limit.ts';
import type { Tables } from './tables.ts';
import { boundedTransactions } from './transaction-limit.ts';

export type TablesTransaction = Transaction<Tables>;
/** What a statement runs on: the pool, or the transaction it belongs to. */
export type Executor = Kysely<Tables>;

export interface Database {
  readonly schema: string;
  /** Builder queries on this are schema-qualified by themselves. */
  readonly db: Kysely<Tables>;
  transaction<T>(run: (transaction: TablesTransaction) => Promise<T>): Promise<T>;
  /** A schema-qualified table for hand-written SQL. */
  table(name: string): RawBuilder<unknown>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly dialect: Dialect;
  readonly schema: string;
}

export function openDatabase({ dialect, schema }: DatabaseOptions): Database {
  const root = new Kysely<Tables>({ dialect });
  const db = root.withSchema(schema);
  return {
    schema,
    db,
    transaction: (run) => db.transaction().execute(run),
    table: (name) => sql.table(`${schema}.${name}`),
    close: () => root.destroy(),
  };
}

export interface PostgresOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly applicationName: string;
  /** Told of a connection that broke while idle; the pool opens another by itself. */
  readonly onIdleError: (error: Error) => void;
  /** How long one statement may take; 30,000 when left out. */
  readonly statementTimeoutMs?: number;
  /** How long a transaction may rest between two statements; 15,000 when left out. */
  readonly transactionIdleMs?: number;
}

const connectTimeoutMs = 5_000;
const defaultStatementTimeoutMs = 30_000;
/**
 * As long as a job's lock lasts. Who does not come to the next statement in that time is frozen or cut off and has lost
 * the job as well; the one who takes it over would wait for these rows.
 */
const defaultTransactionIdleMs = 15_000;
const idleTimeoutMs = 30_000;
/** The system's own first look at a silent connection comes after two hours. */
const keepAliveAfterMs = 10_000;

export function postgresDialect({
  url,
  poolSize,
  applicationName,
  onIdleError,
  statementTimeoutMs = defaultStatementTimeoutMs,
  transactionIdleMs = defaultTransactionIdleMs,
}: PostgresOptions): Dialect {
  const pool = new Pool({
    connectionString: url,
    max: poolSize,
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: idleTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
    types: {
      getTypeParser(oid: number, format?: 'text' | 'binary') {
        return (format !== 'binary' && columnParsers[oid]) || types.getTypeParser(oid, format);
      },
    },
  });
  pool.on('error', onIdleError);
  // The pool listens to idle connections only. One that breaks inside a transaction, between two statements, would end
  // the process; the next statement on it rejects, and that is how its user learns of it.
  pool.on('connect', (client) => client.on('error', () => undefined));
  // On the client's side: a pooler in between need not know the setting, and a frozen server is noticed too.
  const limited = limitStatements({ pool, timeoutMs: statementTimeoutMs });
  return boundedTransactions({ pool: limited, idleMs: transactionIdleMs });
}
