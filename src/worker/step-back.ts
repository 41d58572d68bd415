// How long a job steps back while Postgres or Redis is away: longer the longer it lasts, never more than 30 s, and
// at once again when the first job gets through.
import { AppError } from '../core/app-error.ts';
import { decideRetry } from '../core/retry-policy.ts';
import { databaseFailure } from '../store/database-failures.ts';

export interface StepBack {
  /** How long to wait, when this error means that an engine is away; else null. */
  delayFor(error: unknown): EngineAway | null;
  /** An engine answered. */
  answered(): void;
}

export interface EngineAway {
  readonly code: 'DATABASE_AWAY' | 'QUEUE_UNAVAILABLE';
  readonly delayMs: number;
}

interface StepBackOptions {
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
  random = Math.random,
  nowMs = () => performance.now(),
}: StepBackOptions = {}): StepBack {
  let awaySinceMs: number | null = null;
  return {
    delayFor(error) {
      const code = codeOf(error);
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

function codeOf(error: unknown): EngineAway['code'] | null {
  if (error instanceof AppError && error.code === 'QUEUE_UNAVAILABLE') return 'QUEUE_UNAVAILABLE';
  return databaseFailure(error) === 'away' ? 'DATABASE_AWAY' : null;
}
