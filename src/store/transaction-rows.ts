// A transaction as its row, and the one statement that writes many of them. Decides nothing: whether a row may replace
// another is its caller's to know.
import { sql, type RawBuilder } from 'kysely';
import { canonicalJson } from '../core/canonical-json.ts';
import { normalizerVersion, type CanonicalTransaction } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Database, Executor } from './database.ts';

export interface RowOptions {
  readonly entityId: string;
  readonly accountId: string;
  readonly customerId: string | null;
  /** The sync whose list this is. */
  readonly syncId: string;
  readonly refreshedAt: Instant | null;
  /** Of the sync: stands for the time of a list that has none. */
  readonly startedAt?: Date | null;
  readonly keyRing: KeyRing | null;
}

export function transactionRow(item: CanonicalTransaction, options: RowOptions) {
  const { entityId, accountId, customerId, syncId, refreshedAt, startedAt, keyRing } = options;
  const record = rawRecord('transactions', [entityId, accountId, item.transactionId]);
  const listedAt = refreshedAt?.at ?? startedAt?.toISOString() ?? null;
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

export type TransactionRow = ReturnType<typeof transactionRow>;

/** Postgres' type of each column that travels in the statement; the raw text travels as base64, JSON as its text. */
const columns = {
  entity_id: 'text',
  account_id: 'text',
  transaction_id: 'text',
  customer_id: 'text',
  amount: 'numeric',
  currency: 'text',
  credit_debit_indicator: 'text',
  amount_minor: 'numeric',
  status: 'text',
  mutability: 'text',
  booked_at: 'timestamptz',
  booked_at_text: 'text',
  booked_at_precision: 'text',
  booking_date: 'date',
  value_at: 'timestamptz',
  description: 'text',
  reference: 'text',
  transaction_type: 'text',
  merchant_name: 'text',
  merchant_category_code: 'text',
  counterparty: 'text',
  category: 'text',
  content_hash: 'text',
  refreshed_at: 'timestamptz',
  first_listed_at: 'timestamptz',
  last_listed_at: 'timestamptz',
  seen_sync_id: 'text',
  normalizer_version: 'integer',
  raw: 'text',
  warnings: 'text[]',
} as const;
const columnNames = Object.keys(columns);
/** Taken over from the list as they are; the others have rules of their own. */
const takenOver = columnNames.filter(
  (name) =>
    ![
      'entity_id',
      'account_id',
      'transaction_id',
      'customer_id',
      'refreshed_at',
      'first_listed_at',
      'last_listed_at',
    ].includes(name),
);

const names = sql.join(columnNames.map((name) => sql.ref(name)));
const definitions = sql.join(
  Object.entries(columns).map(([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`),
);
const values = sql.join(columnNames.map(valueOf));
const assignments = sql.join(takenOver.map((name) => sql`${sql.ref(name)} = ${sql.ref(`excluded.${name}`)}`));

/** One text whatever the rows are: parameters by the thousand cost more than the rows themselves. */
export async function upsertRows(
  database: Database,
  transaction: Executor,
  rows: readonly TransactionRow[],
): Promise<void> {
  const { first_listed_at: first, last_listed_at: last } = listedMarks(sql`excluded.first_listed_at`);
  await sql`insert into ${database.table('transactions')} as transactions (${names})
    select ${values} from json_to_recordset(${toJson(rows)}::json) as item (${definitions})
    on conflict (entity_id, account_id, transaction_id) do update set
      ${assignments},
      customer_id = coalesce(excluded.customer_id, transactions.customer_id),
      refreshed_at = coalesce(excluded.refreshed_at, transactions.refreshed_at),
      first_listed_at = ${first}, last_listed_at = ${last},
      superseded_at = null, superseded_by = null, supersede_rule = null, supersede_confidence = null,
      updated_at = now()
  `.execute(transaction);
}

function toJson(rows: readonly TransactionRow[]): string {
  return JSON.stringify(rows.map((row) => ({ ...row, raw: Buffer.from(row.raw).toString('base64') })));
}

function valueOf(name: string): RawBuilder<unknown> {
  const value = sql.ref(`item.${name}`);
  switch (name) {
    case 'raw':
      return sql`decode(${value}, 'base64')`;
    case 'counterparty':
      return sql`${value}::jsonb`;
    case 'first_listed_at':
    case 'last_listed_at':
      return sql`coalesce(${value}, now())`;
    default:
      return value;
  }
}

/** What a former version stored without them stays without: nobody knows when a list had it first. */
export function listedMarks(listedAt: RawBuilder<unknown>) {
  return {
    first_listed_at: sql<string | null>`case when transactions.first_listed_at is not null
      then least(transactions.first_listed_at, ${listedAt}::timestamptz) end`,
    // greatest() passes over nulls.
    last_listed_at: sql<string>`greatest(transactions.last_listed_at, ${listedAt}::timestamptz)`,
  };
}
