// Keeps the gauges of what waits and of what stands in quarantine. In every worker: the numbers are the same in all of
// them, so an alert takes their maximum and does not depend on which worker happens to live. Never throws.
import type { Metrics } from '../observability/metrics.ts';
import { measureBacklog } from '../store/backlog-store.ts';
import type { Database } from '../store/database.ts';
import { measureUpkeep } from '../store/upkeep-store.ts';
import { startTimer, type RepeatingTimer } from './repeating-timer.ts';

export interface BacklogGaugesOptions {
  readonly database: Database;
  readonly metrics: Pick<Metrics, 'quarantineEvents' | 'openEvents' | 'oldestOpenEventSeconds'> &
    UpkeepGauges;
  /** Between two looks, varied by a fifth; 15,000 when left out. */
  readonly intervalMs?: number;
}

type UpkeepGauges = Pick<
  Metrics,
  | 'oldestDueStepSeconds'
  | 'oldestSyncSeconds'
  | 'actionRequired'
  | 'oldestUnpublishedSeconds'
  | 'sweepFailures'
  | 'sweepFinishedSeconds'
>;

const defaultIntervalMs = 15_000;
/** As the help texts of the gauges say. */
const countLimit = 10_000;

export function startBacklogGauges({
  database,
  metrics,
  intervalMs = defaultIntervalMs,
}: BacklogGaugesOptions): RepeatingTimer {
  return startTimer({
    intervalMs,
    jitter: 0.2,
    async run() {
      const { oldestOpenSeconds, open, quarantined, failed } = await measureBacklog(database, {
        limit: countLimit,
      });
      metrics.oldestOpenEventSeconds.set(oldestOpenSeconds);
      metrics.openEvents.set(open);
      metrics.quarantineEvents.set({ state: 'quarantined' }, quarantined);
      metrics.quarantineEvents.set({ state: 'failed' }, failed);
      await showUpkeep(database, metrics);
      return 'rest';
    },
    // The database check has the line for it; the gauges keep their last values meanwhile.
    onError: () => undefined,
  });
}

async function showUpkeep(database: Database, metrics: UpkeepGauges): Promise<void> {
  const upkeep = await measureUpkeep(database, { limit: countLimit });
  metrics.oldestDueStepSeconds.set(upkeep.oldestDueStepSeconds);
  metrics.oldestSyncSeconds.set(upkeep.oldestSyncSeconds);
  metrics.actionRequired.set(upkeep.actionRequired);
  metrics.oldestUnpublishedSeconds.set(upkeep.oldestUnpublishedSeconds);
  for (const { sweep, failuresInARow, finishedSeconds } of upkeep.sweeps) {
    metrics.sweepFailures.set({ sweep }, failuresInARow);
    if (finishedSeconds !== null) metrics.sweepFinishedSeconds.set({ sweep }, finishedSeconds);
  }
}
