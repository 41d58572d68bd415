// From one schema to the next: nothing is lost, workers of the former version go on, and the documents name what is there.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { migrate, missingMigrations, printMigrations } from '../../src/store/migrate.ts';
import { keysOfTables } from '../../src/store/renormalized-tables.ts';
import { schema0001 } from '../../src/store/schema-0001.ts';
import { schema0004 } from '../../src/store/schema-0004.ts';
import { schema0005 } from '../../src/store/schema-0005.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ migrated: false });
  ({ database } = test);
});
afterEach(() => test.drop());

/** As the first version's `migrate` left it. */
async function makeFirstSchema(): Promise<void> {
  await sql`create schema ${sql.id(database.schema)}`.execute(database.db);
  for (const text of schema0001) {
    await sql.raw(text.replaceAll('@.', `"${database.schema}".`)).execute(database.db);
  }
  const done = database.table('schema_migrations');
  await sql`create table ${done} (name varchar(255) primary key, timestamp varchar(255) not null)`.execute(
    database.db,
  );
  await sql`insert into ${done} values ('0001-first-schema', '2026-01-01T00:00:00Z')`.execute(database.db);
}

/** The columns that the first version's worker knows. */
async function insertAsBefore(eventKey: string): Promise<void> {
  await sql`
    insert into ${database.table('webhook_events')} (event_key, received_at, proof, body, body_sha256)
    values (${eventKey}, now(), 'signature', '\\x00'::bytea, 'hash')
  `.execute(database.db);
}

async function namesOf(kind: 'BASE TABLE' | 'VIEW'): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${database.schema} and table_type = ${kind} order by table_name
  `.execute(database.db);
  return rows.map(({ name }) => name);
}

describe('migrating', () => {
  it('a database of the first version keeps its rows and gives them what is new', async () => {
    await makeFirstSchema();
    await insertAsBefore('kept');
    await sql`
      insert into ${database.table('installation')} (installation_id, environment, region)
      values ('installation', 'sandbox', 'ae')
    `.execute(database.db);
    await sql`
      insert into ${database.table('changes')} (change, position) values ('kept', 7), ('kept', 9), ('unnumbered', null)
    `.execute(database.db);
    await sql`update ${database.table('change_feed_state')} set last_position = 9`.execute(database.db);
    const since = [
      '0002-retention-and-erasure',
      '0003-operators-and-all-data',
      '0004-trusted-bank-data',
      '0005-application',
    ];
    expect(await missingMigrations(database)).toEqual(since);
    expect(await migrate(database)).toEqual(since);
    const events = await database.db.selectFrom('webhook_events').select(['event_key', 'warnings']).execute();
    expect(events).toEqual([{ event_key: 'kept', warnings: [] }]);
    const { erasure_key: key } = await database.db
      .selectFrom('installation')
      .select('erasure_key')
      .executeTakeFirstOrThrow();
    expect(key).toHaveLength(32);
    const bounds = await sql`select * from ${database.table('change_feed_bounds')}`.execute(database.db);
    expect(bounds.rows).toEqual([{ forgotten_up_to: 6n, last_position: 9n }]);
  });

  it('leaves a worker of the former version working', async () => {
    await makeFirstSchema();
    await migrate(database);
    await insertAsBefore('written by the former version');
    expect(await database.db.selectFrom('webhook_events').select('state').execute()).toEqual([
      { state: 'received' },
    ]);
  });

  it('twice does nothing the second time, and gives every installation a key of its own', async () => {
    await migrate(database);
    expect(await migrate(database)).toEqual([]);
    const other = await openTestDatabase();
    const keys: string[] = [];
    for (const { database: one } of [test, other]) {
      await stampInstallation(one, { environment: 'sandbox', region: 'ae', appToken: 'token' });
      const row = await one.db.selectFrom('installation').select('erasure_key').executeTakeFirstOrThrow();
      keys.push(Buffer.from(row.erasure_key).toString('hex'));
    }
    await other.drop();
    expect(new Set(keys).size).toBe(2);
  });

  it('prints what it runs, schema by schema', () => {
    const printed = printMigrations('mine');
    expect(printed).toContain('-- 0002-retention-and-erasure');
    expect(printed).toContain('create table "mine".erasures');
    expect(printed).not.toContain('@.');
  });
});

describe('the fourth migration', () => {
  it('waits for nobody longer than 20 seconds, and takes all its locks before it changes anything', () => {
    const [limit, locks] = schema0004;
    expect(limit).toBe("set local lock_timeout = '20s'");
    expect(locks).toBe(
      'lock table @.balances, @.transactions, @.transaction_versions in access exclusive mode',
    );
  });

  it('reads no row of a large table for its checks, and refuses what breaks them from then on', async () => {
    await migrate(database);
    const { rows } = await sql<{ name: string }>`
      select conname as name from pg_constraint as one join pg_namespace as space on space.oid = one.connamespace
      where space.nspname = ${database.schema} and contype = 'c' and not convalidated order by 1
    `.execute(database.db);
    expect(rows.map(({ name }) => name)).toEqual([
      'transaction_versions_rule_check',
      'transactions_booked_at_precision_check',
      'transactions_supersede_confidence_check',
    ]);
    const insert = sql`insert into ${database.table('transactions')}
      (entity_id, account_id, transaction_id, amount, content_hash, normalizer_version, raw, supersede_confidence)
      values ('e', 'a', 't', 1, 'hash', 1, '\\x00', 1.01)`.execute(database.db);
    await expect(insert).rejects.toThrow(/transactions_supersede_confidence_check/);
  });

  it('leads from one row of a former normalizer to the next one by an index', async () => {
    await migrate(database);
    for (const table of ['transactions', 'balances'] as const) {
      const { rows } = await sql<{ definition: string }>`
        select indexdef as definition from pg_indexes
        where schemaname = ${database.schema} and indexname = ${`${table}_normalizer`}
      `.execute(database.db);
      const columns = ['normalizer_version', ...keysOfTables[table]].join(', ');
      expect(rows[0]?.definition).toContain(`(${columns})`);
    }
  });
});

describe('the fifth migration', () => {
  it('takes all its locks before it builds anything, the feed’s state first', () => {
    expect(schema0005.slice(0, 2)).toEqual([
      'lock table @.change_feed_state, @.requests in access exclusive mode',
      'lock table @.entities, @.sync_runs, @.pending_results, @.changes in share mode',
    ]);
  });

  it('begins anew when it has met a worker in a circle of locks', async (context) => {
    context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
    await makeFirstSchema();
    const held = () => sql`
      select from pg_locks where granted and mode = 'AccessExclusiveLock'
        and relation = ${`${database.schema}.webhook_events`}::regclass
        and exists (select from pg_locks as own where own.pid = pg_locks.pid and not own.granted)
    `;
    let outcome: Promise<string[]> | undefined;
    await database.transaction(async (worker) => {
      // Whose check comes first is ended: the migrator's, here.
      await sql`set local deadlock_timeout = '1min'`.execute(worker);
      await sql`insert into ${database.table('changes')} (change) values ('event.recorded')`.execute(worker);
      outcome = migrate(database);
      outcome.catch(() => undefined);
      await eventually(async () => expect((await held().execute(database.db)).rows).toHaveLength(1));
      await sql`select from ${database.table('webhook_events')}`.execute(worker);
    });
    expect(await outcome).toHaveLength(4);
  });
});

describe('docs/data-map.md', () => {
  it('names every table and every view of the database, and no other', async () => {
    await migrate(database);
    const text = readFileSync(path.join(import.meta.dirname, '../../docs/data-map.md'), 'utf8');
    const section = /^## Postgres$(.*?)^## /ms.exec(text)?.[1] ?? '';
    const named = [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name);
    const there = [...(await namesOf('BASE TABLE')), ...(await namesOf('VIEW'))];
    expect(new Set(named)).toEqual(new Set(there));
    expect(named).toHaveLength(there.length);
  });
});
