// Whether the queues behind this prefix are this installation's own. Keeps a worker that was given another
// application's prefix from taking its jobs: those would end up in the wrong database, and their journals be emptied.
import { AppError } from '../core/app-error.ts';
import type { CheckResult } from '../observability/readiness.ts';
import type { JobHandler } from '../queue/job-processor.ts';
import { belongsToAnother, type QueueName } from '../queue/queue-names.ts';
import type { EventQueue } from '../queue/work-queues.ts';

interface QueueOwnerOptions {
  readonly eventQueue: Pick<EventQueue, 'publishInstallation'>;
  readonly installationId: string;
  readonly prefix: string;
}

interface JobAdder<Job> {
  add(jobs: readonly Job[]): Promise<void>;
}

export interface QueueOwner {
  /** Publishes ours, or finds somebody else's. Throws WRONG_INSTALLATION; with Redis away nothing is known yet. */
  checkStart(): Promise<void>;
  /** As the queue's own; what it finds counts from then on. */
  publishInstallation(id: string): Promise<string>;
  state(): CheckResult;
  /** Adds to the queue while nothing speaks against it. Throws WRONG_INSTALLATION, or what the queue throws. */
  guardAdds<Job>(queue: JobAdder<Job>): JobAdder<Job>;
  /** Hands another installation's job back untouched, without spending an attempt. */
  guardJobs<Name extends QueueName>(handle: JobHandler<Name>): JobHandler<Name>;
}

/** Until the owner's own workers have had their turn, or an operator has mended the setting. */
const handBackMs = 30_000;
/** Redis gave the job and did not answer the question about it. */
const unknownMs = 1_000;

export function createQueueOwner({ eventQueue, installationId, prefix }: QueueOwnerOptions): QueueOwner {
  let held: string | null = null;

  async function publishInstallation(id: string): Promise<string> {
    held = await eventQueue.publishInstallation(id);
    return held;
  }

  const isWrong = (): boolean => belongsToAnother(held, installationId);

  function refuse(): void {
    if (!isWrong()) return;
    throw new AppError(
      'WRONG_INSTALLATION',
      `the queues of QUEUE_PREFIX ${prefix} belong to installation ${held}, and this database to ${installationId}`,
    );
  }

  return {
    async checkStart() {
      try {
        await publishInstallation(installationId);
      } catch (error) {
        if (!isAbsence(error)) throw error;
      }
      refuse();
    },
    publishInstallation,
    state: () => (isWrong() ? { ok: false, code: 'WRONG_INSTALLATION' } : { ok: true }),
    guardAdds: (queue) => ({
      async add(jobs) {
        refuse();
        return queue.add(jobs);
      },
    }),
    guardJobs: (handle) => async (job, signal) => {
      try {
        if (held === null) await publishInstallation(installationId);
      } catch (error) {
        if (!isAbsence(error)) throw error;
        return { kind: 'later', delayMs: unknownMs };
      }
      return isWrong() ? { kind: 'later', delayMs: handBackMs } : handle(job, signal);
    },
  };
}

function isAbsence(error: unknown): boolean {
  return error instanceof AppError && error.code === 'QUEUE_UNAVAILABLE';
}
