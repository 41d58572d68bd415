// The one line and the counter of a run's end, after the commit that ended it.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { withoutEmpty } from '../store/run-counts.ts';
import type { ClosedRun } from '../store/sync-store.ts';

export interface ClosedRunDeps {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'syncs'>;
}

export function reportClosedRun({ logger, metrics }: ClosedRunDeps, run: ClosedRun): void {
  metrics.syncs.inc({ outcome: run.state });
  logger.write('sync', {
    sync_id: run.syncId,
    outcome: run.state,
    reason: run.reason,
    calls: run.calls,
    ...withoutEmpty(run),
    duration_ms: run.durationMs,
    failure_code: run.failureCode ?? undefined,
  });
}
