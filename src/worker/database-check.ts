// Whether Postgres answers, asked from time to time so that readiness need not wait for it.
import type { Logger } from '../observability/logger.ts';
import type { CheckResult } from '../observability/readiness.ts';
import type { Database } from '../store/database.ts';
import { startTimer } from './repeating-timer.ts';

interface DatabaseCheckOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** Between two questions; 5,000 when left out. */
  readonly intervalMs?: number;
}

export interface DatabaseCheck {
  /** What the last question came to; not ok as well when the one under way takes too long. */
  state(): CheckResult;
  close(): Promise<void>;
}

const defaultIntervalMs = 5_000;
const answerLimitMs = 10_000;

export function startDatabaseCheck({
  database,
  logger,
  intervalMs = defaultIntervalMs,
}: DatabaseCheckOptions): DatabaseCheck {
  let away = false;
  let askedAt: number | null = null;
  const timer = startTimer({
    intervalMs,
    async run() {
      askedAt = performance.now();
      await database.db.selectFrom('installation').select('only_row').executeTakeFirst();
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
    close: () => timer.close(),
  };
}
