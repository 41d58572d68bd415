// Numbers committed changes for the application, all the time, in one worker at a time. Changes wait unnumbered
// while no worker runs; none is ever skipped.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { publishChanges } from '../store/change-store.ts';
import type { Database } from '../store/database.ts';
import { startTimer, type RepeatingTimer } from './repeating-timer.ts';

interface PublisherOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'changesPublished'>;
  /** Pause between two looks; 200 when left out. */
  readonly intervalMs?: number;
  /** Changes per transaction; 1,000 when left out. */
  readonly limit?: number;
}

const defaultIntervalMs = 200;
const defaultLimit = 1_000;
const silentAfterErrorMs = 30_000;

export function startChangePublisher({
  database,
  logger,
  metrics,
  intervalMs = defaultIntervalMs,
  limit = defaultLimit,
}: PublisherOptions): RepeatingTimer {
  let silentUntil = 0;
  return startTimer({
    intervalMs,
    async run() {
      const startedAt = performance.now();
      const changes = await publishChanges(database, { limit });
      if (changes === 0) return 'rest';
      metrics.changesPublished.inc(changes);
      const durationMs = Math.round(performance.now() - startedAt);
      logger.write('publish', { outcome: 'published', changes, duration_ms: durationMs });
      return changes === limit ? 'again' : 'rest';
    },
    onError(error) {
      // Five lines a second while Postgres is away would bury everything else.
      if (performance.now() < silentUntil) return;
      silentUntil = performance.now() + silentAfterErrorMs;
      logger.write('publish', { outcome: 'failed', error });
    },
  });
}
