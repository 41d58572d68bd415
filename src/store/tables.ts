// The tables as kysely sees them, one interface a table; the SQL beside it is `schema-0001.ts` to `schema-0004.ts`.
// Here the tables of events, of the change feed and of operations; the others stand beside it by subject.
import type { ColumnType, Generated } from 'kysely';
import type { Instant, Json, OptionalInstant, Stamped } from './table-columns.ts';
import type {
  BanksTable,
  BeneficiariesTable,
  ConsentsTable,
  DirectDebitsTable,
  IdentitiesTable,
  ScheduledPaymentsTable,
  StandingOrdersTable,
} from './tables-arrangements.ts';
import type {
  AccountsTable,
  BalancesTable,
  EntitiesTable,
  TransactionsTable,
  TransactionVersionsTable,
} from './tables-bank-data.ts';
import type {
  PendingResultsTable,
  RequestsTable,
  SweepProgressTable,
  SyncRunsTable,
  SyncStepsTable,
} from './tables-sync.ts';

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
  forgotten_up_to: Generated<bigint>;
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

/** What an operator changed. */
export interface OperatorLogTable extends Stamped {
  log_id: Generated<bigint>;
  at: Generated<Date>;
  operator: string;
  command: string;
  /** Events, rows or deliveries. */
  affected: number;
  details: Json;
}

/** What an event had come to before an operator replayed or discarded it. */
export interface EventHistoryTable extends Stamped {
  event_key: string;
  /** Of the event at that time. */
  replay_count: number;
  state: string;
  failure_code: string | null;
  tries: number;
  concluded_at: Instant;
  log_id: bigint;
}

export interface Tables {
  webhook_events: WebhookEventsTable;
  intake_batches: IntakeBatchesTable;
  entities: EntitiesTable;
  accounts: AccountsTable;
  balances: BalancesTable;
  transactions: TransactionsTable;
  transaction_versions: TransactionVersionsTable;
  identities: IdentitiesTable;
  beneficiaries: BeneficiariesTable;
  direct_debits: DirectDebitsTable;
  standing_orders: StandingOrdersTable;
  scheduled_payments: ScheduledPaymentsTable;
  consents: ConsentsTable;
  banks: BanksTable;
  sync_runs: SyncRunsTable;
  sync_steps: SyncStepsTable;
  pending_results: PendingResultsTable;
  sweep_progress: SweepProgressTable;
  requests: RequestsTable;
  changes: ChangesTable;
  change_feed_state: ChangeFeedStateTable;
  installation: InstallationTable;
  erasures: ErasuresTable;
  payload_keys: PayloadKeysTable;
  operator_log: OperatorLogTable;
  event_history: EventHistoryTable;
}
