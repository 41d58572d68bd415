// How long a job steps back while Postgres or Redis is away: longer the longer it lasts, never more than 30 s, and
// at once again when the first job gets through.
import { AppError } from '../core/app-error.ts';
import { decideRetry } from '../core/retry-policy.ts';
import { databaseFailure } from '../store/database-failures.ts';

export interface StepBack {
  /** How long to wait, when this error means that an engine is away; else null: then an attempt is spent. */
  delayFor(error: unknown): EngineAway | null;
  /** An engine answered. */
  answered(): void;
}

export interface EngineAway {
  readonly code: 'DATABASE_AWAY' | 'QUEUE_UNAVAILABLE';
  readonly delayMs: number;
}

interface StepBackOptions {
  /** What the database check says. A statement that ran out of time counts as away only while it says so. */
  readonly databaseIsAway: () => boolean;
  /** From 0 up to, not including, 1. */
  readonly random?: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

/**
 * One per process. The delay grows with the time an engine has been away and not with the number of jobs that meet
 * it: a short outage must not send a busy worker away for long.
 */
export function createStepBack({
  databaseIsAway,
  random = Math.random,
  nowMs = () => performance.now(),
}: StepBackOptions): StepBack {
  let awaySinceMs: number | null = null;
  return {
    delayFor(error) {
      const code = codeOf(error, databaseIsAway);
      if (code === null) return null;
      awaySinceMs ??= nowMs();
      const awaySeconds = (nowMs() - awaySinceMs) / 1000;
      const attempt = 1 + Math.floor(Math.log2(1 + awaySeconds));
      const decision = decideRetry({ retryClass: 'engine_away', attempt, random: random() });
      return decision.kind === 'retry' ? { code, delayMs: decision.delayMs } : null;
    },
    answered() {
      awaySinceMs = null;
    },
  };
}

function codeOf(error: unknown, databaseIsAway: () => boolean): EngineAway['code'] | null {
  if (error instanceof AppError && error.code === 'QUEUE_UNAVAILABLE') return 'QUEUE_UNAVAILABLE';
  const failure = databaseFailure(error);
  const isAway = failure === 'away' || (failure === 'slow' && databaseIsAway());
  return isAway ? 'DATABASE_AWAY' : null;
}
