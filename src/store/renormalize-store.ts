// Writes what a new reading of stored items' text gives: says in which columns it differs, keeps what was, and tells the
// application. Never makes a row and never changes a key, so that whoever was erased stays so.
import { sql, type RawBuilder } from 'kysely';
import { normalizerVersion } from '../core/canonical.ts';
import { toldWord } from '../core/change-schemas.ts';
import { appendChanges, type NewChange } from './change-store.ts';
import type { Database, Executor } from './database.ts';
import type { ItemKey, StoredItem } from './renormalize-read.ts';
import {
  isOfReports,
  isTimeColumn,
  keysOfTables,
  type RenormalizedTable,
  type ReportsTable,
} from './renormalized-tables.ts';
import { keepVersions, nameChanges } from './transaction-version-store.ts';

/** Values by column, as `json_to_recordset` takes them; jsonb as JSON text. */
export type ReplayedColumns = Readonly<Record<string, unknown>> & { readonly warnings: readonly string[] };

export interface ReplayedItem {
  readonly item: StoredItem;
  readonly columns: ReplayedColumns;
}

export interface ItemChange {
  readonly key: ItemKey;
  readonly columns: readonly string[];
}

interface OfTable {
  readonly table: RenormalizedTable;
  readonly items: readonly ReplayedItem[];
}

/** Items with the columns in which the new reading differs; those that are equal are left out. */
export async function compareItems(
  database: Database,
  executor: Executor,
  of: OfTable,
): Promise<ItemChange[]> {
  if (of.items.length === 0) return [];
  return compareTyped(database, executor, { ...of, types: await columnTypes(database, executor, of) });
}

interface Typed extends OfTable {
  readonly types: ReadonlyMap<string, string>;
}

async function compareTyped(
  database: Database,
  executor: Executor,
  { types, ...of }: Typed,
): Promise<ItemChange[]> {
  const { rows } = await sql<ItemChange>`
    with item as (${itemRows(of, types)}), judged as (
      select ${keyTexts(of.table, 'stored')} as key, array(
        select name from unnest(${[...types.keys()]}::text[]) as name
        where to_jsonb(stored) -> name is distinct from to_jsonb(item) -> name order by name
      ) as columns
      from ${database.table(of.table)} as stored join item on ${isSameKey(of.table)}
    )
    select key, columns from judged where columns <> '{}'
  `.execute(executor);
  return rows;
}

export interface ApplyItems extends OfTable {
  /** All items are of this one. The caller holds its lock. Null: of none. */
  readonly entityId: string | null;
}

/**
 * Writes the new reading and its version, keeps the former values of transactions, and tells the application of what
 * has changed; gives the changes.
 */
export async function applyItems(
  database: Database,
  transaction: Executor,
  { entityId, ...of }: ApplyItems,
): Promise<ItemChange[]> {
  if (of.items.length === 0) return [];
  const types = await columnTypes(database, transaction, of);
  const changes = await compareTyped(database, transaction, { ...of, types });
  const versions = of.table === 'transactions' ? formerVersions(changes) : [];
  for (const kept of versions) await keepVersions(transaction, kept);
  const values = [...types].map(
    ([name, type]) => sql`${sql.ref(name)} = ${sql.ref(`item.${name}`)}::${sql.raw(type)}`,
  );
  await sql`
    with item as (${itemRows(of, types)})
    update ${database.table(of.table)} as stored
    set ${sql.join(values)}, normalizer_version = ${normalizerVersion}, updated_at = now()
    from item where ${isSameKey(of.table)}
  `.execute(transaction);
  for (const kept of versions) await nameChanges(transaction, kept);
  await appendChanges(transaction, changesToTell(of, { entityId, changes }));
  return changes;
}

/** They say how a payment was read, and not what was paid: no version is kept for their sake. */
const readingColumns = new Set(['booked_at_precision', 'content_hash', 'warnings']);

function formerVersions(changes: readonly ItemChange[]) {
  const paid = changes.filter(({ columns }) => columns.some((name) => !readingColumns.has(name)));
  const ofAccounts = Map.groupBy(paid, ({ key: [entityId, accountId] }) =>
    JSON.stringify([entityId, accountId]),
  );
  return [...ofAccounts.values()].map((ofAccount) => ({
    entityId: ofAccount[0]?.key[0] ?? '',
    accountId: ofAccount[0]?.key[1] ?? '',
    transactionIds: ofAccount.map(({ key }) => key[2] ?? ''),
    eventKey: null,
    rule: 'renormalized' as const,
  }));
}

interface Told {
  readonly entityId: string | null;
  readonly changes: readonly ItemChange[];
}

function changesToTell({ table, items }: OfTable, { entityId, changes }: Told): NewChange[] {
  if (isOfReports(table)) {
    const changed = new Set(changes.map(({ key: [id] }) => id));
    const ofChanged = items.filter(({ item }) => changed.has(item.key[0]));
    return ofChanged.map((one) => changeOfOne(table, one));
  }
  const customerId = items.find(({ item }) => item.customerId !== null)?.item.customerId ?? null;
  // An empty account id is the entity's own.
  const ofAccounts = Map.groupBy(changes, ({ key }) => (key[1] ?? '') || null);
  return [...ofAccounts].map(([accountId, { length: changed }]) =>
    changeOfMany(table, { changed, whose: { entityId, customerId, accountId } }),
  );
}

const renormalized = true as const;

interface ChangedRows {
  readonly changed: number;
  readonly whose: Pick<NewChange, 'entityId' | 'customerId' | 'accountId'>;
}

function changeOfMany(
  table: Exclude<RenormalizedTable, ReportsTable>,
  { changed, whose }: ChangedRows,
): NewChange {
  const counts = { inserted: 0, changed, renormalized };
  switch (table) {
    case 'accounts':
      return { change: 'account.updated', ...whose, details: { changed, renormalized } };
    case 'balances':
      return { change: 'balances.updated', ...whose, details: counts };
    case 'transactions': {
      // Nothing was asked for, so there is no window.
      const details = { ...counts, superseded: 0, from: null, to: null };
      return { change: 'transactions.updated', ...whose, details };
    }
    case 'identities':
    case 'beneficiaries':
    case 'direct_debits':
    case 'standing_orders':
    case 'scheduled_payments':
      return { change: `${table}.updated`, ...whose, details: { ...counts, removed: 0 } };
  }
}

/** In the words in which an event is told: a group may be of several customers, and the application asks by the id. */
function changeOfOne(table: ReportsTable, { item, columns }: ReplayedItem): NewChange {
  const { entityId, customerId, key } = item;
  const [id = ''] = key;
  const whose = { entityId, customerId };
  if (table === 'banks') {
    const isAvailable = columns['active_data'] !== false && columns['enabled_data'] !== false;
    const details = { bankIdentifier: id, isAvailable, changed: 1, renormalized };
    return { change: 'bank.updated', ...whose, details };
  }
  const [status, consentType] = [wordOf(columns['status']), wordOf(columns['consent_type'])];
  const details = { consentId: id, status, consentType, changed: 1, renormalized };
  return { change: 'consent.updated', ...whose, details };
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' ? toldWord(value) : null;
}

/** Postgres' types of the columns that a reading gives; all readings of a table give the same. */
async function columnTypes(
  { schema }: Database,
  executor: Executor,
  { table, items }: OfTable,
): Promise<ReadonlyMap<string, string>> {
  const names = Object.keys(items[0]?.columns ?? {});
  const { rows } = await sql<{ name: string; type: string }>`
    select attribute.attname as name, format_type(attribute.atttypid, attribute.atttypmod) as type
    from pg_attribute as attribute
    join pg_class as class on class.oid = attribute.attrelid
    join pg_namespace as space on space.oid = class.relnamespace
    where space.nspname = ${schema} and class.relname = ${table} and attribute.attname = any (${names}::text[])
  `.execute(executor);
  return new Map(rows.map(({ name, type }) => [name, type]));
}

function itemRows({ table, items }: OfTable, types: ReadonlyMap<string, string>): RawBuilder<unknown> {
  const key = keysOfTables[table];
  const records = items.map(({ item, columns }) => ({
    ...columns,
    ...Object.fromEntries(item.key.map((value, index) => [`key_${index}`, value])),
  }));
  const definitions = [
    ...key.map((_name, index) => sql`${sql.ref(`key_${index}`)} text`),
    // A list comes as JSON has it, a document as the text of one.
    ...[...types].map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type === 'jsonb' ? 'text' : type)}`),
  ];
  const values = [...types].map(
    ([name, type]) => sql`${sql.ref(name)}::${sql.raw(type)} as ${sql.ref(name)}`,
  );
  return sql`select ${sql.join(key.map((_name, index) => sql.ref(`key_${index}`)))}, ${sql.join(values)}
    from json_to_recordset(${JSON.stringify(records)}::json) as given (${sql.join(definitions)})`;
}

function isSameKey(table: RenormalizedTable): RawBuilder<unknown> {
  const parts = keysOfTables[table].map((name, index) => {
    const given = sql.ref(`item.key_${index}`);
    return sql`${sql.ref(`stored.${name}`)} = ${isTimeColumn(name) ? sql`${given}::timestamptz` : given}`;
  });
  return sql.join(parts, sql` and `);
}

function keyTexts(table: RenormalizedTable, row: string): RawBuilder<unknown> {
  return sql`array[${sql.join(keysOfTables[table].map((name) => sql`${sql.ref(`${row}.${name}`)}::text`))}]`;
}
