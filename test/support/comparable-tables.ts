// Every row that comes of Lean's data, as two runs of one story must have it: sealed bytes are opened, and only what must
// differ between two runs is left out.
import { sql } from 'kysely';
import { open, rawRecord } from '../../src/sealing/seal.ts';
import type { Database } from '../../src/store/database.ts';
import { testKeyRing } from './worker-parts.ts';

/** Tables of bank data and of who may read it, with their keys. */
const keys = {
  entities: ['entity_id'],
  consents: ['consent_id'],
  banks: ['bank_identifier'],
  accounts: ['entity_id', 'account_id'],
  balances: ['entity_id', 'account_id', 'balance_type', 'currency', 'reported_at'],
  transactions: ['entity_id', 'account_id', 'transaction_id'],
  transaction_versions: ['entity_id', 'account_id', 'transaction_id', 'version'],
  identities: ['entity_id', 'account_id', 'party_key'],
  beneficiaries: ['entity_id', 'account_id', 'beneficiary_id'],
  direct_debits: ['entity_id', 'account_id', 'direct_debit_id'],
  standing_orders: ['entity_id', 'account_id', 'standing_order_id'],
  scheduled_payments: ['entity_id', 'account_id', 'scheduled_payment_id'],
} as const;

/**
 * When a row was stored or met in a list, by which of our syncs, and which event or reply it was that said so; and a consent's type, which
 * Lean's lists give as null, so that a lost webhook about it is all that ever says it.
 */
const ownColumns: ReadonlySet<string> = new Set([
  'created_at',
  'updated_at',
  'synced_at',
  'seen_sync_id',
  'first_listed_at',
  'last_listed_at',
  'removed_at',
  'replaced_at',
  'event_key',
  'field_orders',
  'last_event_ns',
  'last_event_key',
  'profile_event_ns',
  'profile_event_key',
  'state_event_ns',
  'last_refresh_ns',
  'refresh_heard_at',
  'freshness_asked_at',
  'consent_type',
]);

export type ComparableTables = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

/** Every row, by its table, in the order of its key. */
export async function readComparableTables(database: Database): Promise<ComparableTables> {
  const tables: Record<string, Record<string, unknown>[]> = {};
  for (const [table, key] of Object.entries(keys)) {
    const { rows } = await sql<Record<string, unknown>>`
      select * from ${database.table(table)} order by ${sql.join(key.map((column) => sql`${sql.ref(column)}`))}
    `.execute(database.db);
    tables[table] = rows.map((row) => comparable(table, key, row));
  }
  return tables;
}

function comparable(
  table: string,
  key: readonly string[],
  row: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const kept = Object.entries(row).filter(([column]) => !ownColumns.has(column) && column !== 'raw');
  const { raw, removed_at: removedAt } = row;
  // A former version keeps the bytes it had as the transaction.
  const record = table === 'transaction_versions' ? 'transactions' : table;
  const parts = key.filter((column) => column !== 'version').map((column) => textOf(row[column]));
  return {
    ...Object.fromEntries(kept),
    ...(isConsentOver(row) && { state_reason: 'consent over' }),
    is_removed: removedAt != null,
    raw:
      raw instanceof Uint8Array
        ? Buffer.from(open(testKeyRing, rawRecord(record, parts), raw)).toString()
        : raw,
  };
}

/** Calls for data and calls for the entity say it in two words, and either may be the last to be answered. */
function isConsentOver({ state_reason: reason }: Readonly<Record<string, unknown>>): boolean {
  return reason === 'CONSENT_EXPIRED' || reason === 'PERMISSIONS_REVOKED';
}

function textOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}
