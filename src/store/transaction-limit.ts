// What every transaction is told at its begin, in the same message: for itself only, so that a transaction pooler may sit
// in between. Nothing outlives the transaction. A statement on its own is told nothing: only what is repeated until it is seen
// to be done may be one, as a crash may take back what it was answered.
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  sql,
  type DatabaseConnection,
  type Dialect,
  type PostgresPool,
  type TransactionSettings,
} from 'kysely';
import type { Executor } from './database.ts';

interface TransactionLimit {
  readonly pool: PostgresPool;
  /** How long it may rest between two statements before Postgres ends it, milliseconds. */
  readonly idleMs: number;
}

/** Postgres whose transactions end by themselves, locks and all, when whoever began them goes silent. */
export function boundedTransactions({ pool, idleMs }: TransactionLimit): Dialect {
  return new BoundedDialect(pool, idleMs);
}

/** For the rest of this transaction: Postgres itself ends what takes longer, in milliseconds, and with it the transaction. */
export async function limitWaits(
  transaction: Executor,
  { lockMs, statementMs }: { readonly lockMs: number; readonly statementMs: number },
): Promise<void> {
  await sql`
    select set_config('lock_timeout', ${String(lockMs)}, true),
      set_config('statement_timeout', ${String(statementMs)}, true)
  `.execute(transaction);
}

class BoundedDialect extends PostgresDialect {
  readonly #pool: PostgresPool;
  readonly #idleMs: number;

  constructor(pool: PostgresPool, idleMs: number) {
    super({ pool });
    this.#pool = pool;
    this.#idleMs = idleMs;
  }

  override createDriver(): BoundedDriver {
    return new BoundedDriver(this.#pool, this.#idleMs);
  }
}

class BoundedDriver extends PostgresDriver {
  readonly #limits: string;

  constructor(pool: PostgresPool, idleMs: number) {
    super({ pool });
    // A receiver forgets a delivery once its batch is committed: a commit that a crash may take back is none. Stricter
    // settings than `on`, such as those that wait for a replica, stay as they are.
    this.#limits = `set local idle_in_transaction_session_timeout = ${idleMs};
      select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`;
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel, accessMode }: TransactionSettings,
  ): Promise<void> {
    const isolation = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`;
    const access = accessMode === undefined ? '' : ` ${accessMode}`;
    try {
      await connection.executeQuery(CompiledQuery.raw(`begin${isolation}${access}; ${this.#limits}`));
    } catch (error) {
      // It may have begun all the same, and nobody would end what is not known to have begun.
      await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined);
      throw error;
    }
  }
}
