// The one line and the counters of every job attempt. A handler says what came of the attempt; this writes it down.
import type { FailureCode } from '../core/failure-codes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { JobHandler, JobVerdict, RunnerJob } from '../queue/job-processor.ts';
import type { QueueName } from '../queue/queue-names.ts';

export interface JobReport {
  readonly verdict: JobVerdict;
  /** One of our own words or codes; a failure code decides how loud the line is. */
  readonly outcome: string;
  readonly eventType?: string | null;
  readonly operation?: string;
  readonly deliveries?: number;
  readonly events?: number;
  /** Deliveries that were read although something about them is odd. */
  readonly warned?: number;
  /** Anything thrown on the way that did not change the verdict. */
  readonly error?: unknown;
}

export type ReportingHandler<Name extends QueueName> = (
  job: RunnerJob<Name>,
  signal: AbortSignal,
) => Promise<JobReport>;

interface ReportOptions<Name extends QueueName> {
  readonly queueName: Name;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'jobs' | 'jobSeconds' | 'rateLimitWaitSeconds'>;
  readonly handle: ReportingHandler<Name>;
}

/** A throw is written as `failed`, with a code, and thrown on: the queue spends an attempt on it. */
export function reportJobs<Name extends QueueName>(options: ReportOptions<Name>): JobHandler<Name> {
  const { queueName, logger, metrics, handle } = options;
  return async (job, signal) => {
    const startedAt = performance.now();
    const write = (report: Omit<JobReport, 'verdict'>, failureCode?: FailureCode) => {
      const durationMs = Math.round(performance.now() - startedAt);
      const { outcome, eventType, operation, deliveries, events, warned, error } = report;
      const labels = { queue: queueName, outcome, ...(operation !== undefined && { operation }) };
      metrics.jobs.inc(labels);
      metrics.jobSeconds.observe(labels, durationMs / 1000);
      logger.write('job', {
        queue: queueName,
        job_id: job.id,
        attempt: job.attempt,
        outcome,
        duration_ms: durationMs,
        event_type: eventType ?? undefined,
        operation,
        deliveries,
        events,
        warned,
        failure_code: failureCode,
        error,
      });
    };
    try {
      const report = await handle(job, signal);
      write(report);
      const { verdict } = report;
      if (verdict.kind === 'paused') metrics.rateLimitWaitSeconds.observe(verdict.delayMs / 1000);
      return verdict;
    } catch (error) {
      if (signal.aborted) write({ outcome: 'aborted', error });
      else write({ outcome: 'failed', error }, 'JOB_ATTEMPT_FAILED');
      throw error;
    }
  };
}
