// The tables of entities, accounts, balances and transactions as kysely sees them.
import type { ColumnType, Generated } from 'kysely';
import type { Decimal, Instant, Json, OptionalInstant, OptionalJson, Stamped } from './table-columns.ts';

export interface EntitiesTable extends Stamped {
  entity_id: string;
  customer_id: string | null;
  app_user_id: string | null;
  bank_identifier: string | null;
  bank_name: string | null;
  permissions: string[] | null;
  state: ColumnType<'active' | 'action_required' | 'ended', string | undefined, string>;
  state_reason: string | null;
  reconnect_id: string | null;
  /** Until when Lean takes it. */
  reconnect_expires_at: OptionalInstant;
  last_event_ns: bigint | null;
  last_event_key: string | null;
  /** Order of the event that last gave the bank and the permissions. */
  profile_event_ns: bigint | null;
  profile_event_key: string | null;
  /** Order of what last decided `state`: an event, or a reply of Lean. */
  state_event_ns: bigint | null;
  /** Which event gave each field its value, by column name; written by `entity-store.ts` alone. */
  field_orders: ColumnType<unknown, string | undefined, string>;
  synced_at: OptionalInstant;
  /** Of the newest terminal refresh heard of, in Lean's time: nanoseconds since 1970, UTC. */
  last_refresh_ns: bigint | null;
  last_refresh_id: string | null;
  /** When that was heard, and when Lean was last asked for refreshes, by the database's clock. */
  refresh_heard_at: OptionalInstant;
  freshness_asked_at: OptionalInstant;
}

export interface AccountsTable extends Stamped {
  entity_id: string;
  account_id: string;
  customer_id: string | null;
  status: string | null;
  currency: string | null;
  account_type: string | null;
  account_sub_type: string | null;
  nickname: string | null;
  description: string | null;
  account_holder_name: string | null;
  opening_date: string | null;
  iban: string | null;
  identifiers: Json;
  servicer: OptionalJson;
  refreshed_at: OptionalInstant;
  removed_at: OptionalInstant;
  seen_sync_id: string | null;
  normalizer_version: number;
  raw: Uint8Array;
  warnings: string[];
}

export interface BalancesTable extends Stamped {
  entity_id: string;
  account_id: string;
  customer_id: string | null;
  balance_type: string;
  currency: string;
  reported_at: Instant;
  reported_at_source: string;
  amount: Decimal;
  credit_debit_indicator: string | null;
  credit_lines: Json;
  /** Of the list; null on rows of a former version and where the list does not say. */
  refreshed_at: OptionalInstant;
  normalizer_version: number;
  raw: Uint8Array;
  warnings: string[];
}

export interface TransactionsTable extends Stamped {
  entity_id: string;
  account_id: string;
  transaction_id: string;
  customer_id: string | null;
  amount: Decimal;
  currency: string | null;
  credit_debit_indicator: string | null;
  signed_amount: ColumnType<Decimal | null, never, never>;
  amount_minor: Decimal | null;
  status: string | null;
  mutability: string | null;
  booked_at: OptionalInstant;
  booked_at_text: string | null;
  booking_date: string | null;
  value_at: OptionalInstant;
  description: string | null;
  reference: string | null;
  transaction_type: string | null;
  merchant_name: string | null;
  merchant_category_code: string | null;
  counterparty: OptionalJson;
  category: string | null;
  content_hash: string;
  refreshed_at: OptionalInstant;
  seen_sync_id: string | null;
  superseded_at: OptionalInstant;
  /** Of the same account: the booking that this pending payment has become. */
  superseded_by: string | null;
  supersede_rule: string | null;
  /** From 0 to 1; null where nothing had to be matched. */
  supersede_confidence: Decimal | null;
  /** When lists had it first and last, in Lean's time; null on rows of a former version. */
  first_listed_at: OptionalInstant;
  last_listed_at: OptionalInstant;
  /** What `booked_at_text` says: `date` or `instant`. */
  booked_at_precision: string | null;
  normalizer_version: number;
  raw: Uint8Array;
  warnings: string[];
}

export interface TransactionVersionsTable extends Stamped {
  entity_id: string;
  account_id: string;
  transaction_id: string;
  version: number;
  customer_id: string | null;
  amount: Decimal;
  currency: string | null;
  credit_debit_indicator: string | null;
  status: string | null;
  mutability: string | null;
  booked_at_text: string | null;
  booking_date: string | null;
  description: string | null;
  reference: string | null;
  content_hash: string;
  normalizer_version: number;
  raw: Uint8Array;
  event_key: string | null;
  replaced_at: Generated<Date>;
  /** Which columns the next version has other values in; null where a former version's worker kept the row. */
  changed_columns: string[] | null;
  /** `listed`: Lean gave other content; `renormalized`: a newer normalizer read the same text otherwise. */
  rule: ColumnType<'listed' | 'renormalized', string | undefined, string>;
  amount_minor: Decimal | null;
  booked_at: OptionalInstant;
  booked_at_precision: string | null;
  value_at: OptionalInstant;
  transaction_type: string | null;
  merchant_name: string | null;
  merchant_category_code: string | null;
  counterparty: OptionalJson;
  category: string | null;
  refreshed_at: OptionalInstant;
  warnings: string[] | null;
}
