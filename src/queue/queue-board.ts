// The queues as bull-board shows them: ids, states, times and sizes, out of a list of what may be seen. No payload, no
// text of an error beyond its code, and no way to change a job: whatever asks for one is refused here as well.
import { createBullBoard } from '@bull-board/api';
import { STATUSES } from '@bull-board/api/constants/statuses';
import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import type { IServerAdapter, JobStatus, QueueJob, QueueJobJson } from '@bull-board/api/typings/app';
import { Queue } from 'bullmq';
import { openProducer, type Producer, type QueueOptions } from './producer.ts';
import { queueNames } from './queue-names.ts';

const shownStates = [
  STATUSES.active,
  STATUSES.waiting,
  STATUSES.prioritized,
  STATUSES.delayed,
  STATUSES.failed,
  STATUSES.completed,
] as const;

/** Jobs of one page, whatever it asks for: they are loaded into the process that takes webhooks. */
const pageLimit = 100;

export interface QueueBoard {
  /** Once, as soon as it is known where Redis is; there are no queues to be seen before. */
  connect(options: QueueOptions): void;
  /** Waits for the connection and then for the work, both within the deadline. Throws QUEUE_UNAVAILABLE. */
  ask<Value>(work: () => Promise<Value>): Promise<Value>;
  /** Of whoever's workers serve this prefix; null when nobody has said so. Throws QUEUE_UNAVAILABLE. */
  readInstallation(): Promise<string | null>;
  close(): Promise<void>;
}

/** Hands the pages to `server`, which serves them. */
export function createQueueBoard(server: IServerAdapter): QueueBoard {
  const board = createBullBoard({
    queues: [],
    serverAdapter: server,
    options: {
      uiConfig: {
        boardTitle: 'Queues (read-only)',
        // What would ask Redis for the addresses of its clients at every look.
        showWorkers: false,
        hideRedisDetails: true,
        favIcon: { default: 'static/images/logo.svg', alternative: 'static/favicon-32x32.png' },
      },
    },
  });
  let opened: { readonly producer: Producer; readonly queues: readonly Queue[] } | null = null;
  return {
    connect(options) {
      const producer = openProducer('webhook-intake', options);
      const queues = queueNames.map((name) => openQueue(name, producer, options.prefix));
      for (const queue of queues) board.addQueue(new SeenOnly(queue));
      opened = { producer, queues };
    },
    ask: (work) => (opened === null ? work() : opened.producer.run('looking at the queues', work)),
    readInstallation: async () => (await opened?.producer.readInstallation()) ?? null,
    async close() {
      await opened?.producer.close();
    },
  };
}

function openQueue(name: string, { client }: Producer, prefix: string): Queue {
  const queue = new Queue(name, {
    connection: client,
    prefix,
    skipWaitingForReady: true,
    skipVersionCheck: true,
    // It would write the queue's own settings otherwise.
    skipMetasUpdate: true,
  });
  queue.on('error', () => undefined);
  return queue;
}

interface ReadableJob {
  toJSON(): QueueJobJson;
  getState(): ReturnType<QueueJob['getState']>;
}

/** Of all that bull-board would do with a queue: the questions. Everything else is refused, whoever asks. */
class SeenOnly extends BaseAdapter {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    // Of the two kinds it knows, the one for which it looks no further than these methods.
    super('bull', { readOnlyMode: true });
    this.#queue = queue;
  }

  getName = () => this.#queue.name;
  getStatuses = () => [STATUSES.latest, ...shownStates];
  getJobStatuses = () => [...shownStates];
  getJobCounts = () => this.#queue.getJobCounts(...shownStates);
  isPaused = () => this.#queue.isPaused();
  override getActiveRateLimitTtl = async () => Math.max(0, await this.#queue.getRateLimitTtl());

  async getJob(id: string) {
    const job = await this.#queue.getJob(id);
    return job && seenJob(job);
  }

  async getJobs(states: JobStatus[], start = 0, end = Infinity) {
    const shown = shownStates.filter((state) => states.includes(state));
    const jobs = await this.#queue.getJobs(shown, start, Math.min(end, start + pageLimit - 1));
    // One may have gone between its place in the list and its data.
    return jobs.flatMap((job) => (job ? [seenJob(job)] : []));
  }

  // What we have none of, and what is not for showing.
  getJobLogs = () => Promise.resolve([]);
  getMetrics = () => Promise.resolve({ meta: { count: 0, prevTS: 0, prevCount: 0 }, data: [], count: 0 });
  getRedisInfo = () => Promise.resolve(null);
  getJobSchedulers = () => Promise.resolve([]);
  getJobSchedulersCount = () => Promise.resolve(0);
  getGlobalConcurrency = () => Promise.resolve(null);

  clean = refuse;
  addJob = refuse;
  pause = refuse;
  resume = refuse;
  empty = refuse;
  obliterate = refuse;
  promoteAll = refuse;
  removeJobScheduler = refuse;
  updateJobScheduler = refuse;
  runJobSchedulerNow = refuse;
  setGlobalConcurrency = refuse;
}

/** Built anew, so that a field nobody thought of is not shown. */
function seenJob(job: ReadableJob): QueueJob {
  return {
    opts: {},
    toJSON: () => seenFields(job.toJSON()),
    getState: () => job.getState(),
    promote: refuse,
    remove: refuse,
    retry: refuse,
  };
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('the board is read-only'));
}

function seenFields(job: QueueJobJson): QueueJobJson {
  const { id, attemptsMade, finishedOn, processedOn, delay, timestamp, priority, attemptsStarted } = job;
  return {
    id,
    name: shownWord(job.name, /^[a-z]{1,20}$/),
    timestamp,
    attemptsMade,
    progress: 0,
    failedReason: job.failedReason ? shownWord(job.failedReason, /^[A-Z][A-Za-z_]{0,60}$/) : '',
    stacktrace: null,
    data: sizesOf(job.data),
    returnvalue: null,
    opts: { attempts: attemptsOf(job.opts) },
    ...(finishedOn !== undefined && { finishedOn }),
    ...(processedOn !== undefined && { processedOn }),
    ...(delay !== undefined && { delay }),
    ...(priority !== undefined && { priority }),
    ...(attemptsStarted !== undefined && { attemptsStarted }),
  };
}

/** Our own words and codes; whatever else stands there is somebody's text. */
function shownWord(text: string, pattern: RegExp): string {
  return pattern.test(text) ? text : 'not shown';
}

function attemptsOf(options: unknown): number | null {
  const attempts = fieldOf(options, 'attempts');
  return typeof attempts === 'number' ? attempts : null;
}

function sizesOf(data: unknown): { readonly bytes: number; readonly deliveries?: number } {
  const bytes = Buffer.byteLength(JSON.stringify(data) ?? '');
  const deliveries = fieldOf(data, 'deliveries');
  return Array.isArray(deliveries) ? { bytes, deliveries: deliveries.length } : { bytes };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}
