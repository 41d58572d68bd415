// How migrations run: what is printed is what is done, one migrator at a time, and whoever works there afterwards may.
import { sql } from 'kysely';
import { Client } from 'pg';
import { expect, it, type TestContext } from 'vitest';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { migrate, missingMigrations, printMigrations } from '../../src/store/migrate.ts';
import { readme } from '../support/readme.ts';
import { engines, needsRealEngines, openTestDatabase, startPrivatePostgres } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { nodeCommand, root, runMigrate, runProcess, runToSuccess } from '../support/processes.ts';

const timeoutMs = 60_000;

async function emptyDatabase(
  context: TestContext,
): Promise<{ database: Database; schema: string; url: string }> {
  const { databaseUrl: url = '' } = engines;
  context.skip(url === '', 'needs a real Postgres');
  const test = await openTestDatabase({ migrated: false });
  context.onTestFinished(() => test.drop());
  return { database: test.database, schema: test.schema, url };
}

/** Everything the catalogue says of a schema, without its name. */
async function catalogueOf({ db, schema }: Database): Promise<readonly string[]> {
  const { rows } = await sql<{ line: string }>`
    with own as (select ${schema}::regnamespace as oid),
    relations as (select c.* from pg_class c join own on c.relnamespace = own.oid)
    select concat_ws(' ', 'column', relname, relkind, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
      attgenerated, pg_get_expr(adbin, adrelid)) as line
    from relations join pg_attribute on attrelid = relations.oid and attnum > 0 and not attisdropped
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    union all select concat_ws(' ', 'constraint', conname, conrelid::regclass, convalidated, pg_get_constraintdef(c.oid))
    from pg_constraint c join own on c.connamespace = own.oid
    union all select concat_ws(' ', 'index', pg_get_indexdef(oid)) from relations where relkind = 'i'
    union all select concat_ws(' ', 'view', relname, pg_get_viewdef(oid)) from relations where relkind = 'v'
    union all select concat_ws(' ', 'function', pg_get_functiondef(p.oid), proacl) from pg_proc p
    join own on p.pronamespace = own.oid
    order by line
  `.execute(db);
  return rows.map(({ line }) => line.replaceAll(schema, 'SCHEMA'));
}

it('what is printed, run by hand, makes what migrate makes, and leaves migrate nothing to do', async (context) => {
  const { database: migrated } = await emptyDatabase(context);
  await migrate(migrated);
  const { database: byHand, schema, url } = await emptyDatabase(context);
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(printMigrations(schema));
  } finally {
    await client.end();
  }
  expect(await catalogueOf(byHand)).toEqual(await catalogueOf(migrated));
  expect(await missingMigrations(byHand)).toEqual([]);
  expect(await migrate(byHand)).toEqual([]);
});

it(
  'npm run migrate -- --print asks no database, and shows the grants as well: those that would only be tried, as comments',
  async () => {
    const command = [...nodeCommand('src/main-migrate.ts'), '--print'] as const;
    const env = { DATABASE_SCHEMA: 'mine', DATABASE_READER_ROLE: 'reads' };
    const text = await runToSuccess({ command, cwd: root, env });
    expect(text).toContain(`\n${printMigrations('mine')}\n`);
    const after = text.slice(text.indexOf('\ncommit;\n'));
    expect(after).toContain('\ngrant select on "mine".change_feed to "reads";\n');
    expect(after).toContain(
      '\n-- where there is a role lean_app:\n-- grant usage on schema "mine" to "lean_app";\n',
    );
  },
  timeoutMs,
);

it('of two migrators at once one waits for the other, and both end well', async (context) => {
  const { database } = await emptyDatabase(context);
  const lockers = sql<{ waiting: number }>`
    select count(*)::integer as waiting from pg_locks as wanted
    where wanted.locktype = 'advisory' and not wanted.granted and exists (
      select from pg_locks as held where held.pid = pg_backend_pid() and held.locktype = 'advisory'
        and held.classid = wanted.classid and held.objid = wanted.objid
    )
  `;
  const both = await database.transaction(async (transaction) => {
    // As a third migrator that has begun and takes its time.
    await sql`
      select pg_advisory_xact_lock(hashtextextended(${`lean-migrate:${database.schema}`}, 0))
    `.execute(transaction);
    const started = [migrate(database), migrate(database)];
    await eventually(
      async () => expect((await lockers.execute(transaction)).rows).toEqual([{ waiting: 2 }]),
      {
        timeoutMs: 10_000,
      },
    );
    return started;
  });
  const ran = (await Promise.all(both)).toSorted((left, right) => left.length - right.length);
  expect(ran[0]).toEqual([]);
  expect(ran[1]?.length).toBeGreaterThan(4);
});

it('waits for no table longer than 20 s, whichever version it begins at', async () => {
  const test = await openTestDatabase();
  const { database } = test;
  const seen: unknown[] = [];
  const watched: Database = {
    ...database,
    transaction: (work) =>
      database.transaction(async (inside) => {
        const result = await work(inside);
        seen.push(...(await sql`show lock_timeout`.execute(inside)).rows);
        return result;
      }),
  };
  try {
    expect(await migrate(watched)).toEqual([]);
    expect(seen).toEqual([{ lock_timeout: '20s' }]);
  } finally {
    await test.drop();
  }
});

it('that fails leaves nothing behind, not even the schema', async (context) => {
  const { database, url } = await emptyDatabase(context);
  const schema = `${database.schema}_x`;
  const dialect = postgresDialect({
    url,
    poolSize: 1,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  const broken = openDatabase({ dialect, schema });
  try {
    // Somebody's own schema, with a table of ours in it that we have not made.
    await sql`create schema ${sql.id(schema)} create table sync_runs (one text)`.execute(broken.db);
    await expect(migrate(broken)).rejects.toThrow('the schema was left as it was');
    const { rows } =
      await sql`select relname from pg_class where relnamespace = ${schema}::regnamespace`.execute(broken.db);
    expect(rows).toEqual([{ relname: 'sync_runs' }]);
  } finally {
    await sql`drop schema ${sql.id(schema)} cascade`.execute(broken.db);
    await broken.close();
  }
});

it(
  'npm run migrate refuses a role that was named and is not there, before it makes the schema',
  async (context) => {
    const { database, schema, url } = await emptyDatabase(context);
    const env = {
      LEAN_ENVIRONMENT: 'sandbox',
      LEAN_REGION: 'ae',
      LEAN_APP_TOKEN: 'app-token-of-tests',
      DATABASE_URL: url,
      DATABASE_SCHEMA: schema,
      DATABASE_APP_ROLE: `app_${schema}`,
    };
    const { code, stderr } = await runProcess({
      command: nodeCommand('src/main-migrate.ts'),
      cwd: root,
      env,
    });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `CONFIG_INVALID: there is no role app_${schema}: create it, then migrate again\n`,
    });
    const { rows } = await sql`select from pg_namespace where nspname = ${schema}`.execute(database.db);
    expect(rows).toEqual([]);
  },
  timeoutMs,
);

it(
  'npm run migrate refuses another’s schema before it changes anything in it',
  async (context) => {
    const { databaseUrl: url = '' } = engines;
    context.skip(url === '', 'needs a real Postgres');
    const test = await openTestDatabase();
    const { database, schema } = test;
    context.onTestFinished(() => test.drop());
    await stampInstallation(database, { environment: 'production', region: 'ae', appToken: 'theirs' });
    // As if this version had brought a migration with it.
    await sql`delete from ${database.table('schema_migrations')} where name like '0005%'`.execute(
      database.db,
    );
    const env = {
      LEAN_ENVIRONMENT: 'sandbox',
      LEAN_REGION: 'ae',
      LEAN_APP_TOKEN: 'ours',
      DATABASE_URL: url,
      DATABASE_SCHEMA: schema,
    };
    const command = nodeCommand('src/main-migrate.ts');
    const { code, stderr } = await runProcess({ command, cwd: root, env });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('WRONG_INSTALLATION: ') });
  },
  timeoutMs,
);

it(
  'the README’s roles, made as it says, are enough: the owner migrates, and the others get what they are there for',
  async (context) => {
    needsRealEngines(context, 'postgres');
    const postgres = await startPrivatePostgres();
    context.onTestFinished(() => postgres.stop());
    const [, made] = /^### Roles$.*?```sql\n(.*?)^```$/ms.exec(readme()) ?? [];
    const administrator = new Client({ connectionString: postgres.url });
    await administrator.connect();
    try {
      await administrator.query(made ?? '');
    } finally {
      await administrator.end();
    }
    const as = (user: string) => Object.assign(new URL(postgres.url), { username: user }).href;
    const env = {
      LEAN_ENVIRONMENT: 'sandbox',
      LEAN_REGION: 'ae',
      LEAN_APP_TOKEN: 'app-token-of-tests',
      MIGRATION_DATABASE_URL: as('lean_owner'),
      DATABASE_URL: as('lean_worker'),
      DATABASE_READER_ROLE: 'lending_app',
      DATABASE_APP_ROLE: 'lean_app',
    };
    const said = (await runMigrate(env)).split('\n').slice(2, -1);
    expect(said).toEqual([
      'role lending_app may read account_overview, booked_transactions, change_feed, change_feed_bounds, current_balances',
      'role lean_app may call request_refresh, request_sync, request_erase, entity_removed',
      'role lean_worker may read and write rows, as workers do',
    ]);
    const application = new Client({ connectionString: as('lending_app') });
    await application.connect();
    try {
      await application.query("select lean.request_sync('e1')");
      expect((await application.query('select * from lean.change_feed')).rows).toEqual([]);
      await expect(application.query('select * from lean.webhook_events')).rejects.toThrow(
        'permission denied',
      );
    } finally {
      await application.end();
    }
  },
  timeoutMs,
);
