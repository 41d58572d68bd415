// Events through one worker process that lead to no call to Lean, beside a BullMQ worker that does nothing with the
// same jobs: what is left of the queue's own speed when every event is read, applied and concluded in Postgres.
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
import { withWorkers, type WorkerProcess, type WorkerStage } from '../worker-stage.ts';
import { sizeOf, until } from '../waits.ts';

/** WORKER_CONCURRENCY's default. */
const concurrency = 16;
const limitMs = 180_000;

interface Measured {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

interface Subject {
  readonly name: string;
  readonly kind: QuietKind | null;
}

const empty: Subject = { name: 'an empty BullMQ worker', kind: null };
const subjects: readonly Subject[] = [
  empty,
  { name: 'worker, refresh started', kind: 'refresh started' },
  { name: 'worker, entity created', kind: 'entity created' },
];

export const workerEvents: Scenario = {
  name: 'worker-events',
  title: 'Events a second through one worker process, without a call to Lean',
  async run(context: BenchContext): Promise<ScenarioResult> {
    const events = context.quick ? 500 : sizeOf('BENCH_EVENTS', 8_000);
    return withWorkers(context, {}, async (stage) => {
      const measured = await interleave({
        rounds: context.rounds,
        subjects,
        measure: (subject) => measure(stage, subject, events),
      });
      const of = (name: string, value: keyof Measured): number[] =>
        (measured.get(name) ?? []).map((one) => one[value]);
      const queueAlone = of(empty.name, 'perSecond');
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
          what: `events/s, ${name} / ${empty.name}`,
          target: { atLeast: 0.35 },
          rounds: ratios(of(name, 'perSecond'), queueAlone),
        })),
      };
    });
  },
};

async function measure(stage: WorkerStage, { kind }: Subject, events: number): Promise<Measured> {
  const connection = new Redis(stage.redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue('webhook-events', { connection, prefix: queuePrefix });
  let worker: WorkerProcess | null = null;
  try {
    await fill(stage, kind, events);
    await queue.pause();
    worker = await (kind === null
      ? startEmpty(stage)
      : stage.startWorker({ WORKER_CONCURRENCY: String(concurrency) }));
    const cpuBefore = cpuSeconds(worker.pid);
    const startedAt = performance.now();
    await queue.resume();
    await until(async () => (await left(queue)) === 0, { what: 'the queue to be empty', timeoutMs: limitMs });
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = cpuSeconds(worker.pid) - cpuBefore;
    if (kind !== null) await allConcluded(stage);
    return { perSecond: events / seconds, cpuMicroseconds: (cpu * 1_000_000) / events };
  } finally {
    await worker?.stop();
    await queue.obliterate({ force: true });
    await queue.close();
    connection.disconnect();
  }
}

async function fill(stage: WorkerStage, kind: QuietKind | null, events: number): Promise<void> {
  const [like] = leanCustomers({}).entities;
  if (like === undefined) throw new Error('no entity to be like');
  const keys =
    kind === null
      ? Array.from({ length: events }, (_, place) => ({ eventKey: `empty-${place}`, replayCount: 0 }))
      : await storeEvents(
          stage,
          Array.from({ length: events }, () => quietBody(kind, like)),
        );
  const eventQueue = openEventQueue({ url: stage.redis.url, prefix: queuePrefix });
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

function startEmpty(stage: WorkerStage): Promise<WorkerProcess> {
  return stage.startProgram({
    name: 'empty',
    program: 'test/bench/worker-empty-process.ts',
    args: [JSON.stringify({ url: stage.redis.url, prefix: queuePrefix, concurrency })],
  });
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
