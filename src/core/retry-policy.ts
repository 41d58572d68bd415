// The one place that decides whether and when something is tried again. Decisions only: nothing waits here.
// Every delay is bounded; attempts are bounded except while our own Redis or Postgres is away.

export interface RetrySchedule {
  /** Lower bound of every delay. */
  readonly floorMs: number;
  /** Width of the random part after the first attempt; it doubles with each further one. */
  readonly firstMs: number;
  /** Upper bound of the random part. */
  readonly capMs: number;
  /** Attempts in all, the first included, before it may be given up; null = for as long as it takes. */
  readonly attempts: number | null;
  /** And how long it is tried at the least, whatever the number of attempts. */
  readonly lastsMs: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Lean may ask for more; a longer pause would look like a stopped service. */
const retryAfterLimitMs = 15 * minute;

const schedules = {
  /** Connection refused, reset, TLS failure, DNS. */
  lean_network: { floorMs: 200, firstMs: 2 * second, capMs: 10 * minute, attempts: 12, lastsMs: day },
  /** No answer in time; the bank behind Lean may be slow. */
  lean_timeout: { floorMs: second, firstMs: 5 * second, capMs: 10 * minute, attempts: 10, lastsMs: day },
  /** 5xx, or a reply that cannot be read. */
  lean_server: { floorMs: 500, firstMs: 5 * second, capMs: 10 * minute, attempts: 10, lastsMs: day },
  /** 429 without `Retry-After`; with one, that decides. Many attempts: the limit is ours, the data is still wanted. */
  lean_rate_limit: { floorMs: second, firstMs: 10 * second, capMs: 2 * minute, attempts: 40, lastsMs: day },
  /** Lean is already at it ("wait about 1 minute", its error reference). */
  lean_duplicate: {
    floorMs: 45 * second,
    firstMs: 30 * second,
    capMs: 30 * second,
    attempts: 15,
    lastsMs: 6 * hour,
  },
  /** The bank is in trouble or closed to Lean; hours, not seconds. */
  lean_bank_issue: { floorMs: 30 * second, firstMs: 2 * minute, capMs: hour, attempts: 12, lastsMs: day },
  /** Our own set-up is refused (certificate, token, access): an operator has to act, and then all goes on by itself. */
  lean_refusal: { floorMs: 5 * minute, firstMs: 10 * minute, capMs: 55 * minute, attempts: 12, lastsMs: day },
  /** Results that Lean has promised and not yet made. Meanwhile the entity's next refresh has to wait. */
  lean_results_pending: {
    floorMs: 5 * second,
    firstMs: 15 * second,
    capMs: 5 * minute,
    attempts: 30,
    lastsMs: hour,
  },
  /** Our own Redis or Postgres cannot be reached. */
  engine_away: { floorMs: 200, firstMs: second, capMs: 29 * second, attempts: null, lastsMs: 0 },
  /** A handler threw something nobody expected: a bug or a poison event. */
  event_surprise: { floorMs: 500, firstMs: 2 * second, capMs: 5 * minute, attempts: 8, lastsMs: 0 },
} as const satisfies Record<string, RetrySchedule>;

export type RetryClass = keyof typeof schedules;

/** For what people read. */
export const retrySchedules: Readonly<Record<RetryClass, RetrySchedule>> = schedules;

export interface RetryQuestion {
  readonly retryClass: RetryClass;
  /** How often it has been tried, at least 1. */
  readonly attempt: number;
  /** How long it has been tried, milliseconds; 0 when left out, and nothing of Lean's is then given up. */
  readonly triedForMs?: number | undefined;
  /** From 0 up to, not including, 1; the caller draws it. */
  readonly random: number;
  /** What the other side asked for, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'give_up' };

/**
 * Full jitter over an exponential bound. `retryAfterMs` replaces the bound and is spread by up to a tenth. Given up is
 * what has had both its attempts and its time: neither a burst of failures of several kinds nor a day on which nobody
 * could try ends it early.
 */
export function decideRetry(question: RetryQuestion): RetryDecision {
  const { retryClass, attempt, triedForMs = 0, random, retryAfterMs } = question;
  const schedule: RetrySchedule = schedules[retryClass];
  if (schedule.attempts !== null && attempt >= schedule.attempts && triedForMs >= schedule.lastsMs) {
    return { kind: 'give_up' };
  }
  if (retryAfterMs !== undefined) {
    const asked = Math.min(Math.max(retryAfterMs, schedule.floorMs), retryAfterLimitMs);
    return { kind: 'retry', delayMs: Math.min(Math.round(asked * (1 + random / 10)), retryAfterLimitMs) };
  }
  // The exponent is bounded too: 2 ** 1024 is Infinity, and an engine may be away for that long.
  const width = Math.min(schedule.capMs, schedule.firstMs * 2 ** Math.min(attempt - 1, 30));
  return { kind: 'retry', delayMs: Math.round(schedule.floorMs + random * width) };
}
