// Lines about the queues themselves, of all runners of a worker together: one when Redis is lost and one when it is back.
// Never a line per failed try, and none about attempts, which have lines of their own.
import type { Logger } from '../observability/logger.ts';
import type { RunnerEvent } from '../queue/job-runner.ts';
import { queueFailureReason } from '../queue/queue-failures.ts';
import type { QueueName } from '../queue/queue-names.ts';

export type QueueReport = (queue: QueueName) => (event: RunnerEvent) => void;

/** Between two lines about what is no outage: the driver's errors come as often as it tries. */
const errorEveryMs = 60_000;

export function createQueueReport({ logger }: { logger: Logger }): QueueReport {
  /** The queues whose runner has no Redis. */
  const lost = new Set<QueueName>();
  const erredAtMs = new Map<QueueName, number>();
  let outageMs = 0;

  function lose(queue: QueueName, error: unknown): void {
    if (lost.size === 0) {
      outageMs = 0;
      logger.write('queue_state', { queue: 'redis', outcome: 'lost', error });
    }
    lost.add(queue);
  }

  function regain(queue: QueueName, itsOutageMs: number): void {
    lost.delete(queue);
    outageMs = Math.max(outageMs, itsOutageMs);
    if (lost.size === 0)
      logger.write('queue_state', { queue: 'redis', outcome: 'back', duration_ms: outageMs });
  }

  /** What belongs to an outage has its line. */
  function err(queue: QueueName, error: Error): void {
    if (lost.has(queue) || queueFailureReason(error) !== 'other') return;
    const nowMs = performance.now();
    if (nowMs - (erredAtMs.get(queue) ?? Number.NEGATIVE_INFINITY) < errorEveryMs) return;
    erredAtMs.set(queue, nowMs);
    logger.write('queue_state', { queue, outcome: 'error', error });
  }

  return (queue) => (event) => {
    switch (event.kind) {
      case 'lost':
        return lose(queue, event.error);
      case 'back':
        return regain(queue, event.outageMs);
      case 'error':
        return err(queue, event.error);
      case 'stalled':
        return logger.write('queue_state', { queue, outcome: 'stalled' });
      case 'restarted':
        return logger.write('queue_state', {
          queue,
          outcome: 'restarted',
          duration_ms: Math.round(event.silentMs),
        });
      case 'attempt_failed':
        return;
    }
  };
}
