// The two roles as a simulated process runs them: the real forwarder, acknowledgement, handlers and reconciler, wired as
// start-receiver.ts and start-worker.ts wire them, over the models. A crash leaves nothing of them but what is durable.
import { openJournal } from '../../src/journal/journal.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createKeeper, type KeepDelivery } from '../../src/receiver/durability.ts';
import { startForwarder } from '../../src/receiver/forwarder.ts';
import { createEventJob } from '../../src/worker/event-job.ts';
import { createIntakeJob } from '../../src/worker/intake-job.ts';
import { reportJobs } from '../../src/worker/job-report.ts';
import { startReconciler } from '../../src/worker/reconciler.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { epochMs, openModelDatabase } from './model-database.ts';
import type { ModelDisk } from './model-journal.ts';
import type { ModelPostgres } from './model-postgres.ts';
import { openModelIntakeQueue, openModelWorkQueue, runModelJobs } from './model-queues.ts';
import type { ModelRedis } from './model-redis.ts';
import { startLife, type Life, type Schedule } from './schedule.ts';

export interface World {
  readonly schedule: Schedule;
  readonly redis: ModelRedis;
  readonly postgres: ModelPostgres;
  /** Says what must never be. */
  readonly violate: (what: string) => void;
}

export interface Role {
  readonly name: string;
  isRunning(): boolean;
  start(): void;
  /** Between two steps of the schedule, which is before or after any await. */
  crash(): void;
}

export interface ReceiverRole extends Role {
  readonly disk: ModelDisk;
  readonly waitsForStore: boolean;
  /** Null while nobody listens. */
  door(): { readonly keep: KeepDelivery; readonly life: Life } | null;
}

const installationId = '00000000-0000-4000-8000-000000000001';
const ackDeadlineMs = 8_000;
const journalDeadlineMs = 2_000;
const slots = 2;
/** Shared by every world: nothing reads them. */
const metrics = createMetrics({ processMetrics: false });

function createRole(name: string, open: (life: Life) => void): Role {
  let life: Life | null = null;
  let lives = 0;
  return {
    name,
    isRunning: () => life !== null,
    start() {
      if (life !== null) return;
      lives += 1;
      life = startLife(`${name}.${lives}`);
      open(life);
    },
    crash() {
      life?.end();
      life = null;
    },
  };
}

interface ReceiverOptions {
  readonly name: string;
  readonly disk: ModelDisk;
  readonly waitsForStore: boolean;
  readonly maxOutstanding: number;
  readonly pollMs: number;
}

export function createReceiverRole(
  { schedule, redis }: World,
  { name, disk, waitsForStore, maxOutstanding, pollMs }: ReceiverOptions,
): ReceiverRole {
  let door: ReturnType<ReceiverRole['door']> = null;

  async function open(life: Life): Promise<void> {
    const clock = schedule.clockOf(life);
    const journal = await openJournal({
      dir: name,
      limitBytes: 1024 * 1024,
      keyRing: null,
      openLink: disk.openLink(life),
      atEndOfTurn: (run) => schedule.plan({ inMs: 0, what: `${life.name} ends its turn`, life, run }),
    });
    const queue = openModelIntakeQueue({ schedule, redis, life });
    const random = () => schedule.random.next();
    const forwarder = startForwarder({ journal, queue, maxOutstanding, pollMs, random, clock });
    const keep = createKeeper({
      journal,
      journalDeadlineMs,
      clock,
      ...(waitsForStore && { stored: { signal: forwarder, ackDeadlineMs } }),
    });
    door = { keep, life };
  }

  const role = createRole(name, (life) => {
    life.onEnd(() => {
      door = null;
    });
    void open(life);
  });
  return { ...role, disk, waitsForStore, door: () => door };
}

export function createWorkerRole(world: World, name: string): Role {
  const { schedule, redis, postgres } = world;
  const onUnknown = (error: Error) => world.violate(`the model of Postgres does not know: ${error.message}`);
  return createRole(name, (life) => {
    const parts = { schedule, redis, life };
    const clock = schedule.clockOf(life);
    const random = () => schedule.random.next();
    const database = openModelDatabase({ schedule, postgres, life, onUnknown });
    const eventQueue = openModelWorkQueue(parts, 'webhook-events');
    const syncQueue = openModelWorkQueue(parts, 'lean-sync');
    const stepBack = createStepBack({
      databaseIsAway: () => postgres.state !== 'up',
      random,
      nowMs: () => clock.nowMs(),
    });
    const shared = { database, logger: silentLogger, metrics };
    const reconciler = startReconciler({ ...shared, eventQueue, syncQueue, installationId, clock, random });
    const tellingMisses = {
      async add(jobs: Parameters<typeof eventQueue.add>[0]): Promise<void> {
        try {
          await eventQueue.add(jobs);
        } catch (error) {
          reconciler.jobsMissed();
          throw error;
        }
      },
    };
    const now = () => new Date(epochMs + schedule.nowMs());
    const common = { ...shared, keyRing: null, stepBack, now, random };
    const intake = createIntakeJob({ ...common, eventQueue: tellingMisses });
    const events = createEventJob({ ...common, syncQueue, apiVersion: 'v2', aloneLimit: 16 });
    const report = { logger: silentLogger, metrics };
    runModelJobs({
      ...parts,
      queue: 'webhook-intake',
      slots,
      handle: reportJobs({ ...report, queueName: 'webhook-intake', handle: intake }),
    });
    runModelJobs({
      ...parts,
      queue: 'webhook-events',
      slots,
      handle: reportJobs({ ...report, queueName: 'webhook-events', handle: events }),
    });
  });
}
