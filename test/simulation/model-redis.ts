// Redis and BullMQ as a model, as far as this service leans on them: an id that is known is not added again, a completed
// batch keeps its id, a failed one too, locks run out, and what was written may be gone, late or there unannounced.
import type { QueueName } from '../../src/queue/queue-names.ts';
import type { Life, Schedule } from './schedule.ts';

export interface ModelJob {
  readonly queue: QueueName;
  readonly id: string;
  data: unknown;
  state: 'waiting' | 'active' | 'delayed' | 'completed' | 'failed';
  attemptsMade: number;
  /** Whose it is while it is active. */
  token: string | null;
  readyAtMs: number;
}

export type ServerState = 'up' | 'down' | 'frozen';

export interface Taken {
  readonly job: ModelJob;
  readonly token: string;
}

interface Consumer {
  readonly life: Life;
  readonly queue: QueueName;
  freeSlots: number;
  readonly take: (taken: Taken) => Promise<void>;
}

export interface ModelRedis {
  /** Jobs as they stand; `act` of the two doors below may change them. */
  find(queue: QueueName, id: string): ModelJob | undefined;
  add(queue: QueueName, job: { readonly id: string; readonly data: unknown }): void;
  /** Keeps a finished batch, lets every other finished job go, and tells who listens. */
  finish(job: ModelJob, state: 'completed' | 'failed'): void;
  putBack(job: ModelJob, delayMs: number): void;
  installation: string | null;
  /** Runs `act` on the server some time later, however long it is away; resolves with its answer. */
  insist<Value>(life: Life, what: string, act: () => Value): Promise<Value>;
  /** Tries once: answers, refuses, or says nothing at all. */
  attempt<Value>(life: Life, what: string, act: () => Value, on: Answering<Value>): void;
  onSettled(life: Life, listener: (jobId: string) => void): void;
  consume(life: Life, options: Pick<Consumer, 'queue' | 'take'> & { readonly slots: number }): void;
  state(): ServerState;
  setState(state: ServerState): void;
  flush(): void;
  /** Keeps a copy that a later failover goes back to. */
  snapshot(): void;
  failOver(): void;
  /** How often an answer is lost on its way, 0 to 1. */
  losing: number;
  /** How often a living worker fails to renew a lock, 0 to 1. */
  forgettingLocks: number;
}

export interface Answering<Value> {
  readonly onValue: (value: Value) => void;
  readonly onRefused: () => void;
}

const lockMs = 15_000;
const stalledCheckMs = 5_000;
const consumerSilenceMs = 25_000;

export function createModelRedis(schedule: Schedule): ModelRedis {
  const { random } = schedule;
  const consumers: Consumer[] = [];
  const listeners: { life: Life; listener: (jobId: string) => void }[] = [];
  const whenUp: (() => void)[] = [];
  let jobs = new Map<string, ModelJob>();
  let copy = new Map<string, ModelJob>();
  let state: ServerState = 'up';
  /** Tokens whose workers are still at it; only those are renewed. */
  const inHand = new Set<string>();
  let tokens = 0;

  const isHeld = (job: ModelJob) => jobs.get(keyOf(job.queue, job.id)) === job;

  function pump(): void {
    if (state !== 'up') return;
    for (const consumer of consumers) {
      if (consumer.life.isOver() || consumer.freeSlots === 0) continue;
      if (!jobs.values().some((job) => job.queue === consumer.queue && job.state === 'waiting')) continue;
      schedule.plan({
        inMs: schedule.latencyMs(),
        what: `${consumer.life.name} looks for work in ${consumer.queue}`,
        life: consumer.life,
        run: () => takeNext(consumer),
      });
    }
  }

  function takeNext(consumer: Consumer): void {
    if (state !== 'up' || consumer.freeSlots === 0) return;
    const waiting = [...jobs.values()].filter(
      (job) => job.queue === consumer.queue && job.state === 'waiting',
    );
    const [oldest] = waiting;
    if (oldest === undefined) return;
    const job = random.chance(0.2) ? random.pick(waiting) : oldest;
    tokens += 1;
    const token = `${consumer.life.name}:${tokens}`;
    job.state = 'active';
    job.token = token;
    inHand.add(token);
    consumer.freeSlots -= 1;
    schedule.note(`${consumer.life.name} takes ${job.id}`);
    watchLock(job, { token, life: consumer.life });
    void consumer.take({ job, token }).finally(() => {
      inHand.delete(token);
      consumer.freeSlots += 1;
      pump();
    });
  }

  /** A job whose holder is gone, or does not renew in time, waits again; no attempt is spent. */
  function watchLock(job: ModelJob, { token, life }: { token: string; life: Life }): void {
    schedule.plan({
      // A holder whose loop is blocked renews nothing, and goes on later as if nothing were.
      inMs:
        redis.forgettingLocks > 0 ? random.integer(0, lockMs) : lockMs + random.integer(0, stalledCheckMs),
      what: `lock of ${job.id}`,
      run() {
        if (!isHeld(job) || job.token !== token || job.state !== 'active') return;
        const isWanted = inHand.has(token) && !life.isOver();
        const renewed = isWanted && !random.chance(state === 'up' ? redis.forgettingLocks : 0.5);
        if (renewed || state !== 'up') watchLock(job, { token, life });
        else makeWait(job);
      },
    });
  }

  function makeWait(job: ModelJob): void {
    // To the end of the line, where a job that comes back belongs.
    jobs.delete(keyOf(job.queue, job.id));
    jobs.set(keyOf(job.queue, job.id), job);
    job.state = 'waiting';
    job.token = null;
    pump();
  }

  function watchDelay(job: ModelJob): void {
    schedule.plan({
      inMs: job.readyAtMs - schedule.nowMs(),
      what: `delay of ${job.id}`,
      run() {
        if (!isHeld(job) || job.state !== 'delayed' || job.readyAtMs > schedule.nowMs()) return;
        if (state === 'up') makeWait(job);
        else whenUp.push(() => watchDelay(job));
      },
    });
  }

  function arrive<Value>(life: Life, what: string, act: () => Value, on: Answering<Value>): void {
    // What a process that died had handed to its socket may still be sent, or not.
    if (life.isOver() && random.chance(0.5)) return;
    const answer = (how: string, run: () => void) =>
      schedule.plan({ inMs: schedule.latencyMs(), what: `${life.name} hears: ${what} ${how}`, life, run });
    if (state === 'down') {
      answer('refused', on.onRefused);
      return;
    }
    if (state === 'frozen') {
      if (random.chance(0.8)) whenUp.push(() => arrive(life, what, act, on));
      return;
    }
    const value = act();
    if (random.chance(redis.losing)) schedule.note(`the answer to ${what} is lost`);
    else answer('answered', () => on.onValue(value));
  }

  const redis: ModelRedis = {
    installation: null,
    losing: 0,
    forgettingLocks: 0,
    find: (queue, id) => jobs.get(keyOf(queue, id)),
    add(queue, { id, data }) {
      if (jobs.has(keyOf(queue, id))) return;
      const fresh = { attemptsMade: 0, token: null, readyAtMs: 0 };
      // As JSON, which is all that Redis keeps of it.
      const job: ModelJob = { queue, id, data: JSON.parse(JSON.stringify(data)), state: 'waiting', ...fresh };
      jobs.set(keyOf(queue, id), job);
      pump();
    },
    finish(job, to) {
      job.state = to;
      job.token = null;
      if (job.queue !== 'webhook-intake') jobs.delete(keyOf(job.queue, job.id));
      for (const { life, listener } of listeners) {
        if (life.isOver() || random.chance(0.2)) continue;
        const what = `${life.name} is told of ${job.id}`;
        schedule.plan({ inMs: schedule.latencyMs(), what, life, run: () => listener(job.id) });
      }
    },
    putBack(job, delayMs) {
      job.state = 'delayed';
      job.token = null;
      job.readyAtMs = schedule.nowMs() + Math.round(delayMs);
      watchDelay(job);
    },
    insist(life, what, act) {
      const { promise, resolve } = Promise.withResolvers<ReturnType<typeof act>>();
      const again = () => {
        // A consumer's connection that stays silent is closed, and what it owed is sent again.
        const takeBack = schedule.clockOf(life).after(consumerSilenceMs, again);
        redis.attempt(life, what, act, {
          onValue(value) {
            takeBack();
            resolve(value);
          },
          onRefused() {
            takeBack();
            if (state === 'up') again();
            else whenUp.push(again);
          },
        });
      };
      again();
      return promise;
    },
    attempt(life, what, act, on) {
      const run = () => arrive(life, what, act, on);
      schedule.plan({ inMs: schedule.latencyMs(), what: `${life.name} asks Redis: ${what}`, run });
    },
    onSettled: (life, listener) => void listeners.push({ life, listener }),
    consume(life, { queue, take, slots }) {
      consumers.push({ life, queue, take, freeSlots: slots });
      pump();
    },
    state: () => state,
    setState(to) {
      state = to;
      if (to !== 'up') return;
      for (const run of whenUp.splice(0)) run();
      pump();
    },
    flush() {
      jobs = new Map();
      redis.installation = null;
    },
    snapshot() {
      copy = copyOf(jobs);
    },
    failOver() {
      jobs = copyOf(copy);
      for (const job of jobs.values()) {
        if (job.state === 'delayed') watchDelay(job);
        const life = consumers.find(({ life: { name } }) => job.token?.startsWith(`${name}:`))?.life;
        if (job.state === 'active' && job.token !== null && life !== undefined)
          watchLock(job, { token: job.token, life });
      }
      pump();
    },
  };
  return redis;
}

function copyOf(jobs: ReadonlyMap<string, ModelJob>): Map<string, ModelJob> {
  return new Map(Array.from(jobs, ([key, job]) => [key, { ...job }]));
}

function keyOf(queue: QueueName, id: string): string {
  return `${queue}/${id}`;
}
