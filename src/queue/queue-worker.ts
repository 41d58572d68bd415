// One BullMQ Worker with connections that can be watched and cut. Limits that BullMQ leaves to its defaults
// are set here, each with its reason.
import { RedisConnection, Worker, type Job, type Processor } from 'bullmq';
import { endsWithin } from '../core/deadline.ts';
import { watchAnswers, watchQuestions } from './answer-watch.ts';
import { openConsumerConnection, type RedisClient } from './connections.ts';
import type { QueueName } from './queue-names.ts';

export interface QueueWorkerOptions {
  readonly queueName: QueueName;
  readonly url: string;
  readonly prefix: string;
  /** Jobs at a time. */
  readonly concurrency: number;
  /** Jobs started per second by all workers of the queue together; undefined or 0 = no limit. */
  readonly rateLimitPerSecond?: number | undefined;
  readonly process: Processor;
  readonly onError: (error: Error) => void;
  readonly onStalled: (jobId: string) => void;
  /** In the place of Redis's own; for tests. */
  readonly openConnection?: OpenConnection | undefined;
}

export type OpenConnection = (url: string) => RedisClient;

export interface QueueWorker {
  /** How long the connection that waits for jobs has owed an answer, milliseconds. */
  silentMs(): number;
  /** How long it has asked for no job though it could take one, milliseconds. */
  unaskedMs(): number;
  /** Stops all workers of this queue from starting jobs for `delayMs`; a longer pause in force stays. */
  pauseAll(delayMs: number): Promise<void>;
  /** Waits for the jobs in hand, at most `deadlineMs`; then cuts the connections whatever is left. */
  close(deadlineMs: number): Promise<void>;
  /** Cuts the connections at once; a close under way then ends as well. */
  cut(): void;
}

// Read only where the version check is skipped. Without it BullMQ takes the server for a 5.0 and wakes up for
// delayed jobs to the second; with its version check a refused INFO leaves the worker spinning for good.
RedisConnection.minimumVersion = RedisConnection.recommendedMinimumVersion;

/**
 * A job whose worker died, or whose way to the worker broke, is free again after these two: 20 s, half of what BullMQ
 * takes by default. A worker that is merely slow may then meet a twin, which changes nothing: handlers commit once.
 */
const lockDurationMs = 15_000;
const stalledCheckMs = 5_000;
/** A worker killed over and over must not fail a job: only attempts do. */
const stalledLimit = 1_000;
/** BullMQ obeys a manual pause only where a limiter is set; this one never binds by itself. */
const unlimitedPerSecond = 1_000_000;
/** BullMQ asks again at once after a refusal (read-only, out of memory); this is the pause it lacks. */
const calmAfterErrorMs = 1_000;
const backoffBaseMs = 500;
const backoffLimitMs = 60_000;

/** The limiter's value while a pause is in force; BullMQ counts up to the limit, so no count ever reaches it by itself. */
const pausedValue = String(Number.MAX_SAFE_INTEGER);
const pauseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

export function openQueueWorker(options: QueueWorkerOptions): QueueWorker {
  const { openConnection = openConsumerConnection } = options;
  const main = openConnection(options.url);
  const blocking = openConnection(options.url);
  // Both: on one it waits for jobs, on the other it takes them, and either may die alone.
  const watches = [watchAnswers(main), watchAnswers(blocking)];
  const { process, areFull } = countSlots(options);
  const worker = new Worker(options.queueName, process, {
    // BullMQ waits for jobs on a duplicate of what it is given: handing ours over lets us watch and cut it.
    connection: Object.assign(main, { duplicate: () => blocking }),
    prefix: options.prefix,
    concurrency: options.concurrency,
    skipVersionCheck: true,
    lockDuration: lockDurationMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount: stalledLimit,
    runRetryDelay: calmAfterErrorMs,
    limiter: { max: options.rateLimitPerSecond || unlimitedPerSecond, duration: 1_000 },
    settings: { backoffStrategy },
  });
  // It waits for the marker, and takes from the list, also as it finishes a job.
  const asked: ReadonlySet<unknown> = new Set([worker.toKey('marker'), worker.toKey('wait')]);
  const questions = watchQuestions({
    clients: [main, blocking],
    isQuestion: (command) => asked.has(command.getKeys()[0]),
    isFull: areFull,
  });
  const calm = calmAfterErrors(worker);
  worker.on('error', (error) => {
    options.onError(error);
    calm.pause();
  });
  worker.on('stalled', options.onStalled);

  function cut(): void {
    main.disconnect();
    blocking.disconnect();
  }

  return {
    silentMs: () => Math.max(...watches.map((watch) => watch.silentMs())),
    unaskedMs: () => questions.unaskedMs(),
    async pauseAll(delayMs) {
      await main.eval(pauseScript, 1, worker.toKey('limiter'), pausedValue, Math.max(1, Math.round(delayMs)));
    },
    async close(deadlineMs) {
      calm.close();
      await endsWithin(worker.close(), deadlineMs);
      cut();
    },
    cut,
  };
}

/** This worker's own: one that was exchanged may still hold jobs. */
function countSlots({ process, concurrency }: Pick<QueueWorkerOptions, 'process' | 'concurrency'>) {
  let held = 0;
  return {
    areFull: () => held >= concurrency,
    process: async (job: Job, token?: string): Promise<unknown> => {
      held += 1;
      try {
        return await process(job, token);
      } finally {
        held -= 1;
      }
    },
  };
}

/** Exponential with jitter: between half of the step and the whole of it. */
function backoffStrategy(attemptsMade: number): number {
  const stepMs = Math.min(backoffBaseMs * 2 ** (attemptsMade - 1), backoffLimitMs);
  return Math.round(stepMs / 2 + (Math.random() * stepMs) / 2);
}

function calmAfterErrors(worker: Worker) {
  let timer: NodeJS.Timeout | undefined;
  return {
    pause() {
      if (timer !== undefined || worker.closing !== undefined) return;
      void worker.pause(true);
      timer = setTimeout(() => {
        timer = undefined;
        void worker.resume();
      }, calmAfterErrorMs);
    },
    close() {
      clearTimeout(timer);
    },
  };
}
