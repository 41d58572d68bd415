// One PGlite per test file: starting one takes seconds, a schema in it takes none.
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect, type Dialect } from 'kysely';
import { columnParsers } from '../../src/store/column-types.ts';

let instance: PGlite | undefined;

/** A dialect on the file's PGlite; closing a database on it leaves the others open. */
export function sharedPgliteDialect(): Dialect {
  instance ??= new PGlite({ parsers: columnParsers });
  const pglite = instance;
  return new PGliteDialect({
    pglite: {
      closed: false,
      get ready() {
        return pglite.ready;
      },
      waitReady: pglite.waitReady,
      close: () => Promise.resolve(),
      query: (query, parameters, options) => pglite.query(query, parameters, options),
      transaction: (run) => pglite.transaction(run),
    },
  });
}
