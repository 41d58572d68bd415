// Lines and figures about the way from the journal to Postgres. Never a line per look that found nothing new.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ForwarderListener } from './forwarder-ports.ts';

export function createForwardReport({
  logger,
  metrics,
}: {
  logger: Logger;
  metrics: Metrics;
}): ForwarderListener {
  return (event) => {
    switch (event.kind) {
      case 'added':
      case 'stored':
        metrics.batches.inc({ outcome: event.kind });
        logger.write('forward', {
          outcome: event.kind,
          job_id: event.jobId,
          deliveries: event.deliveries,
          duration_ms: event.durationMs,
        });
        break;
      case 'lost':
        metrics.batches.inc({ outcome: 'added_again' });
        logger.write('forward', { outcome: 'added_again', job_id: event.jobId });
        break;
      case 'failed':
        metrics.batches.inc({ outcome: 'retried' });
        logger.write('forward', { outcome: 'retried', job_id: event.jobId, failure_code: 'BATCH_FAILED' });
        break;
      case 'retry_refused':
        metrics.batches.inc({ outcome: 'retry_refused' });
        logger.write('forward', {
          outcome: 'retry_refused',
          job_id: event.jobId,
          failure_code: 'BATCH_FAILED',
          error: event.error,
        });
        break;
      case 'add_failed':
        metrics.forwarderFailures.inc({ reason: event.reason });
        break;
      case 'queue_lost':
        logger.write('queue_state', { queue: 'webhook-intake', outcome: 'lost', error: event.error });
        break;
      case 'queue_back':
        logger.write('queue_state', {
          queue: 'webhook-intake',
          outcome: 'back',
          duration_ms: event.outageMs,
        });
        break;
      case 'wrong_installation':
        logger.write('installation', {
          outcome: 'refused',
          installation_id: event.found,
          expected_installation_id: event.expected,
          failure_code: 'WRONG_INSTALLATION',
        });
        break;
      case 'journal_failed':
        logger.write('journal_state', { outcome: 'failed', error: event.error });
        break;
      case 'journal_back':
        logger.write('journal_state', { outcome: 'back', duration_ms: event.outageMs });
        break;
    }
  };
}
