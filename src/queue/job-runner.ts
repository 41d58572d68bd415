// Runs the jobs of one queue, knows whether it really gets them, and starts over when its connection is dead.
// The rest of the service meets BullMQ's Worker only through this.
import type { AppError } from '../core/app-error.ts';
import { withDeadline } from '../core/deadline.ts';
import { createJobProcessor, type AttemptFailure, type JobHandler } from './job-processor.ts';
import { openQueueProbe } from './queue-probe.ts';
import type { QueueName } from './queue-names.ts';
import { openQueueWorker, type OpenConnection } from './queue-worker.ts';
import { createRenewableWorker, type RenewableWorker } from './renewable-worker.ts';

/** What happens beside the jobs themselves; the caller writes the line or counts it. */
export type RunnerEvent =
  | ({ readonly kind: 'attempt_failed' } & AttemptFailure)
  | { readonly kind: 'stalled'; readonly jobId: string }
  /** Of any of its connections, each time. */
  | { readonly kind: 'error'; readonly error: Error }
  /** Once per outage of Redis, with its code, and once at its end. */
  | { readonly kind: 'lost'; readonly error: AppError }
  | { readonly kind: 'back'; readonly outageMs: number }
  | { readonly kind: 'restarted'; readonly silentMs: number };

export interface JobRunnerOptions<Name extends QueueName> {
  readonly queueName: Name;
  readonly url: string;
  readonly prefix: string;
  /** Jobs at a time in this process. */
  readonly concurrency: number;
  /** Jobs started per second by all workers together; 0 or left out = no limit. */
  readonly rateLimit?: number;
  readonly handle: JobHandler<Name>;
  /** When a job's signal aborts, milliseconds; 60,000 when left out. Held twice as long, the runner is not ok. */
  readonly deadlineMs?: number;
  readonly onEvent?: (event: RunnerEvent) => void;
  /** How long the connection that waits for jobs may be silent, milliseconds; 30,000 when left out. */
  readonly silenceLimitMs?: number;
  /** How long no job may be asked for though one could be taken, milliseconds; 45,000 when left out. */
  readonly unaskedLimitMs?: number;
  /** Pause between two signs of life asked of Redis, milliseconds; 5,000 when left out. */
  readonly probeEveryMs?: number;
  /** In the place of the connections of Redis's own that jobs come through; for tests. */
  readonly openConnection?: OpenConnection;
}

export interface JobRunnerState {
  readonly ok: boolean;
  readonly code?: 'QUEUE_UNAVAILABLE' | 'JOB_STUCK';
}

export interface JobRunner {
  /**
   * From values already known: not ok between `lost` and `back`, also while Redis answers and refuses what is asked of it.
   * An empty, paused, delayed or rate-limited queue is ok.
   */
  state(): JobRunnerState;
  /** Stops all workers of the queue from starting jobs for that long. Throws when Redis does not answer in 2 s. */
  pauseAll(delayMs: number): Promise<void>;
  /** With `handBack` running handlers are aborted and their jobs go back at once; without, they may finish. Bounded. */
  close(options?: { handBack?: boolean; deadlineMs?: number }): Promise<void>;
}

const defaultJobDeadlineMs = 60_000;
const defaultSilenceLimitMs = 30_000;
/** BullMQ asks every 10 s at the latest, 30 s where a limiter holds the queue, and a connection anew may take 10 s. */
const defaultUnaskedLimitMs = 45_000;
const defaultProbeEveryMs = 5_000;
const probeDeadlineMs = 2_000;
const defaultCloseDeadlineMs = 5_000;

/** Throws CONFIG_INVALID. With Redis away it starts all the same and takes jobs when Redis is there. */
export function startJobRunner<Name extends QueueName>(options: JobRunnerOptions<Name>): JobRunner {
  const { onEvent = () => {}, deadlineMs = defaultJobDeadlineMs } = options;
  const handingBack = new AbortController();
  const processor = createJobProcessor({
    queueName: options.queueName,
    handle: options.handle,
    deadlineMs,
    handBack: handingBack.signal,
    pauseAll: (delayMs) => worker.pauseAll(delayMs),
    onAttemptFailed: (failure) => onEvent({ kind: 'attempt_failed', ...failure }),
  });

  const worker = createRenewableWorker(
    () =>
      openQueueWorker({
        queueName: options.queueName,
        url: options.url,
        prefix: options.prefix,
        concurrency: options.concurrency,
        rateLimitPerSecond: options.rateLimit,
        process: processor.process,
        onError: (error) => probe.noticed(error),
        onStalled: (jobId) => onEvent({ kind: 'stalled', jobId }),
        openConnection: options.openConnection,
      }),
    deadlineMs,
  );

  /** Redis answers elsewhere but not here: this worker will not come back by itself. */
  function renewWhenDead(): void {
    const silentMs = deadMs(worker, options);
    if (!probe.answers() || silentMs === 0) return;
    worker.renew();
    onEvent({ kind: 'restarted', silentMs: Math.round(silentMs) });
  }

  const probe = openQueueProbe({
    url: options.url,
    prefix: options.prefix,
    everyMs: options.probeEveryMs ?? defaultProbeEveryMs,
    deadlineMs: probeDeadlineMs,
    onError: (error) => onEvent({ kind: 'error', error }),
    onProbed: renewWhenDead,
    onLost: (error) => onEvent({ kind: 'lost', error }),
    onBack: (outageMs) => onEvent({ kind: 'back', outageMs }),
  });

  return {
    state() {
      if (!probe.answers() || probe.isOutage() || deadMs(worker, options) > 0)
        return { ok: false, code: 'QUEUE_UNAVAILABLE' };
      if (processor.longestHeldMs() > 2 * deadlineMs) return { ok: false, code: 'JOB_STUCK' };
      return { ok: true };
    },
    pauseAll: (delayMs) =>
      withDeadline(worker.pauseAll(delayMs), { deadlineMs: probeDeadlineMs, what: 'pausing the queue' }),
    async close({ handBack = false, deadlineMs: closeDeadlineMs = defaultCloseDeadlineMs } = {}) {
      probe.close();
      const closing = worker.close(closeDeadlineMs);
      if (handBack) handingBack.abort(new Error('the worker is stopping'));
      await closing;
    },
  };
}

type Limits = Pick<JobRunnerOptions<QueueName>, 'silenceLimitMs' | 'unaskedLimitMs'>;

/** For how long it has got no jobs, milliseconds; 0 = it gets them, for all that is known. */
function deadMs(
  worker: Pick<RenewableWorker, 'silentMs' | 'unaskedMs'>,
  { silenceLimitMs = defaultSilenceLimitMs, unaskedLimitMs = defaultUnaskedLimitMs }: Limits,
): number {
  const [silentMs, unaskedMs] = [worker.silentMs(), worker.unaskedMs()];
  if (silentMs > silenceLimitMs) return silentMs;
  return unaskedMs > unaskedLimitMs ? unaskedMs : 0;
}
