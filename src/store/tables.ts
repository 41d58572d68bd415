// The tables as kysely sees them, one interface a table; the SQL beside it is `schema-0001.ts` and `schema-0002.ts`.
// Money comes and goes as decimal text, 64-bit numbers as bigint, instants go in as ISO text and come out as Date.
import type { ColumnType, Generated } from 'kysely';

type Instant = ColumnType<Date, string, string>;
type OptionalInstant = ColumnType<Date | null, string | null | undefined, string | null>;
/** Inserted as JSON text, so that nothing on the way may touch a number in it. */
type Json = ColumnType<unknown, string, string>;
type OptionalJson = ColumnType<unknown, string | null | undefined, string | null>;
type Decimal = string;

interface Stamped {
  created_at: Generated<Date>;
  updated_at: ColumnType<Date, never, unknown>;
}

export interface WebhookEventsTable extends Stamped {
  event_key: string;
  event_id: string | null;
  type: string | null;
  entity_id: string | null;
  customer_id: string | null;
  occurred_at: OptionalInstant;
  occurred_at_ns: bigint | null;
  occurred_at_text: string | null;
  received_at: Instant;
  source: ColumnType<'webhook' | 'sweep', 'webhook' | 'sweep' | undefined>;
  /** The strongest proof any delivery of this event came with. */
  proof: ColumnType<'signature' | 'certificate' | 'none', string, string>;
  state: ColumnType<
    'received' | 'processed' | 'ignored' | 'quarantined' | 'failed',
    string | undefined,
    string
  >;
  delivery_count: Generated<number>;
  replay_count: Generated<number>;
  /** Sealed under the purpose `event` and the event key. */
  body: Uint8Array | null;
  body_sha256: string;
  /** Of `type` and the canonical payload: differing ones under one event id are a conflict. */
  payload_hash: string | null;
  /** When Lean, asked with our token, knew the event's entity as ours; only needed where the proof does not say so. */
  ownership_proven_at: OptionalInstant;
  /** When something outside was first asked for this event, and how often it was: whoever gives up counts from here. */
  first_tried_at: OptionalInstant;
  tries: Generated<number>;
  failure_code: string | null;
  concluded_at: OptionalInstant;
  /** What was odd about the body and did not keep it from being read; codes of a closed list. */
  warnings: ColumnType<string[], string[] | undefined, string[]>;
}

export interface IntakeBatchesTable extends Stamped {
  job_id: string;
  deliveries: number;
  stored_at: Generated<Date>;
}

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
  superseded_by: string | null;
  supersede_rule: string | null;
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
}

export interface SyncRunsTable extends Stamped {
  sync_id: string;
  entity_id: string;
  customer_id: string | null;
  reason: ColumnType<'first' | 'requested' | 'refresh' | 'sweep', string, string>;
  state: ColumnType<'waiting' | 'running' | 'done' | 'failed', string, string>;
  /** The event that asked for it. */
  event_key: string | null;
  /** Whether the whole history is read, not only the window. */
  full_history: ColumnType<boolean, boolean | undefined, boolean>;
  window_from: string | null;
  window_to: string | null;
  /** What the refresh said of each data type; null: nothing is known, everything is asked for. */
  data_status: OptionalJson;
  /** Whether the entity itself is asked for too. */
  reread_entity: ColumnType<boolean, boolean | undefined, boolean>;
  started_at: OptionalInstant;
  finished_at: OptionalInstant;
  calls: Generated<number>;
  accounts: Generated<number>;
  balances: Generated<number>;
  transactions: Generated<number>;
  failure_code: string | null;
}

export interface SyncStepsTable extends Stamped {
  sync_id: string;
  step_key: string;
  kind: ColumnType<'entity' | 'accounts' | 'balances' | 'transactions', string, string>;
  account_id: string | null;
  page: number;
  /** A list starts over, under the next pass, when it changed between two pages. */
  pass: Generated<number>;
  /** The list's `refreshed_at` as its first page gave it, on that page's step once it is done: all pages must agree. */
  expected_refreshed_at: string | null;
  state: ColumnType<'open' | 'pending' | 'done' | 'failed' | 'dropped', string | undefined, string>;
  priority: number;
  attempts: Generated<number>;
  due_at: ColumnType<Date, string | undefined, unknown>;
  /** While pending: where Lean said the result will be. */
  results_id: string | null;
  failure_code: string | null;
}

export interface PendingResultsTable extends Stamped {
  results_id: string;
  entity_id: string | null;
  customer_id: string | null;
  account_id: string | null;
  kind: string | null;
  sync_id: string | null;
  step_key: string | null;
  event_key: string | null;
  asked_at: OptionalInstant;
  ready_at: OptionalInstant;
  resolved_at: OptionalInstant;
  due_at: OptionalInstant;
  polls: Generated<number>;
}

export interface ChangesTable extends Stamped {
  change_id: Generated<bigint>;
  /** Given after commit, by the publisher alone. */
  position: bigint | null;
  change: string;
  version: Generated<number>;
  entity_id: string | null;
  customer_id: string | null;
  account_id: string | null;
  event_key: string | null;
  at: Generated<Date>;
  details: Json;
}

export interface ChangeFeedStateTable extends Stamped {
  only_row: Generated<boolean>;
  last_position: bigint;
}

export interface InstallationTable extends Stamped {
  only_row: Generated<boolean>;
  installation_id: string;
  environment: string;
  region: string;
  app_token_sha256: string | null;
  /** Makes the HMACs of `erasures`. */
  erasure_key: Generated<Uint8Array>;
}

export interface ErasuresTable extends Stamped {
  /** Hex HMAC-SHA-256 of kind and id. */
  subject_hmac: string;
  kind: ColumnType<'customer' | 'entity' | 'results', string, string>;
  erased_at: Instant;
  /** When a connection made after the erasure was heard of: what is dated after the erasure counts again. */
  lifted_at: OptionalInstant;
}

/** Every key that a worker has sealed with. */
export interface PayloadKeysTable extends Stamped {
  key_id: string;
}

export interface Tables {
  webhook_events: WebhookEventsTable;
  intake_batches: IntakeBatchesTable;
  entities: EntitiesTable;
  accounts: AccountsTable;
  balances: BalancesTable;
  transactions: TransactionsTable;
  transaction_versions: TransactionVersionsTable;
  sync_runs: SyncRunsTable;
  sync_steps: SyncStepsTable;
  pending_results: PendingResultsTable;
  changes: ChangesTable;
  change_feed_state: ChangeFeedStateTable;
  installation: InstallationTable;
  erasures: ErasuresTable;
  payload_keys: PayloadKeysTable;
}
