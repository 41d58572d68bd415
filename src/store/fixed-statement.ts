// A statement whose text is the same every time, with all that changes in one JSON parameter: its text is put together once
// for a database, which for a long one takes longer than sending it. Nothing of it is kept in Postgres.
import { CompiledQuery, type RawBuilder } from 'kysely';
import type { Database, Executor } from './database.ts';

interface FixedStatementRun {
  readonly database: Database;
  readonly executor: Executor;
  /** Becomes the parameter, as JSON. */
  readonly values: unknown;
}

/** `build` puts its second argument into the statement once, and no other parameter. */
export function fixedStatement<Row>(
  build: (database: Database, json: string) => RawBuilder<Row>,
): (run: FixedStatementRun) => Promise<Row[]> {
  const texts = new WeakMap<Database, string>();
  return async ({ database, executor, values }) => {
    const text = texts.get(database) ?? build(database, '').compile(database.db).sql;
    texts.set(database, text);
    const { rows } = await executor.executeQuery<Row>(CompiledQuery.raw(text, [JSON.stringify(values)]));
    return rows;
  };
}
