// The tables by which syncs, sweeps and wishes of the application go on after any interruption, as kysely sees them.
import type { ColumnType, Generated } from 'kysely';
import type { StepKind } from './sync-priority.ts';
import type { OptionalInstant, OptionalJson, Stamped } from './table-columns.ts';

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
  identities: Generated<number>;
  beneficiaries: Generated<number>;
  direct_debits: Generated<number>;
  standing_orders: Generated<number>;
  scheduled_payments: Generated<number>;
  failure_code: string | null;
}

export interface SyncStepsTable extends Stamped {
  sync_id: string;
  step_key: string;
  kind: ColumnType<StepKind, string, string>;
  account_id: string | null;
  page: number;
  /** A list starts over, under the next pass, when it changed between two pages. */
  pass: Generated<number>;
  /** The list's `refreshed_at` as its first page gave it, on that page's step once it is done: all pages must agree. */
  expected_refreshed_at: string | null;
  /** Of transactions: the first day asked for where the sync named none; null: from the beginning. */
  list_from: string | null;
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

export interface SweepProgressTable extends Stamped {
  sweep: string;
  /** The stretch that is being read, and the page reached in it; null between two rounds. */
  window_from: OptionalInstant;
  window_to: OptionalInstant;
  page: number;
  /** Everything before this has been read. */
  covered_until: OptionalInstant;
  due_at: ColumnType<Date, string | undefined, unknown>;
  started_at: OptionalInstant;
  finished_at: OptionalInstant;
  calls: Generated<bigint>;
  /** What only a sweep has found, ever. */
  found: Generated<bigint>;
  failures_in_a_row: Generated<number>;
  failure_code: string | null;
  /** Raised with every step, so that a stalled twin writes nothing. */
  revision: Generated<bigint>;
}

export interface RequestsTable extends Stamped {
  request_id: Generated<string>;
  kind: ColumnType<'refresh' | 'sync' | 'erase' | 'entity_removed', string, string>;
  entity_id: string | null;
  customer_id: string | null;
  state: ColumnType<'waiting' | 'running' | 'done' | 'failed', string | undefined, string>;
  /** Only of `sync`. */
  full_history: ColumnType<boolean, boolean | undefined, boolean>;
  /** Lean's, once it has started the refresh. */
  refresh_id: string | null;
  due_at: ColumnType<Date, string | undefined, unknown>;
  attempts: Generated<number>;
  /** When Lean was last asked. */
  asked_at: OptionalInstant;
  /** Of a refresh: how often Lean was asked, and since when. */
  calls: Generated<number>;
  first_asked_at: OptionalInstant;
  concluded_at: OptionalInstant;
  failure_code: string | null;
}
