// Events through one worker process that lead to no call to Lean, beside a BullMQ worker that does nothing with the
// same jobs: what is left of the queue's own speed when every event is read, applied and concluded in Postgres.
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { eventJobId } from '../../../src/core/event-key.ts';
import { openEventQueue } from '../../../src/queue/work-queues.ts';
import { queuePrefix } from '../launches.ts';
import { cpuSeconds } from '../processes.ts';
import { interleave, ratios } from '../rounds.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import { quietBody, storeEvents, type QuietKind } from '../worker-events.ts';
import { leanCustomers } from '../worker-lean.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { sizeOf, until } from '../waits.ts';

/** WORKER_CONCURRENCY's default. */
const concurrency = 16;
const queueName = 'webhook-events';
const limitMs = 180_000;
/** As every subject's process has before what counts; of a slower one as many as it does in that time. */
const warmUpEvents = 40_000;
const warmUpMs = 40_000;

interface Measured {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

/** A kind of events and the process that does them, which both go on for all rounds. */
interface Subject {
  readonly name: string;
  readonly kind: QuietKind | null;
  readonly prefix: string;
  readonly pid: number;
}

const emptyName = 'an empty BullMQ worker';
const kinds: readonly QuietKind[] = ['refresh started', 'entity created'];
const emptyPrefix = '{bench-empty}';

export const workerEvents: Scenario = {
  name: 'worker-events',
  title: 'Events a second through one worker process, without a call to Lean',
  async run(context: BenchContext): Promise<ScenarioResult> {
    const events = context.quick ? 500 : sizeOf('BENCH_EVENTS', 8_000);
    return withWorkers(context, {}, async (stage) => {
      const subjects = await startSubjects(stage);
      if (!context.quick) for (const subject of subjects) await warmUp(stage, subject, events);
      const measured = await interleave({
        rounds: context.rounds,
        subjects,
        measure: (subject) => measure(stage, subject, events),
      });
      const of = (name: string, value: keyof Measured): number[] =>
        (measured.get(name) ?? []).map((one) => one[value]);
      return {
        figures: subjects.flatMap(({ name: subject }) => [
          { subject, what: 'events', unit: '1/s', rounds: of(subject, 'perSecond') },
          {
            subject,
            what: 'CPU per event, the process alone',
            unit: 'µs',
            rounds: of(subject, 'cpuMicroseconds'),
          },
        ]),
        ratios: subjects.slice(1).map(({ name }) => ({
          what: `events/s, ${name} / ${emptyName}`,
          target: { atLeast: 0.35 },
          rounds: ratios(of(name, 'perSecond'), of(emptyName, 'perSecond')),
        })),
      };
    });
  },
};

/** The empty worker has a queue of its own in the same Redis. */
async function startSubjects(stage: WorkerStage): Promise<Subject[]> {
  const settings = { url: stage.redis.url, queueName, prefix: emptyPrefix, concurrency };
  const empty = await stage.startProgram({
    name: 'empty-worker',
    program: 'test/bench/peers/empty-worker.ts',
    args: [JSON.stringify(settings)],
  });
  const worker = await stage.startWorker({ WORKER_CONCURRENCY: String(concurrency) });
  return [
    { name: emptyName, kind: null, prefix: emptyPrefix, pid: empty.pid },
    ...kinds.map((kind) => ({ name: `worker, ${kind}`, kind, prefix: queuePrefix, pid: worker.pid })),
  ];
}

async function warmUp(stage: WorkerStage, subject: Subject, events: number): Promise<void> {
  const endsAt = performance.now() + warmUpMs;
  for (let done = 0; done < warmUpEvents && performance.now() < endsAt; done += events)
    await measure(stage, subject, events);
}

async function measure(stage: WorkerStage, subject: Subject, events: number): Promise<Measured> {
  const { kind, prefix, pid } = subject;
  const connection = new Redis(stage.redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue(queueName, { connection, prefix });
  try {
    await queue.pause();
    await fill(stage, subject, events);
    const cpuBefore = cpuSeconds(pid);
    const startedAt = performance.now();
    await queue.resume();
    await until(async () => (await left(queue)) === 0, { what: 'the queue to be empty', timeoutMs: limitMs });
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = cpuSeconds(pid) - cpuBefore;
    if (kind !== null) await allConcluded(stage);
    return { perSecond: events / seconds, cpuMicroseconds: (cpu * 1_000_000) / events };
  } finally {
    await queue.close();
    connection.disconnect();
  }
}

async function fill(stage: WorkerStage, { kind, prefix }: Subject, events: number): Promise<void> {
  const [like] = leanCustomers({}).entities;
  if (like === undefined) throw new Error('no entity to be like');
  const keys =
    kind === null
      ? Array.from({ length: events }, () => ({ eventKey: randomUUID(), replayCount: 0 }))
      : await storeEvents(
          stage,
          Array.from({ length: events }, () => quietBody(kind, like)),
        );
  const eventQueue = openEventQueue({ url: stage.redis.url, prefix });
  try {
    await eventQueue.add(
      keys.map(({ eventKey, replayCount }) => ({
        id: eventJobId(eventKey, replayCount),
        data: { eventKey },
      })),
    );
  } finally {
    await eventQueue.close();
  }
}

async function left(queue: Queue): Promise<number> {
  const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

async function allConcluded({ database }: WorkerStage): Promise<void> {
  const { rows } = await sql<{ open: number }>`
    select count(*)::int as open from ${database.table('webhook_events')} where state <> 'processed'
  `.execute(database.db);
  if (rows[0]?.open !== 0) throw new Error(`${rows[0]?.open} events were not processed`);
}
