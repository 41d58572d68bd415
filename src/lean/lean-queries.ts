// What each call to Lean is asked with. Ids are any text here; the client refuses those that do not fit into a URL.
import type { CallOptions } from './lean-caller.ts';

export interface EntityOnlyQuery extends CallOptions {
  readonly entityId: string;
}

export interface EntityListQuery extends EntityOnlyQuery {
  /** From 0. */
  readonly page: number;
}

export interface AccountListQuery extends EntityListQuery {
  readonly accountId: string;
}

export interface TransactionsQuery extends AccountListQuery {
  /** Days `YYYY-MM-DD` in UTC. */
  readonly startDate?: string | undefined;
  readonly endDate?: string | undefined;
}

export interface IdentityQuery extends EntityOnlyQuery {
  /** From 0; the first page when left out. */
  readonly page?: number | undefined;
}

export interface CustomerQuery extends CallOptions {
  readonly customerId: string;
}

export interface EntityQuery extends CustomerQuery {
  readonly entityId: string;
}

export interface ResultsQuery extends CallOptions {
  readonly resultsId: string;
}

export interface RefreshQuery extends EntityOnlyQuery {
  readonly refreshId: string;
}

export interface DatesQuery extends CallOptions {
  /** Days `YYYY-MM-DD` in UTC. */
  readonly from: string;
  readonly to: string;
  /** From 0. */
  readonly page: number;
}

export interface EventsQuery extends CallOptions {
  /** ISO 8601 in UTC; Lean goes back 90 days when left out. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** One type only. */
  readonly type?: string | undefined;
  /** From 0. */
  readonly page: number;
}
