// Turns BullMQ's processor into `handle(job, signal) → verdict`: what a handler decides becomes what BullMQ must be
// told. Nothing of an error but its code reaches Redis, since messages may quote a customer's data.
import { DelayedError, UnrecoverableError, WaitingError, Worker, type Job, type Processor } from 'bullmq';
import { AppError } from '../core/app-error.ts';
import { jobSchemas, type JobDataOf } from './job-schemas.ts';
import type { QueueName } from './queue-names.ts';

export interface RunnerJob<Name extends QueueName> {
  readonly id: string;
  readonly data: JobDataOf<Name>;
  /** 1 for the first; only a throw spends one. */
  readonly attempt: number;
  /** How many there are; a throw in the last one fails the job for good. */
  readonly attempts: number;
}

/** `later` and `paused` spend no attempt; `paused` stops the whole queue, on all workers, and then tries this job first. */
export type JobVerdict =
  | {
      readonly kind: 'done';
      /** Takes the place of the job's data before it completes. */ readonly replaceData?: object;
    }
  | { readonly kind: 'later'; readonly delayMs: number }
  | { readonly kind: 'paused'; readonly delayMs: number };

/** A throw spends an attempt. The signal aborts at the job's deadline and when the worker hands its jobs back. */
export type JobHandler<Name extends QueueName> = (
  job: RunnerJob<Name>,
  signal: AbortSignal,
) => Promise<JobVerdict>;

interface JobProcessorOptions<Name extends QueueName> {
  readonly queueName: Name;
  readonly handle: JobHandler<Name>;
  readonly deadlineMs: number;
  /** Aborts when jobs are to be handed back at once. */
  readonly handBack: AbortSignal;
  readonly pauseAll: (delayMs: number) => Promise<void>;
  readonly onAttemptFailed: (failure: AttemptFailure) => void;
}

export interface AttemptFailure {
  readonly jobId: string;
  readonly attempt: number;
  /** No further attempt follows. */
  readonly final: boolean;
  readonly error: unknown;
}

export interface JobProcessor {
  readonly process: Processor;
  /** How long the job held longest has been held, milliseconds; 0 = none is. */
  longestHeldMs(): number;
}

export function createJobProcessor<Name extends QueueName>(options: JobProcessorOptions<Name>): JobProcessor {
  const { handBack, deadlineMs } = options;
  /** Since when each is held, by what aborts it; the oldest first. */
  const held = new Map<AbortController, number>();
  handBack.addEventListener('abort', () => {
    for (const aborter of held.keys()) aborter.abort(handBack.reason);
  });
  return {
    async process(job: Job, token?: string) {
      // AbortSignal.any and AbortSignal.timeout cost more, and leave a timer that outlives the job by its deadline.
      const aborter = new AbortController();
      if (handBack.aborted) aborter.abort(handBack.reason);
      const timer = setTimeout(() => aborter.abort(beyondDeadline()), deadlineMs).unref();
      held.set(aborter, performance.now());
      try {
        await runJob(options, { job, token, signal: aborter.signal });
      } finally {
        clearTimeout(timer);
        held.delete(aborter);
      }
    },
    longestHeldMs() {
      const [oldest] = held.values();
      return oldest === undefined ? 0 : performance.now() - oldest;
    },
  };
}

function beyondDeadline(): DOMException {
  return new DOMException('the job is beyond its deadline', 'TimeoutError');
}

interface TakenJob {
  readonly job: Job;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

async function runJob<Name extends QueueName>(
  options: JobProcessorOptions<Name>,
  taken: TakenJob,
): Promise<void> {
  const { job, token } = taken;
  const verdict = await decide(options, taken);
  switch (verdict.kind) {
    case 'done':
      if (verdict.replaceData !== undefined) await job.updateData(verdict.replaceData);
      return;
    case 'later':
      await job.moveToDelayed(Date.now() + Math.max(0, verdict.delayMs), token);
      throw new DelayedError();
    case 'paused':
      await options.pauseAll(verdict.delayMs);
      throw Worker.RateLimitError();
  }
}

async function decide<Name extends QueueName>(
  { queueName, handle, handBack, onAttemptFailed }: JobProcessorOptions<Name>,
  { job, token, signal }: TakenJob,
): Promise<JobVerdict> {
  const jobId = job.id ?? '';
  const attempt = job.attemptsMade + 1;
  const attempts = job.opts.attempts ?? 1;
  try {
    const data = parseData(queueName, job.data);
    return await handle({ id: jobId, data, attempt, attempts }, signal);
  } catch (error) {
    if (handBack.aborted) {
      await job.moveToWait(token);
      throw new WaitingError();
    }
    const malformed = error instanceof AppError && error.code === 'JOB_MALFORMED';
    onAttemptFailed({ jobId, attempt, final: malformed || attempt >= attempts, error });
    throw malformed ? new UnrecoverableError(error.code) : new Error(namedOnly(error));
  }
}

function parseData<Name extends QueueName>(queueName: Name, data: unknown): JobDataOf<Name> {
  const parsed = jobSchemas[queueName].safeParse(data);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new AppError(
    'JOB_MALFORMED',
    `a job of ${queueName} does not read${where === '' ? '' : ` at ${where}`}`,
  );
}

function namedOnly(error: unknown): string {
  if (error instanceof AppError) return error.code;
  return error instanceof Error ? error.name : 'unknown error';
}
