// The three queues and how their jobs are kept. Every option that bounds memory or repetition stands here.
import type { JobsOptions } from 'bullmq';

export const queueNames = ['webhook-intake', 'webhook-events', 'lean-sync'] as const;
export type QueueName = (typeof queueNames)[number];

/**
 * How long, and of how many, it is remembered that they were stored. A receiver that was down longer finds its batch
 * unknown and adds it again, which stores nothing twice; without the count a busy day would fill Redis.
 */
const storedBatches = { age: 86_400, count: 50_000 };

/** The worker's own strategy decides the pause before the next attempt. */
const backoff = { type: 'worker' };

// Stack traces stay out of Redis: a message of a database or of Lean may quote a customer's data.
const stackTraceLimit = 0;

/** Job options by queue. Postgres is the record of events and syncs, so their finished jobs leave at once and an id can come back. */
export const jobOptions: Readonly<Record<QueueName, JobsOptions>> = {
  'webhook-intake': {
    attempts: 10,
    backoff,
    stackTraceLimit,
    removeOnComplete: storedBatches,
    // A failed batch keeps its id and its bodies until its receiver has it retried.
    removeOnFail: false,
  },
  'webhook-events': { attempts: 10, backoff, stackTraceLimit, removeOnComplete: true, removeOnFail: true },
  'lean-sync': { attempts: 10, backoff, stackTraceLimit, removeOnComplete: true, removeOnFail: true },
};

/** Holds the id of the installation whose workers serve this prefix. */
export function installationKey(prefix: string): string {
  return `${prefix}:installation`;
}

/** Of what that key holds: null, nobody's yet. */
export function belongsToAnother(held: string | null, installationId: string): boolean {
  return held !== null && held !== installationId;
}
