// A worker whose every connection goes through PgBouncer in transaction mode, where nothing of a session lasts longer than
// a transaction: no setting, no prepared statement, no lock, no LISTEN.
import { expect, it, type TestContext } from 'vitest';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { engines, openTestDatabase } from '../support/engines.ts';
import { longTests } from '../support/long-tests.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { createWholeWorld, doWholeWork, wholeWorkTimeoutMs } from '../support/whole-work.ts';

async function pooledUrl(context: TestContext): Promise<string> {
  context.skip(!longTests, 'takes long: LONG_TESTS=1');
  const { databaseUrl: url = '' } = engines;
  context.skip(url === '', 'needs a real Postgres');
  context.skip(!hasPgBouncer, 'needs pgbouncer');
  const pooler = await startPgBouncer(url);
  context.onTestFinished(() => pooler.close());
  return pooler.url;
}

function open(url: string, schema: string): Database {
  const dialect = postgresDialect({
    url,
    poolSize: 4,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  return openDatabase({ dialect, schema });
}

it(
  'a worker does all of its work through a pooler that lends a session for one transaction',
  async (context) => {
    const world = await createWholeWorld({ DATABASE_URL: await pooledUrl(context) });
    context.onTestFinished(() => world.close());
    await world.start();
    await doWholeWork(world);
    const failed = world.lines.filter(({ fields }) => fields['error'] !== undefined);
    expect(failed).toEqual([]);
  },
  wholeWorkTimeoutMs,
);

it(
  'two migrators at once through it end well too: their lock is the transaction’s own',
  async (context) => {
    const url = await pooledUrl(context);
    const test = await openTestDatabase({ migrated: false });
    context.onTestFinished(() => test.drop());
    const [one, other] = [open(url, test.schema), open(url, test.schema)];
    try {
      const ran = await Promise.all([migrate(one), migrate(other)]);
      expect(ran.filter((names) => names.length === 0)).toHaveLength(1);
    } finally {
      await one.close();
      await other.close();
    }
  },
  wholeWorkTimeoutMs,
);
