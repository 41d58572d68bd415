// The one place that decides whether and when something is tried again. Decisions only: nothing waits here.
// Every delay is bounded; attempts are bounded except while our own Redis or Postgres is away.

interface Schedule {
  /** Lower bound of every delay. */
  readonly floorMs: number;
  /** Width of the random part after the first attempt; it doubles with each further one. */
  readonly firstMs: number;
  /** Upper bound of the random part. */
  readonly capMs: number;
  /** Attempts in all, the first included; null = for as long as it takes. */
  readonly attempts: number | null;
}

const second = 1000;
const minute = 60 * second;

/** Lean may ask for more; a longer pause would look like a stopped service. */
const retryAfterLimitMs = 15 * minute;

const schedules = {
  /** Connection refused, reset, TLS failure, DNS. */
  lean_network: { floorMs: 200, firstMs: 2 * second, capMs: 5 * minute, attempts: 12 },
  /** No answer in time; the bank behind Lean may be slow. */
  lean_timeout: { floorMs: second, firstMs: 5 * second, capMs: 5 * minute, attempts: 10 },
  /** 5xx, or a reply that cannot be read. */
  lean_server: { floorMs: 500, firstMs: 5 * second, capMs: 10 * minute, attempts: 10 },
  /** 429 without `Retry-After`; with one, that decides. Many attempts: the limit is ours, the data is still wanted. */
  lean_rate_limit: { floorMs: second, firstMs: 10 * second, capMs: 2 * minute, attempts: 40 },
  /** Lean is already at it ("wait about 1 minute", its error reference). */
  lean_duplicate: { floorMs: 45 * second, firstMs: 30 * second, capMs: 30 * second, attempts: 15 },
  /** The bank is in trouble or closed to Lean; hours, not seconds. */
  lean_bank_issue: { floorMs: 30 * second, firstMs: 2 * minute, capMs: 60 * minute, attempts: 12 },
  /** Results that Lean has promised and not yet made. */
  lean_results_pending: { floorMs: 5 * second, firstMs: 15 * second, capMs: 5 * minute, attempts: 30 },
  /** Our own Redis or Postgres cannot be reached. */
  engine_away: { floorMs: 200, firstMs: second, capMs: 29 * second, attempts: null },
  /** A handler threw something nobody expected: a bug or a poison event. */
  event_surprise: { floorMs: 500, firstMs: 2 * second, capMs: 5 * minute, attempts: 8 },
} as const satisfies Record<string, Schedule>;

export type RetryClass = keyof typeof schedules;

export interface RetryQuestion {
  readonly retryClass: RetryClass;
  /** How often it has been tried, at least 1. */
  readonly attempt: number;
  /** From 0 up to, not including, 1; the caller draws it. */
  readonly random: number;
  /** What the other side asked for, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'give_up' };

/** Full jitter over an exponential bound. `retryAfterMs` replaces the bound and is spread by up to a tenth. */
export function decideRetry({ retryClass, attempt, random, retryAfterMs }: RetryQuestion): RetryDecision {
  const schedule: Schedule = schedules[retryClass];
  if (schedule.attempts !== null && attempt >= schedule.attempts) return { kind: 'give_up' };
  if (retryAfterMs !== undefined) {
    const asked = Math.min(Math.max(retryAfterMs, schedule.floorMs), retryAfterLimitMs);
    return { kind: 'retry', delayMs: Math.min(Math.round(asked * (1 + random / 10)), retryAfterLimitMs) };
  }
  // The exponent is bounded too: 2 ** 1024 is Infinity, and an engine may be away for that long.
  const width = Math.min(schedule.capMs, schedule.firstMs * 2 ** Math.min(attempt - 1, 30));
  return { kind: 'retry', delayMs: Math.round(schedule.floorMs + random * width) };
}

/** Attempts in all for a class, null = unbounded; for queue options and documentation. */
export function attemptLimit(retryClass: RetryClass): number | null {
  return schedules[retryClass].attempts;
}
