// A bound on every statement, kept on our side. A connection on which a statement ran out of its time is closed and
// never handed out again: what it still carries, perhaps an open transaction, belongs to nobody.
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';

/** The database may be away, or this one statement may be too heavy: the statement alone does not tell. */
export class StatementTimeout extends Error {
  override readonly name = 'StatementTimeout';
}

interface StatementLimit {
  readonly pool: PostgresPool;
  readonly timeoutMs: number;
}

/** The pool, with connections whose statements reject with StatementTimeout. */
export function limitStatements({ pool, timeoutMs }: StatementLimit): PostgresPool {
  return {
    options: pool.options,
    connect: async () => limitClient(await pool.connect(), timeoutMs),
    end: () => pool.end(),
  };
}

function limitClient(client: PostgresPoolClient, timeoutMs: number): PostgresPoolClient {
  let timeout: StatementTimeout | null = null;

  function query<Row>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>;
  function query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>;
  function query<Row>(statement: string | PostgresCursor<Row>, parameters: readonly unknown[] = []) {
    if (typeof statement !== 'string') return client.query(statement);
    // The rollback that follows must not hide why it was needed.
    if (timeout !== null) return Promise.reject(timeout);
    return inTime(client.query<Row>(statement, parameters));
  }

  function inTime<Result>(answer: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        timeout = new StatementTimeout(`no answer from the database within ${timeoutMs} ms`);
        reject(timeout);
      }, timeoutMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  return {
    query,
    // The pool closes what it is told to destroy, and pg cuts the socket when a statement is still under way.
    release: (destroy = false) => client.release(destroy || timeout !== null),
  };
}
