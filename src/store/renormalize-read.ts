// Finds stored items that another normalizer made, batch by batch, and holds those that are about to be written. Never
// writes anything.
import { sql, type RawBuilder } from 'kysely';
import { normalizerVersion } from '../core/canonical.ts';
import { databaseFailure } from './database-failures.ts';
import type { Database, Executor } from './database.ts';
import {
  isIndexedByVersion,
  isOfReports,
  isTimeColumn,
  keysOfTables,
  type RenormalizedTable,
} from './renormalized-tables.ts';

export interface StoredItem {
  /** Null of banks, and of a consent that names none. */
  readonly entityId: string | null;
  readonly customerId: string | null;
  /** As text that Postgres reads back to the same value. */
  readonly key: ItemKey;
  /** Of the normalizer that made it. */
  readonly version: number;
  readonly raw: Uint8Array;
  readonly warnings: readonly string[];
  /** Of balances. */
  readonly reportedAt: Date | null;
  readonly reportedAtSource: string | null;
  /** Of what is put together from several reports: which one gave each field, and all columns as JSON. */
  readonly fieldOrders: Readonly<Record<string, string>> | null;
  readonly stored: Readonly<Record<string, unknown>> | null;
}

export type ItemKey = readonly string[];

export interface ItemChoice {
  readonly table: RenormalizedTable;
  /** `former`: only rows of a former normalizer; `all`: this one's too. */
  readonly versions: 'former' | 'all';
  /** Only rows written from then on. */
  readonly since: Date | null;
}

/** Null where counting takes longer than a statement may. */
export async function countItems(database: Database, choice: ItemChoice): Promise<number | null> {
  try {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from ${database.table(choice.table)} where ${isChosen(choice)}
    `.execute(database.db);
    return rows[0]?.count ?? 0;
  } catch (error) {
    if (databaseFailure(error) !== 'slow') throw error;
    return null;
  }
}

export interface ReadItems extends ItemChoice {
  /** Behind this one. */
  readonly after?: Pick<StoredItem, 'key' | 'version'> | null;
  readonly limit: number;
}

/** In the order in which nothing that is done is read again. */
export async function readItems(
  database: Database,
  executor: Executor,
  { after = null, limit, ...choice }: ReadItems,
): Promise<StoredItem[]> {
  const { table } = choice;
  const key = keysOfTables[table];
  const isVersioned = choice.versions === 'former' && isIndexedByVersion(table);
  const order = sql.join(
    [...(isVersioned ? ['normalizer_version'] : []), ...key].map((name) => sql.ref(name)),
  );
  const behind = (values: ItemKey) =>
    values.map((value, index) =>
      isTimeColumn(key[index]) ? sql`${value}::timestamptz` : sql`${value}::text`,
    );
  const place = after && [...(isVersioned ? [sql`${after.version}::integer`] : []), ...behind(after.key)];
  const { rows } = await sql<StoredItem>`
    select ${itemColumns(table)} from ${database.table(table)} as item
    where ${isChosen(choice)} and ${place === null ? sql`true` : sql`(${order}) > (${sql.join(place)})`}
    order by ${order}
    limit ${limit}
  `.execute(executor);
  return rows;
}

export interface LockItems extends ItemChoice {
  readonly entityId: string | null;
  readonly keys: readonly ItemKey[];
}

/**
 * As they are now, of those that are still chosen and of this entity; nobody else changes them until the transaction
 * ends. Locked in the order in which reports are applied, so that neither waits for the other.
 */
export async function lockItems(
  database: Database,
  transaction: Executor,
  { entityId, keys, ...choice }: LockItems,
): Promise<StoredItem[]> {
  const { table } = choice;
  const key = keysOfTables[table];
  const names = key.map((_name, index) => sql.ref(`key_${index}`));
  const records = keys.map((values) =>
    Object.fromEntries(values.map((value, index) => [`key_${index}`, value])),
  );
  const given = names.map((name, index) => (isTimeColumn(key[index]) ? sql`${name}::timestamptz` : name));
  const { rows } = await sql<StoredItem>`
    select ${itemColumns(table)} from ${database.table(table)} as item
    where ${isChosen(choice)} and ${isOwned(table) ? sql`entity_id is not distinct from ${entityId}::text` : sql`true`}
      and (${sql.join(key.map((name) => sql.ref(name)))}) in (
        select ${sql.join(given)} from json_to_recordset(${JSON.stringify(records)}::json)
          as given (${sql.join(names.map((name) => sql`${name} text`))})
      )
    order by ${sql.join(key.map((name) => (isTimeColumn(name) ? sql.ref(name) : sql`${sql.ref(name)} collate "C"`)))}
    for update of item
  `.execute(transaction);
  return rows;
}

const isOwned = (table: RenormalizedTable) => table !== 'banks';

function itemColumns(table: RenormalizedTable): RawBuilder<unknown> {
  const isBalance = table === 'balances';
  return sql`${isOwned(table) ? sql`entity_id` : sql`null`} as "entityId",
      ${isOwned(table) ? sql`customer_id` : sql`null`} as "customerId", raw, warnings, normalizer_version as version,
      array[${sql.join(keysOfTables[table].map((name) => sql`${sql.ref(name)}::text`))}] as key,
      ${isBalance ? sql`reported_at` : sql`null::timestamptz`} as "reportedAt",
      ${isBalance ? sql`reported_at_source` : sql`null`} as "reportedAtSource",
      ${isOfReports(table) ? sql`field_orders` : sql`null::jsonb`} as "fieldOrders",
      ${isOfReports(table) ? sql`to_jsonb(item) - 'raw'` : sql`null::jsonb`} as stored`;
}

function isChosen({ table, versions, since }: ItemChoice): RawBuilder<unknown> {
  const sinceText = since?.toISOString() ?? null;
  return sql`${isOfReports(table) ? sql`raw is not null` : sql`true`} and normalizer_version ${versions === 'all' ? sql`<=` : sql`<`} ${normalizerVersion}
    and (${sinceText}::timestamptz is null or updated_at >= ${sinceText}::timestamptz)`;
}
