// Transactions as Lean's lists gave them. Content that differs replaces the row and keeps the former one as a version;
// an older list changes nothing; a row is never deleted, only superseded, and comes back when it is seen again.
import { sql } from 'kysely';
import type { CanonicalTransaction } from '../core/canonical.ts';
import type { Database, Executor } from './database.ts';
import { numberFingerprints } from './fingerprint-numbers.ts';
import { isOutdated } from './freshness.ts';
import { addCounts, nothingStored, type StoredCounts } from './stored-counts.ts';
import { writeTolerantly } from './tolerant-write.ts';
import {
  listedMarks,
  transactionRow,
  upsertRows,
  type RowOptions,
  type TransactionRow,
} from './transaction-rows.ts';
import { keepVersions, nameChanges } from './transaction-version-store.ts';

export interface UpsertTransactions extends RowOptions {
  /** The event that led to it, kept with the versions it replaces. */
  readonly eventKey: string | null;
  readonly transactions: readonly CanonicalTransaction[];
}

export interface StoredTransactions extends StoredCounts {
  /** Payments the bank had called final, and that say something else now. */
  readonly immutableChanged: number;
}

/** A page has 100. */
const rowsPerStatement = 500;

/**
 * Stores one page; a page comes once, and in order. Of several transactions with one id of Lean's the last counts.
 * The caller holds the entity's lock.
 */
export async function upsertTransactions(
  database: Database,
  transaction: Executor,
  options: UpsertTransactions,
): Promise<StoredTransactions> {
  const items = await numberFingerprints(database, transaction, options);
  const rows = [
    ...new Map(items.map((item) => [item.transactionId, transactionRow(item, options)])).values(),
  ];
  const counts: StoredCounts[] = [];
  let immutableChanged = 0;
  for (let start = 0; start < rows.length; start += rowsPerStatement) {
    const { results, refused } = await writeTolerantly(transaction, {
      rows: rows.slice(start, start + rowsPerStatement),
      write: (chunk) => writeChunk(database, transaction, { ...options, rows: chunk }),
    });
    counts.push(...results, { ...nothingStored, refused: refused.length });
    for (const result of results) immutableChanged += result.immutableChanged;
  }
  return { ...addCounts(counts), immutableChanged };
}

interface Chunk extends Pick<
  UpsertTransactions,
  'entityId' | 'accountId' | 'customerId' | 'syncId' | 'eventKey'
> {
  readonly rows: readonly TransactionRow[];
}

async function writeChunk(
  database: Database,
  transaction: Executor,
  chunk: Chunk,
): Promise<StoredTransactions> {
  const { rows, ...key } = chunk;
  const stored = await readStored(transaction, chunk);
  const written: TransactionRow[] = [];
  const replaced: string[] = [];
  const equal: string[] = [];
  const outdated: string[] = [];
  let returned = 0;
  for (const row of rows) {
    const former = stored.get(row.transaction_id);
    if (isOutdated(row.refreshed_at, former?.refreshed_at)) {
      outdated.push(row.transaction_id);
    } else if (former?.content_hash === row.content_hash) {
      equal.push(row.transaction_id);
      // Seen again after it had been taken for gone.
      if (former.superseded_at !== null) returned += 1;
    } else {
      written.push(row);
      if (former) replaced.push(row.transaction_id);
    }
  }
  await keepVersions(transaction, { ...key, transactionIds: replaced });
  if (written.length > 0) await upsertRows(database, transaction, written);
  const immutableChanged = await nameChanges(transaction, { ...key, transactionIds: replaced });
  const { refreshed_at: refreshedAt = null, first_listed_at: listedAt = null } = rows[0] ?? {};
  await confirm(transaction, { ...key, transactionIds: equal, refreshedAt, listedAt });
  await markSeen(transaction, { ...key, transactionIds: outdated, listedAt });
  return {
    inserted: written.length - replaced.length,
    changed: replaced.length + returned,
    unchanged: equal.length + outdated.length - returned,
    refused: 0,
    immutableChanged,
  };
}

async function readStored(transaction: Executor, { entityId, accountId, rows }: Chunk) {
  const ids = rows.map((row) => row.transaction_id);
  const stored = await transaction
    .selectFrom('transactions')
    .select(['transaction_id', 'content_hash', 'refreshed_at', 'superseded_at'])
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('transaction_id', 'in', ids)
    .forUpdate()
    .execute();
  return new Map(stored.map((row) => [row.transaction_id, row]));
}

interface Seen extends Pick<UpsertTransactions, 'entityId' | 'accountId' | 'customerId' | 'syncId'> {
  readonly transactionIds: readonly string[];
  readonly listedAt: TransactionRow['first_listed_at'] | null;
}

/** Of an older list only this counts: it still had the row. It brings back nothing that a newer one found gone. */
async function markSeen(transaction: Executor, seen: Seen): Promise<void> {
  const { entityId, accountId, customerId, syncId, transactionIds, listedAt } = seen;
  if (transactionIds.length === 0) return;
  await transaction
    .updateTable('transactions')
    .set({
      customer_id: sql`coalesce(customer_id, ${customerId}::text)`,
      ...listedMarks(sql`coalesce(${listedAt}::timestamptz, now())`),
      seen_sync_id: syncId,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('transaction_id', 'in', transactionIds)
    .execute();
}

/** Rows whose content stands are only marked as seen, and not even that when nothing of the marks would change. */
async function confirm(
  transaction: Executor,
  { entityId, accountId, customerId, syncId, transactionIds, refreshedAt, listedAt }: Confirmed,
): Promise<void> {
  if (transactionIds.length === 0) return;
  await transaction
    .updateTable('transactions')
    .set({
      customer_id: sql`coalesce(customer_id, ${customerId}::text)`,
      ...listedMarks(sql`coalesce(${listedAt}::timestamptz, now())`),
      seen_sync_id: syncId,
      refreshed_at: sql`greatest(refreshed_at, ${refreshedAt}::timestamptz)`,
      superseded_at: null,
      superseded_by: null,
      supersede_rule: null,
      supersede_confidence: null,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('transaction_id', 'in', transactionIds)
    .where(sql<boolean>`(seen_sync_id is distinct from ${syncId} or superseded_at is not null
      or refreshed_at is distinct from greatest(refreshed_at, ${refreshedAt}::timestamptz)
      or customer_id is distinct from coalesce(customer_id, ${customerId}::text))`)
    .execute();
}

interface Confirmed extends Seen {
  readonly refreshedAt: string | null;
}
