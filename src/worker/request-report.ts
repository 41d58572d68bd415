// The one line and the counter of what becomes of something that the application asked for. Names nobody.
import type { FailureCode } from '../core/failure-codes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';

export interface RequestReportDeps {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'requests'>;
}

export interface RequestFate {
  readonly kind: 'refresh' | 'sync' | 'erase' | 'entity_removed';
  readonly requestId: string;
  readonly outcome: 'picked_up' | 'later' | 'given_back' | 'done' | 'failed';
  readonly failureCode?: FailureCode | null;
  /** That were erased. */
  readonly rows?: number;
  readonly durationMs?: number;
  readonly error?: unknown;
}

export function reportRequest({ logger, metrics }: RequestReportDeps, fate: RequestFate): void {
  const { kind, outcome } = fate;
  metrics.requests.inc({ kind, outcome });
  logger.write('request', {
    kind,
    outcome,
    request_id: fate.requestId,
    rows: fate.rows,
    duration_ms: fate.durationMs === undefined ? undefined : Math.round(fate.durationMs),
    failure_code: fate.failureCode ?? undefined,
    ...(fate.error !== undefined && { error: fate.error }),
  });
}
