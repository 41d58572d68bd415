// One PGlite per test file. Making a new database and its schema takes it seconds, so all files start from a copy of
// one that is made once per run; each has its copy to itself.
import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect, type Dialect } from 'kysely';
import { columnParsers } from '../../src/store/column-types.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';

/** Migrated in every copy and otherwise empty. */
const preparedSchema = 'test_prepared';
let preparedIsFree = true;

/** Gives the schema that needs no migration once per file. */
export function takePreparedSchema(): string | undefined {
  if (!preparedIsFree) return undefined;
  preparedIsFree = false;
  return preparedSchema;
}

/** Returns the file with the database in `folder`. */
export async function writePgliteTemplate(folder: string): Promise<string> {
  // What every copy has to read in and to set up is kept small: no test holds much.
  const pglite = await PGlite.create({ initDbStartParams: ['--wal-segsize=1'] });
  await pglite.exec(`alter system set shared_buffers = '16MB'`);
  await migrate(openDatabase({ dialect: dialectOn(pglite), schema: preparedSchema }));
  // Nobody makes a further database, and every copy would have to read these two in.
  for (const name of ['template0', 'template1']) {
    await pglite.exec(`alter database ${name} is_template false`);
    await pglite.exec(`drop database ${name}`);
  }
  // So that no copy begins with a recovery.
  await pglite.exec('checkpoint');
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
  return dialectOn(await instance);
}

function dialectOn(pglite: PGlite): Dialect {
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
