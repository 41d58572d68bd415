// Keeps the gauges of the queues in Redis, in every worker alike. Never throws: the queue's own check says when Redis is
// away, and the gauges keep their last values meanwhile.
import type { Metrics } from '../observability/metrics.ts';
import { openQueueMeasure } from '../queue/queue-depth.ts';
import { startTimer } from './repeating-timer.ts';

export interface QueueGaugesOptions {
  readonly url: string;
  readonly prefix: string;
  readonly metrics: Pick<Metrics, 'queueJobs' | 'queueOldestAgeSeconds' | 'redisEvicts'>;
  /** Between two looks, varied by a fifth; 15,000 when left out. */
  readonly intervalMs?: number;
}

const defaultIntervalMs = 15_000;

export function startQueueGauges({
  url,
  prefix,
  metrics,
  intervalMs = defaultIntervalMs,
}: QueueGaugesOptions): { close(): Promise<void> } {
  const measure = openQueueMeasure({ url, prefix });
  const timer = startTimer({
    intervalMs,
    jitter: 0.2,
    async run() {
      const { queues, evicts } = await measure.measure();
      for (const { queueName: queue, oldestSeconds, ...states } of queues) {
        metrics.queueOldestAgeSeconds.set({ queue }, oldestSeconds);
        for (const [state, jobs] of Object.entries(states)) metrics.queueJobs.set({ queue, state }, jobs);
      }
      if (evicts !== null) metrics.redisEvicts.set(evicts ? 1 : 0);
      return 'rest';
    },
    onError: () => undefined,
  });
  return {
    async close() {
      await timer.close();
      await measure.close();
    },
  };
}
