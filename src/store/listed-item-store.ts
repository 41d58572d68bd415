// What Lean lists of an account beside balances and transactions, and of an entity's people: one way of storing for all
// five tables. A list from before the stored row changes nothing; what a complete list no longer has is marked as
// removed and kept, and comes back when a later list has it.
import { sql, type RawBuilder } from 'kysely';
import { normalizerVersion } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Database, Executor } from './database.ts';
import { isNotNewerThan } from './freshness.ts';
import { addCounts, nothingStored, type StoredCounts } from './stored-counts.ts';
import { writeTolerantly } from './tolerant-write.ts';

/** Each table with the column that ends its key; the other two are `entity_id` and `account_id`. */
export const keyColumns = {
  identities: 'party_key',
  beneficiaries: 'beneficiary_id',
  direct_debits: 'direct_debit_id',
  standing_orders: 'standing_order_id',
  scheduled_payments: 'scheduled_payment_id',
} as const;
export type ListedTable = keyof typeof keyColumns;

/** The account id of whatever belongs to the entity and not to one of its accounts: the consent giver's identity. */
export const noAccount = '';

/** One list of one account: the first page of it and the last are of the same sync. */
export interface ListOfSync {
  readonly entityId: string;
  /** `noAccount` for the consent giver. */
  readonly accountId: string;
  readonly syncId: string;
}

export interface UpsertListed<Item> extends ListOfSync {
  readonly customerId: string | null;
  /** Of the list. */
  readonly refreshedAt: Instant | null;
  readonly items: readonly Item[];
  readonly keyRing: KeyRing | null;
}

type ColumnValue = string | number | null | object;

/** An item as its table has it. */
export interface ListedRow {
  /** Ends the key. */
  readonly key: string;
  /** Postgres' type and the value of every column that is the table's own; money as decimal text. */
  readonly columns: Readonly<Record<string, readonly [type: ColumnType, value: ColumnValue]>>;
  readonly contentHash: string;
  readonly raw: string;
  readonly warnings: readonly string[];
}

type ColumnType = 'text' | 'timestamptz' | 'date' | 'numeric' | 'integer' | 'jsonb';

/** At most 46 values a row, and they travel as one parameter; this bounds a statement's size. */
const rowsPerStatement = 500;

interface UpsertRows extends Omit<UpsertListed<never>, 'items'> {
  readonly table: ListedTable;
  readonly rows: readonly ListedRow[];
}

/** Stores one page; of several items with one key the last counts. The caller holds the entity's lock. */
export async function upsertListed(
  database: Database,
  transaction: Executor,
  { rows, ...list }: UpsertRows,
): Promise<StoredCounts> {
  const distinct = [...new Map(rows.map((row) => [row.key, row])).values()];
  const counts: StoredCounts[] = [];
  for (let start = 0; start < distinct.length; start += rowsPerStatement) {
    const { results, refused } = await writeTolerantly(transaction, {
      rows: distinct.slice(start, start + rowsPerStatement),
      write: (chunk) => writeChunk(database, transaction, { ...list, rows: chunk }),
    });
    counts.push(...results, { ...nothingStored, refused: refused.length });
  }
  return addCounts(counts);
}

/** Columns that all five tables have; `raw` travels as base64. */
const commonTypes = {
  entity_id: 'text',
  account_id: 'text',
  customer_id: 'text',
  content_hash: 'text',
  refreshed_at: 'timestamptz',
  seen_sync_id: 'text',
  normalizer_version: 'integer',
  raw: 'text',
  warnings: 'text[]',
} as const;

function recordOf(row: ListedRow, list: Omit<UpsertRows, 'rows'>): Record<string, unknown> {
  const { table, entityId, accountId, customerId, syncId, refreshedAt, keyRing } = list;
  const own = Object.entries(row.columns).map(([name, [, value]]) => [name, value] as const);
  const sealed = seal(keyRing, rawRecord(table, [entityId, accountId, row.key]), Buffer.from(row.raw));
  return {
    ...Object.fromEntries(own),
    [keyColumns[table]]: row.key,
    entity_id: entityId,
    account_id: accountId,
    customer_id: customerId,
    content_hash: row.contentHash,
    refreshed_at: refreshedAt?.at ?? null,
    seen_sync_id: syncId,
    normalizer_version: normalizerVersion,
    raw: Buffer.from(sealed).toString('base64'),
    warnings: row.warnings,
  };
}

/** What is written, what is only marked as seen, and the counts of both come from one look at the stored rows. */
async function writeChunk(
  database: Database,
  transaction: Executor,
  { rows, ...list }: UpsertRows,
): Promise<StoredCounts> {
  const key = sql.ref(keyColumns[list.table]);
  const table = database.table(list.table);
  const types = typesOf(list.table, rows);
  const names = Object.keys(types);
  const definitions = names.map((name) => sql`${sql.ref(name)} ${sql.raw(types[name] ?? 'text')}`);
  const values = names.map((name) =>
    name === 'raw' ? sql`decode(item.raw, 'base64')` : sql.ref(`item.${name}`),
  );
  const result = await sql<StoredCounts>`
    with item as (
      select * from json_to_recordset(${JSON.stringify(rows.map((row) => recordOf(row, list)))}::json)
        as item (${sql.join(definitions)})
    ), former as (
      select * from ${table}
      where entity_id = ${list.entityId} and account_id = ${list.accountId} and ${key} in (select ${key} from item)
      for update
    ), judged as (
      select item.${key}, case
        when former.entity_id is null then 'inserted'
        when item.refreshed_at < former.refreshed_at then 'outdated'
        when former.removed_at is not null
          or (former.content_hash, former.warnings, former.normalizer_version)
            is distinct from (item.content_hash, item.warnings, item.normalizer_version) then 'changed'
        else 'unchanged' end as verdict
      from item left join former using (${key})
    ), written as (
      insert into ${table} as stored (${sql.join(names.map((name) => sql.ref(name)))})
      select ${sql.join(values)} from item join judged using (${key}) where verdict in ('inserted', 'changed')
      on conflict (entity_id, account_id, ${key}) do update set ${sql.join(replacedBy(names, list.table))}
    ), confirmed as (
      update ${table} as stored set ${confirmedMarks} from item join judged using (${key})
      where stored.entity_id = ${list.entityId} and stored.account_id = ${list.accountId} and stored.${key} = item.${key}
        and verdict in ('unchanged', 'outdated') and ${isMarkedAnew}
    )
    select count(*) filter (where verdict = 'inserted')::int as inserted,
      count(*) filter (where verdict = 'changed')::int as changed,
      count(*) filter (where verdict in ('unchanged', 'outdated'))::int as unchanged, 0 as refused
    from judged
  `.execute(transaction);
  return result.rows[0] ?? nothingStored;
}

/** All rows of one table have the same columns. */
function typesOf(table: ListedTable, rows: readonly ListedRow[]): Record<string, string> {
  const own = Object.entries(rows[0]?.columns ?? {}).map(([name, [type]]) => [name, type] as const);
  return { [keyColumns[table]]: 'text', ...commonTypes, ...Object.fromEntries(own) };
}

function replacedBy(names: readonly string[], table: ListedTable): RawBuilder<unknown>[] {
  const kept = ['customer_id', 'refreshed_at'];
  const left = new Set(['entity_id', 'account_id', keyColumns[table], ...kept]);
  return [
    ...names
      .filter((name) => !left.has(name))
      .map((name) => sql`${sql.ref(name)} = ${sql.ref(`excluded.${name}`)}`),
    ...kept.map(
      (name) =>
        sql`${sql.ref(name)} = coalesce(${sql.ref(`excluded.${name}`)}, ${sql.ref(`stored.${name}`)})`,
    ),
    sql`removed_at = null`,
    sql`updated_at = now()`,
  ];
}

/** Of an outdated list only this counts: the item is still in it. greatest() passes over nulls. */
const confirmedMarks = sql`
  customer_id = coalesce(stored.customer_id, item.customer_id),
  seen_sync_id = item.seen_sync_id,
  refreshed_at = greatest(stored.refreshed_at, item.refreshed_at),
  updated_at = now()
`;

/** A page stored twice by one sync is not written twice. */
const isMarkedAnew = sql`(
  stored.seen_sync_id is distinct from item.seen_sync_id or stored.refreshed_at < item.refreshed_at
  or (stored.refreshed_at is null and item.refreshed_at is not null)
  or (stored.customer_id is null and item.customer_id is not null)
)`;

/** A list that starts over is seen anew: what only its former passes had does not count as seen. */
export async function forgetSeenListed(
  database: Database,
  transaction: Executor,
  { table, entityId, accountId, syncId }: ListOfSync & { readonly table: ListedTable },
): Promise<void> {
  await sql`
    update ${database.table(table)} set seen_sync_id = null
    where entity_id = ${entityId} and account_id = ${accountId} and seen_sync_id = ${syncId}
  `.execute(transaction);
}

export interface RemoveUnseenListed extends ListOfSync {
  readonly table: ListedTable;
  /** Of the list. */
  readonly refreshedAt: Instant | null;
}

/** Marks what the sync's complete list did not have, unless a newer one did; gives how many. */
export async function removeUnseenListed(
  database: Database,
  transaction: Executor,
  { table, entityId, accountId, syncId, refreshedAt }: RemoveUnseenListed,
): Promise<number> {
  const listAt = refreshedAt?.at ?? null;
  // The list's time goes with the mark, so that a list from before this one does not bring the item back.
  const { numAffectedRows = 0n } = await sql`
    update ${database.table(table)} set removed_at = now(),
      refreshed_at = coalesce(${listAt}::timestamptz, refreshed_at), updated_at = now()
    where entity_id = ${entityId} and account_id = ${accountId} and removed_at is null
      and seen_sync_id is distinct from ${syncId} and ${isNotNewerThan(listAt)}
  `.execute(transaction);
  return Number(numAffectedRows);
}
