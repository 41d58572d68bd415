// Transactions as Lean's lists gave them. Content that differs replaces the row and keeps the former one as a version;
// an older list changes nothing; a row is never deleted, only superseded, and comes back when it is seen again.
import { sql, type RawBuilder } from 'kysely';
import { canonicalJson } from '../core/canonical-json.ts';
import { normalizerVersion, type CanonicalTransaction } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Database, Executor } from './database.ts';
import { numberFingerprints } from './fingerprint-numbers.ts';
import { isOutdated } from './freshness.ts';
import { addCounts, nothingStored, type StoredCounts } from './stored-counts.ts';
import { writeTolerantly } from './tolerant-write.ts';
import { keepVersions, nameChanges } from './transaction-version-store.ts';

export interface UpsertTransactions {
  readonly entityId: string;
  readonly accountId: string;
  readonly customerId: string | null;
  /** The sync whose list this is. */
  readonly syncId: string;
  /** The event that led to it, kept with the versions it replaces. */
  readonly eventKey: string | null;
  readonly refreshedAt: Instant | null;
  /** Of the sync: stands for the time of a list that has none. */
  readonly startedAt?: Date | null;
  readonly transactions: readonly CanonicalTransaction[];
  readonly keyRing: KeyRing | null;
}

export interface StoredTransactions extends StoredCounts {
  /** Payments the bank had called final, and that say something else now. */
  readonly immutableChanged: number;
}

/** 33 columns a row: far below Postgres' 65,535 parameters. */
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
      write: (chunk) => writeChunk(transaction, { ...options, rows: chunk }),
    });
    counts.push(...results, { ...nothingStored, refused: refused.length });
    for (const result of results) immutableChanged += result.immutableChanged;
  }
  return { ...addCounts(counts), immutableChanged };
}

function transactionRow(item: CanonicalTransaction, options: UpsertTransactions) {
  const { entityId, accountId, customerId, syncId, refreshedAt, startedAt, keyRing } = options;
  const record = rawRecord('transactions', [entityId, accountId, item.transactionId]);
  const listedAt = refreshedAt?.at ?? startedAt?.toISOString() ?? sql<string>`now()`;
  return {
    entity_id: entityId,
    account_id: accountId,
    transaction_id: item.transactionId,
    customer_id: customerId,
    ...transactionColumns(item),
    refreshed_at: refreshedAt?.at ?? null,
    first_listed_at: listedAt,
    last_listed_at: listedAt,
    seen_sync_id: syncId,
    superseded_at: null,
    superseded_by: null,
    supersede_rule: null,
    supersede_confidence: null,
    normalizer_version: normalizerVersion,
    raw: seal(keyRing, record, Buffer.from(item.raw)),
  };
}

/** What follows from Lean's text alone, but for the key. */
export function transactionColumns(item: CanonicalTransaction) {
  return {
    amount: item.amount,
    currency: item.currency,
    credit_debit_indicator: item.creditDebitIndicator,
    amount_minor: item.amountMinor,
    status: item.status,
    mutability: item.mutability,
    booked_at: item.bookedAt?.at ?? null,
    booked_at_text: item.bookedAtText,
    booked_at_precision: item.bookedAtPrecision,
    booking_date: item.bookingDate,
    value_at: item.valueAt?.at ?? null,
    description: item.description,
    reference: item.reference,
    transaction_type: item.transactionType,
    merchant_name: item.merchantName,
    merchant_category_code: item.merchantCategoryCode,
    counterparty: item.counterparty && canonicalJson(item.counterparty),
    category: item.category,
    content_hash: item.contentHash,
    warnings: item.warnings,
  };
}

type TransactionRow = ReturnType<typeof transactionRow>;

interface Chunk extends Pick<
  UpsertTransactions,
  'entityId' | 'accountId' | 'customerId' | 'syncId' | 'eventKey'
> {
  readonly rows: readonly TransactionRow[];
}

async function writeChunk(transaction: Executor, chunk: Chunk): Promise<StoredTransactions> {
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
  if (written.length > 0) await upsertRows(transaction, written);
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

async function upsertRows(transaction: Executor, rows: readonly TransactionRow[]): Promise<void> {
  await transaction
    .insertInto('transactions')
    .values([...rows])
    .onConflict((conflict) =>
      conflict.columns(['entity_id', 'account_id', 'transaction_id']).doUpdateSet((excluded) => ({
        customer_id: sql`coalesce(${excluded.ref('excluded.customer_id')}, transactions.customer_id)`,
        amount: excluded.ref('excluded.amount'),
        currency: excluded.ref('excluded.currency'),
        credit_debit_indicator: excluded.ref('excluded.credit_debit_indicator'),
        amount_minor: excluded.ref('excluded.amount_minor'),
        status: excluded.ref('excluded.status'),
        mutability: excluded.ref('excluded.mutability'),
        booked_at: excluded.ref('excluded.booked_at'),
        booked_at_text: excluded.ref('excluded.booked_at_text'),
        booked_at_precision: excluded.ref('excluded.booked_at_precision'),
        booking_date: excluded.ref('excluded.booking_date'),
        value_at: excluded.ref('excluded.value_at'),
        description: excluded.ref('excluded.description'),
        reference: excluded.ref('excluded.reference'),
        transaction_type: excluded.ref('excluded.transaction_type'),
        merchant_name: excluded.ref('excluded.merchant_name'),
        merchant_category_code: excluded.ref('excluded.merchant_category_code'),
        counterparty: excluded.ref('excluded.counterparty'),
        category: excluded.ref('excluded.category'),
        content_hash: excluded.ref('excluded.content_hash'),
        refreshed_at: sql`coalesce(${excluded.ref('excluded.refreshed_at')}, transactions.refreshed_at)`,
        ...listedMarks(sql`excluded.first_listed_at`),
        seen_sync_id: excluded.ref('excluded.seen_sync_id'),
        superseded_at: null,
        superseded_by: null,
        supersede_rule: null,
        supersede_confidence: null,
        normalizer_version: excluded.ref('excluded.normalizer_version'),
        raw: excluded.ref('excluded.raw'),
        warnings: excluded.ref('excluded.warnings'),
        updated_at: sql`now()`,
      })),
    )
    .execute();
}

/** What a former version stored without them stays without: nobody knows when a list had it first. */
function listedMarks(listedAt: RawBuilder<unknown>) {
  return {
    first_listed_at: sql<string | null>`case when transactions.first_listed_at is not null
      then least(transactions.first_listed_at, ${listedAt}::timestamptz) end`,
    // greatest() passes over nulls.
    last_listed_at: sql<string>`greatest(transactions.last_listed_at, ${listedAt}::timestamptz)`,
  };
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
      ...listedMarks(sql`${listedAt}`),
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
      ...listedMarks(sql`${listedAt}`),
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
