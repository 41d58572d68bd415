// One PGlite per test file. Making a new database takes it seconds, so all files start from a copy of one that is made
// once per run.
import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect, type Dialect } from 'kysely';
import { columnParsers } from '../../src/store/column-types.ts';

/** Returns the file with the empty database in `folder`. */
export async function writePgliteTemplate(folder: string): Promise<string> {
  const pglite = await PGlite.create();
  const dump = await pglite.dumpDataDir('none');
  await pglite.close();
  const template = path.join(folder, 'pglite.tar');
  await writeFile(template, dump.stream());
  return template;
}

let instance: Promise<PGlite> | undefined;

/** A dialect on the file's PGlite; closing a database on it leaves the others open. */
export async function sharedPgliteDialect(template: string): Promise<Dialect> {
  instance ??= openAsBlob(template).then((loadDataDir) =>
    PGlite.create({ loadDataDir, parsers: columnParsers }),
  );
  const pglite = await instance;
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
