// Who may do what in the schema: each role what it is for and nothing else, tried on everything that the catalogue names.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TablesTransaction } from '../../src/store/database.ts';
import {
  applicationGrants,
  giveGrants,
  planGrants,
  possibleGrants,
  readerGrants,
  workerGrants,
} from '../../src/store/grants.ts';
import { readDatabaseFacts } from '../../src/store/database-facts.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';

let test: TestDatabase;
let roles: { readonly reader: string; readonly application: string; readonly worker: string };
beforeAll(async () => {
  test = await openTestDatabase();
  const { database, schema } = test;
  roles = { reader: `reader_${schema}`, application: `application_${schema}`, worker: `worker_${schema}` };
  for (const role of Object.values(roles)) await sql`create role ${sql.id(role)}`.execute(database.db);
  // An application may keep a view of its own beside ours.
  await sql`create view ${database.table('own_view')} as select * from ${database.table('identities')}`.execute(
    database.db,
  );
  await giveGrants(database, readerGrants(schema, roles.reader));
  await giveGrants(database, applicationGrants(schema, roles.application));
  await giveGrants(database, workerGrants(schema, roles.worker));
});
afterAll(async () => {
  const { db } = test.database;
  for (const role of Object.values(roles)) {
    await sql`drop owned by ${sql.id(role)}`.execute(db);
    await sql`drop role ${sql.id(role)}`.execute(db);
  }
  await test.drop();
});

const views = [
  'account_overview',
  'booked_transactions',
  'change_feed',
  'change_feed_bounds',
  'current_balances',
];
const functions = ['entity_removed', 'request_erase', 'request_refresh', 'request_sync'];

/** What `run` gives in this role. */
function as<Result>(role: string, run: (transaction: TablesTransaction) => Promise<Result>): Promise<Result> {
  return test.database.transaction(async (transaction) => {
    await sql`set local role ${sql.id(role)}`.execute(transaction);
    return run(transaction);
  });
}

const asRole = (role: string, text: string) =>
  as(role, async (inside) => {
    const { rows } = await sql
      .raw<Record<string, unknown>>(text.replaceAll('@.', `${test.schema}.`))
      .execute(inside);
    return rows;
  });

/** Every table, view and sequence on which the role may do anything, also by one column alone, and what. */
async function rightsOf(role: string): Promise<Record<string, string[]>> {
  const { rows } = await sql<{ name: string; rights: string[] }>`
    select relname as name, array_agg(wish order by wish) as rights
    from pg_class join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) wish
      on case
        when relkind = 'S' then wish in ('SELECT', 'UPDATE') and has_sequence_privilege(${role}, pg_class.oid, wish)
        when wish in ('DELETE', 'TRUNCATE', 'TRIGGER') then has_table_privilege(${role}, pg_class.oid, wish)
        else has_any_column_privilege(${role}, pg_class.oid, wish)
      end
    where relnamespace = ${test.schema}::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    group by relname order by relname collate "C"
  `.execute(test.database.db);
  return Object.fromEntries(rows.map(({ name, rights }) => [name, rights]));
}

async function callableBy(role: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select proname as name from pg_proc
    where pronamespace = ${test.schema}::regnamespace and has_function_privilege(${role}, oid, 'EXECUTE')
    order by proname collate "C"
  `.execute(test.database.db);
  return rows.map(({ name }) => name);
}

async function namesOf(kinds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = ${test.schema}::regnamespace and relkind = any (${kinds}::"char"[])
    order by relname collate "C"
  `.execute(test.database.db);
  return rows.map(({ name }) => name);
}

describe('the role that reads', () => {
  it('reads the five views, and nothing else of what the schema has', async () => {
    const select = ['SELECT'];
    expect(await rightsOf(roles.reader)).toEqual(Object.fromEntries(views.map((name) => [name, select])));
    expect(await callableBy(roles.reader)).toEqual([]);
    const bounds = [{ forgotten_up_to: 0n, last_position: 0n }];
    for (const name of views) {
      const expected = name === 'change_feed_bounds' ? bounds : [];
      expect(await asRole(roles.reader, `select * from @.${name}`)).toEqual(expected);
    }
    const others = (await namesOf(['r', 'p', 'v', 'm'])).filter((name) => !views.includes(name));
    expect(others).toContain('own_view');
    expect(others).toContain('webhook_events');
    for (const name of others) {
      await expect(asRole(roles.reader, `select * from @.${name}`)).rejects.toThrow(/permission denied/);
    }
  });

  it('sees nothing sealed there, and of a person no more than a name on an account', async () => {
    const { rows } = await sql<{ name: string }>`
      select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = ${test.schema} and table_name = any (${views}::text[])
        and (data_type = 'bytea' or column_name in ('raw', 'body', 'national_id', 'birth_date', 'email', 'phone'))
    `.execute(test.database.db);
    expect(rows).toEqual([]);
    const { rows: used } = await sql<{ name: string }>`
      select view_name || ' ' || table_name || '.' || column_name as name from information_schema.view_column_usage
      where view_schema = ${test.schema} and view_name = any (${views}::text[])
        and (column_name in ('raw', 'body') or table_name in ('webhook_events', 'identities'))
    `.execute(test.database.db);
    expect(used).toEqual([]);
  });
});

describe('the role that asks', () => {
  it('calls the four functions, sees of requests what is its own to know, and may do nothing else', async () => {
    expect(await rightsOf(roles.application)).toEqual({ requests: ['SELECT'] });
    expect(await callableBy(roles.application)).toEqual(functions);
    const calls = [
      "request_refresh('e1')",
      "request_sync('e1', true)",
      "request_erase('c1')",
      "entity_removed('e1')",
    ];
    for (const call of calls) {
      const [row] = await asRole(roles.application, `select @.${call} as id`);
      const seen = `select request_id, kind, entity_id, customer_id, state, failure_code, refresh_id, full_history,
        created_at, updated_at, concluded_at from @.requests where request_id = '${String(row?.['id'])}'`;
      expect(await asRole(roles.application, seen)).toMatchObject([{ state: 'waiting', failure_code: null }]);
    }
    const refused = [
      'select * from @.requests',
      'select due_at from @.requests',
      "insert into @.requests (kind) values ('sync')",
      "update @.requests set state = 'done'",
      'delete from @.requests',
      "select @.ask_for('erase', 'c2', false)",
      'select * from @.change_feed',
      'select * from @.entities',
    ];
    for (const text of refused)
      await expect(asRole(roles.application, text)).rejects.toThrow(/permission denied/);
  });

  it('is not served by what a caller has made: no function of the owner’s rights looks beyond the catalogue', async () => {
    const { rows } = await sql<{ name: string; path: string | null }>`
      select proname as name, (select one from unnest(proconfig) as one where one like 'search_path=%') as path
      from pg_proc where pronamespace = ${test.schema}::regnamespace and prosecdef order by proname
    `.execute(test.database.db);
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(functions));
    for (const { path } of rows) expect(path).toMatch(/^search_path=pg_catalog(, pg_temp)?$/);
  });
});

describe('the role of workers', () => {
  it('has what the doctor asks for, no right over a table itself, and writes nothing that migrate alone writes', async () => {
    const rights = await rightsOf(roles.worker);
    const tables = (await namesOf(['r', 'p'])).filter((name) => name !== 'schema_migrations_lock');
    const all = ['DELETE', 'INSERT', 'SELECT', 'UPDATE'];
    const expected = Object.fromEntries(tables.map((name) => [name, all]));
    expect(rights).toEqual({ ...expected, installation: ['SELECT'], schema_migrations: ['SELECT'] });
    const facts = await as(roles.worker, (inside) => readDatabaseFacts({ ...test.database, db: inside }));
    expect(facts).toMatchObject({ lacking: [], excess: [], isBlind: false });
    await expect(asRole(roles.worker, 'create table @.mine (one text)')).rejects.toThrow(/permission denied/);
    await expect(asRole(roles.worker, 'truncate @.changes')).rejects.toThrow(/permission denied/);
    await expect(asRole(roles.worker, 'alter table @.changes add column mine text')).rejects.toThrow(
      /must be owner/,
    );
  });
});

describe('a role that is not there', () => {
  const absent = 'nobody_has_this_role';

  it('is refused before anything is changed where somebody has named it', async () => {
    for (const named of [{ readerRole: absent }, { appRole: absent }]) {
      const plan = planGrants(test.schema, {
        readerRole: undefined,
        appRole: undefined,
        isProduction: false,
        workerRole: null,
        ...named,
      });
      await expect(possibleGrants(test.database, plan)).rejects.toThrow(
        /there is no role nobody_has_this_role/,
      );
    }
  });

  it('is passed by where nobody has: the application’s by default, and whoever DATABASE_URL comes as', async () => {
    const names = { readerRole: roles.reader, appRole: undefined, isProduction: false, workerRole: absent };
    const plan = planGrants(test.schema, names);
    expect(plan.assumed.map(({ role }) => role)).toEqual(['lean_app', absent]);
    const { grants, impossible } = await possibleGrants(test.database, plan);
    expect(grants.map(({ role }) => role)).toContain(roles.reader);
    expect(impossible.map(({ role }) => role)).toContain(absent);
  });

  it('may ask for nothing in production, where every role is named or none: another installation may have it', () => {
    const names = { readerRole: undefined, appRole: undefined, isProduction: true, workerRole: null };
    expect(planGrants(test.schema, names)).toEqual({ named: [], assumed: [] });
    const { named, assumed } = planGrants(test.schema, { ...names, appRole: 'lean_app' });
    expect([named.map(({ role }) => role), assumed]).toEqual([['lean_app'], []]);
  });
});
