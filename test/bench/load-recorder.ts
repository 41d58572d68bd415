// What a load generator remembers of its deliveries: how long each took, in the measured time only.
import { createHistogram } from 'node:perf_hooks';
import type { SentLoadReport } from './load-messages.ts';

const nanosecondsPerMs = 1_000_000;
/** Of a histogram's value; a tenth of a per cent. */
const figures = 3;
const longestMs = 600_000;

export interface LoadRecorder {
  answer(taken: { readonly sinceMs: number; readonly nowMs: number; readonly status: number }): void;
  /** Never answered. */
  unanswered(afterMs: number): void;
  broken(error: Error): void;
  report(window: { readonly seconds: number }): SentLoadReport;
}

/** `counts`: whether a delivery that left, or was due, and was answered at those times is of the measured time. */
export function createLoadRecorder(
  counts: (taken: { sinceMs: number; nowMs: number }) => boolean,
): LoadRecorder {
  const latency = createHistogram({ lowest: 1, highest: longestMs * nanosecondsPerMs, figures });
  const statuses: Record<string, number> = {};
  let [answered, unanswered, broken] = [0, 0, 0];
  let lastError: string | null = null;
  const record = (ms: number): void => latency.record(Math.max(1, Math.round(ms * nanosecondsPerMs)));
  /** Null of nothing: a zero would be the best there is. */
  const percentileMs = (percent: number): number | null =>
    latency.count === 0 ? null : latency.percentile(percent) / nanosecondsPerMs;
  return {
    answer({ sinceMs, nowMs, status }) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (!counts({ sinceMs, nowMs })) return;
      answered += 1;
      record(nowMs - sinceMs);
    },
    unanswered(afterMs) {
      unanswered += 1;
      record(afterMs);
    },
    broken(error) {
      broken += 1;
      lastError = error.message;
    },
    report: ({ seconds }) => ({
      answered,
      seconds,
      p50Ms: percentileMs(50),
      p99Ms: percentileMs(99),
      p999Ms: percentileMs(99.9),
      maxMs: percentileMs(100),
      statuses,
      unanswered,
      broken,
      lastError,
    }),
  };
}
