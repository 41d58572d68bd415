// Whether Postgres answers, and what time it is there, asked from time to time so that nobody need wait for it.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { CheckResult } from '../observability/readiness.ts';
import type { Database } from '../store/database.ts';
import { readDatabaseTime } from '../store/database-time.ts';
import { startTimer } from './repeating-timer.ts';

interface DatabaseCheckOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'databaseClockAheadSeconds'>;
  /** How far Postgres' clock is ahead of this machine's, until it is asked again. */
  readonly aheadMs: number;
  /** Between two questions; 5,000 when left out. */
  readonly intervalMs?: number;
}

export interface DatabaseCheck {
  /** What the last question came to; not ok as well when the one under way takes too long. */
  state(): CheckResult;
  /** By Postgres' clock as it was last told: what is due is due by that one, whatever this machine's clock says. */
  now(): Date;
  close(): Promise<void>;
}

const defaultIntervalMs = 5_000;
const answerLimitMs = 10_000;
/** Clocks that differ by less are as good as equal. */
const differsFromMs = 10_000;

export function startDatabaseCheck({
  database,
  logger,
  metrics,
  intervalMs = defaultIntervalMs,
  ...options
}: DatabaseCheckOptions): DatabaseCheck {
  let away = false;
  let askedAt: number | null = null;
  let aheadMs = 0;

  function learn(time: number): void {
    const differed = Math.abs(aheadMs) > differsFromMs;
    aheadMs = time;
    metrics.databaseClockAheadSeconds.set(aheadMs / 1000);
    if (differed || Math.abs(aheadMs) <= differsFromMs) return;
    logger.write('database_state', { outcome: 'clock_differs', duration_ms: Math.round(aheadMs) });
  }
  learn(options.aheadMs);

  const timer = startTimer({
    intervalMs,
    async run() {
      askedAt = performance.now();
      const time = await readDatabaseTime(database);
      learn(time.getTime() - Date.now());
      askedAt = null;
      if (away) logger.write('database_state', { outcome: 'back' });
      away = false;
      return 'rest';
    },
    onError(error) {
      askedAt = null;
      if (!away) logger.write('database_state', { outcome: 'away', failure_code: 'DATABASE_AWAY', error });
      away = true;
    },
  });
  return {
    state() {
      const silent = askedAt !== null && performance.now() - askedAt > answerLimitMs;
      return away || silent ? { ok: false, code: 'DATABASE_AWAY' } : { ok: true };
    },
    now: () => new Date(Date.now() + aheadMs),
    close: () => timer.close(),
  };
}
