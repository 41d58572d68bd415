// The one line and the counters of every call to Lean. Never a body or an id of Lean's customer.
import type { CallFacts } from '../lean/lean-reply.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';

export interface LeanCallDeps {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'leanCalls' | 'leanCallSeconds'>;
}

interface LeanCall {
  readonly facts: CallFacts;
  /** `ok`, `pending`, or the code of what went wrong. */
  readonly outcome: string;
  readonly attempt?: number;
  readonly syncId?: string;
  readonly retryAfterMs?: number | undefined;
}

export function reportLeanCall({ logger, metrics }: LeanCallDeps, call: LeanCall): void {
  const { facts, outcome, attempt, syncId, retryAfterMs } = call;
  const { operation, httpStatus, durationMs, correlationId, traceId } = facts;
  metrics.leanCalls.inc({ operation, outcome });
  metrics.leanCallSeconds.observe({ operation, outcome }, durationMs / 1000);
  logger.write('lean_call', {
    operation,
    outcome,
    http_status: httpStatus ?? undefined,
    attempt,
    sync_id: syncId,
    duration_ms: Math.round(durationMs),
    correlation_id: correlationId ?? undefined,
    trace_id: traceId ?? undefined,
    retry_after_ms: retryAfterMs,
  });
}
