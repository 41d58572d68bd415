// From the second and the third schema to the newest: rows stay as they are, a worker of the former version goes on, and
// nobody but the workers sees the new tables.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { schema0001 } from '../../src/store/schema-0001.ts';
import { schema0002 } from '../../src/store/schema-0002.ts';
import { schema0003 } from '../../src/store/schema-0003.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ migrated: false });
  ({ database } = test);
});
afterEach(() => test.drop());

const run = (text: string) => sql.raw(text.replaceAll('@.', `"${database.schema}".`)).execute(database.db);

/** As the second version's `migrate` left it. */
async function makeSecondSchema(): Promise<void> {
  await run(`create schema "${database.schema}"`);
  for (const text of [...schema0001, ...schema0002]) await run(text);
  await run(
    `create table @.schema_migrations (name varchar(255) primary key, timestamp varchar(255) not null)`,
  );
  await run(`insert into @.schema_migrations values
    ('0001-first-schema', '2026-01-01T00:00:00Z'), ('0002-retention-and-erasure', '2026-01-01T00:00:00Z')`);
}

/** As the third version's `migrate` left it. */
async function makeThirdSchema(): Promise<void> {
  await makeSecondSchema();
  for (const text of schema0003) await run(text);
  await run(`insert into @.schema_migrations values ('0003-operators-and-all-data', '2026-01-01T00:00:00Z')`);
}

/** What the third version's worker writes beside that, when a payment changes and another one vanishes. */
async function writeBankDataAsBefore(name: string): Promise<void> {
  await run(`insert into @.transaction_versions
    (entity_id, account_id, transaction_id, version, amount, content_hash, normalizer_version, raw, event_key)
    values ('${name}', 'a', 't', 1, 10.00, 'former', 1, '\\x00', 'event')`);
  await run(`insert into @.transactions
    (entity_id, account_id, transaction_id, amount, credit_debit_indicator, status, content_hash, normalizer_version, raw,
      superseded_at, superseded_by, supersede_rule)
    values ('${name}', 'a', 'gone', 0.10, 'DEBIT', 'PENDING', 'hash', 2, '\\x00', now(), null, 'vanished')`);
  await run(`insert into @.identities (entity_id, account_id, party_key, content_hash, normalizer_version, raw)
    values ('${name}', '', 'p', 'hash', 2, '\\x00')`);
  await run(`insert into @.standing_orders
    (entity_id, account_id, standing_order_id, content_hash, normalizer_version, raw, next_payment_amount)
    values ('${name}', 'a', 's', 'hash', 2, '\\x00', 99.90)`);
}

/** One row of everything, with the columns and the words that the second version's worker knows. */
async function writeAsBefore(name: string): Promise<void> {
  await run(`insert into @.webhook_events (event_key, received_at, proof, body, body_sha256)
    values ('${name}', now(), 'signature', '\\x00', 'hash')`);
  await run(`insert into @.entities (entity_id, customer_id, reconnect_id) values ('${name}', 'c', 'r')`);
  await run(
    `insert into @.accounts (entity_id, account_id, normalizer_version, raw) values ('${name}', 'a', 1, '\\x00')`,
  );
  await run(`insert into @.balances
    (entity_id, account_id, balance_type, currency, reported_at, reported_at_source, amount, normalizer_version, raw)
    values ('${name}', 'a', 'EXPECTED', 'AED', now(), 'date_time', 1.50, 1, '\\x00')`);
  await run(`insert into @.transactions
    (entity_id, account_id, transaction_id, amount, content_hash, normalizer_version, raw)
    values ('${name}', 'a', 't', 10.0, 'hash', 1, '\\x00')`);
  await run(`insert into @.sync_runs (sync_id, entity_id, reason, state, transactions)
    values ('${name}', '${name}', 'first', 'running', 7)`);
  await run(`insert into @.sync_steps (sync_id, step_key, kind, page, priority)
    values ('${name}', 'accounts:0:0', 'accounts', 0, 1)`);
  await run(`insert into @.pending_results (results_id, entity_id) values ('${name}', '${name}')`);
  await run(`insert into @.changes (change, entity_id) values ('entity.connected', '${name}')`);
}

const filled = [
  'webhook_events',
  'entities',
  'accounts',
  'balances',
  'transactions',
  'sync_runs',
  'sync_steps',
  'pending_results',
  'changes',
  'transaction_versions',
  'identities',
  'standing_orders',
] as const;

/** Every row of the former version, by the columns it had then. */
async function everything(columns: ReadonlyMap<string, readonly string[]>): Promise<unknown> {
  const tables: Record<string, unknown> = {};
  for (const table of filled) {
    const names = (columns.get(table) ?? []).map((name) => sql.ref(name));
    if (names.length === 0) continue;
    const { rows } = await sql`select ${sql.join(names)} from ${database.table(table)} order by 1`.execute(
      database.db,
    );
    tables[table] = rows;
  }
  return tables;
}

async function columnsOf(): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ table: string; column: string }>`
    select table_name as "table", column_name as "column" from information_schema.columns
    where table_schema = ${database.schema}
  `.execute(database.db);
  const columns = new Map<string, string[]>();
  for (const { table, column } of rows) columns.set(table, [...(columns.get(table) ?? []), column]);
  return columns;
}

it('keeps every row and every column of the second version as they were', async () => {
  await makeSecondSchema();
  await writeAsBefore('kept');
  const columns = await columnsOf();
  const before = await everything(columns);
  expect(await migrate(database)).toEqual([
    '0003-operators-and-all-data',
    '0004-trusted-bank-data',
    '0005-application',
  ]);
  expect(await everything(columns)).toEqual(before);
});

it('keeps every row and every column of the third version as they were', async () => {
  await makeThirdSchema();
  await writeAsBefore('kept');
  await writeBankDataAsBefore('kept');
  const columns = await columnsOf();
  const before = await everything(columns);
  expect(await migrate(database)).toEqual(['0004-trusted-bank-data', '0005-application']);
  expect(await everything(columns)).toEqual(before);
});

it('leaves a worker of the third version working, and does not guess at what it did not write', async () => {
  await makeThirdSchema();
  await migrate(database);
  await writeAsBefore('e');
  await writeBankDataAsBefore('e');
  const version = await database.db.selectFrom('transaction_versions').selectAll().executeTakeFirstOrThrow();
  expect(version).toMatchObject({ rule: 'listed', changed_columns: null });
  const row = await database.db
    .selectFrom('transactions')
    .selectAll()
    .where('transaction_id', '=', 'gone')
    .executeTakeFirstOrThrow();
  expect(row).toMatchObject({ first_listed_at: null, last_listed_at: null, supersede_confidence: null });
});

it('leaves a worker of the second version working', async () => {
  await makeSecondSchema();
  await migrate(database);
  await writeAsBefore('written by the former version');
  const counts = await database.db
    .selectFrom('sync_runs')
    .select(['transactions', 'identities', 'scheduled_payments'])
    .executeTakeFirst();
  expect(counts).toEqual({ transactions: 7, identities: 0, scheduled_payments: 0 });
});

const addStep = (kind: string) =>
  run(`insert into @.sync_steps (sync_id, step_key, kind, page, priority)
    values ('e', '${kind}', '${kind}', 0, 1)`);

it('takes steps of the new kinds, and still none whose kind is not a word', async () => {
  await migrate(database);
  await writeAsBefore('e');
  await addStep('standing_orders');
  await expect(addStep('no kind')).rejects.toThrow(/sync_steps_kind_check/);
});

it('shows nobody the people, the orders or Lean’s text of anything: no view reads them', async () => {
  await migrate(database);
  const { rows } = await sql<{ view: string; column: string }>`
    select view_name as view, table_name || '.' || column_name as "column" from information_schema.view_column_usage
    where view_schema = ${database.schema}
      and (column_name in ('raw', 'body') or table_name in ('webhook_events', 'identities'))
  `.execute(database.db);
  expect(rows).toEqual([]);
});
