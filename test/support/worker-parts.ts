// The worker's parts for tests that hand them jobs themselves: a real database, and queues that only remember.
import { randomUUID } from 'node:crypto';
import type { JournalBatch, Proof } from '../../src/core/delivery.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import type { EventQueueJob, SyncQueueJob } from '../../src/queue/work-queues.ts';
import type { IntakeJob } from '../../src/queue/job-schemas.ts';
import { parseKeyRing, type KeyRing } from '../../src/sealing/key-ring.ts';
import { seal } from '../../src/sealing/seal.ts';
import type { Database } from '../../src/store/database.ts';
import { createEventJob } from '../../src/worker/event-job.ts';
import { createIntakeJob } from '../../src/worker/intake-job.ts';
import type { JobReport } from '../../src/worker/job-report.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import { createRecordingLogger, type RecordedLine } from './silent-logger.ts';

export const testKeyRing: KeyRing = parseKeyRing([Buffer.alloc(32, 7).toString('base64')]);

export interface TestDelivery {
  readonly body: Uint8Array;
  readonly proof?: Proof;
  readonly receivedAt?: string;
  /** A bit of the sealed bytes has turned over on the way. */
  readonly damaged?: boolean;
}

export interface WorkerParts {
  readonly lines: RecordedLine[];
  readonly eventJobs: EventQueueJob[];
  readonly syncJobs: SyncQueueJob[];
  readonly metrics: Metrics;
  /** Runs an intake job; the same `jobId` is the same batch again. */
  intake(
    deliveries: readonly TestDelivery[],
    options?: { jobId?: string; keyRing?: KeyRing | null },
  ): Promise<JobReport>;
  /** Runs the intake job of a batch as a journal gave it. */
  take(batch: JournalBatch): Promise<JobReport>;
  /** Runs the job of one event. */
  applyEvent(eventKey: string, options?: { attempt?: number; now?: Date }): Promise<JobReport>;
  /** Runs the jobs of several events at one time, as one worker does. */
  applyEvents(eventKeys: readonly string[], until?: AbortSignal): Promise<JobReport[]>;
}

/** The data of an intake job, bodies sealed as a journal seals them. */
export function intakeData(
  deliveries: readonly TestDelivery[],
  keyRing: KeyRing | null = testKeyRing,
): IntakeJob {
  const journalId = randomUUID();
  return {
    v: 1,
    journalId,
    deliveries: deliveries.map(({ body, proof = 'signature', receivedAt, damaged = false }, index) => {
      const recordId = `${journalId}:${index + 1}`;
      const sealed = Buffer.from(seal(keyRing, { purpose: 'delivery', recordId }, body));
      if (damaged) sealed.writeUInt8(sealed.readUInt8(sealed.length - 1) ^ 1, sealed.length - 1);
      return {
        sequence: index + 1,
        receivedAt: receivedAt ?? new Date().toISOString(),
        proof,
        sealed: sealed.toString('base64'),
      };
    }),
  };
}

interface WorkerPartsOptions {
  /** EVENT_KEY_KEEP_DAYS; left out, no event is too old. */
  readonly eventKeyKeepDays?: number;
  /** The one of all tests when left out. */
  readonly keyRing?: KeyRing | null;
  /** LEAN_API_VERSION; v2 when left out. */
  readonly apiVersion?: 'v1' | 'v2';
}

export function createWorkerParts(
  database: Database,
  { eventKeyKeepDays, keyRing: ring = testKeyRing, apiVersion = 'v2' }: WorkerPartsOptions = {},
): WorkerParts {
  const eventJobs: EventQueueJob[] = [];
  const syncJobs: SyncQueueJob[] = [];
  const metrics = createMetrics({ processMetrics: false });
  const eventQueue = { add: (jobs: readonly EventQueueJob[]) => remember(eventJobs, jobs) };
  const syncQueue = { add: (jobs: readonly SyncQueueJob[]) => remember(syncJobs, jobs) };
  const stepBack = createStepBack({ databaseIsAway: () => false });
  const { logger, lines } = createRecordingLogger();
  const common = { database, keyRing: ring, stepBack, logger, metrics };
  const runIntake = createIntakeJob({
    ...common,
    eventQueue,
    ...(eventKeyKeepDays !== undefined && { eventKeyKeepDays }),
  });
  const { signal } = new AbortController();
  const createRun = (now: Date) =>
    createEventJob({ ...common, syncQueue, apiVersion, aloneLimit: 16, now: () => now, random: () => 0 });
  return {
    lines,
    eventJobs,
    syncJobs,
    metrics,
    intake: (deliveries, { jobId = `in_${randomUUID()}_1-1`, keyRing = testKeyRing } = {}) =>
      runIntake({ id: jobId, data: intakeData(deliveries, keyRing), attempt: 1, attempts: 10 }, signal),
    take({ journalId, deliveries }) {
      const sealed = deliveries.map((delivery) => ({
        ...delivery,
        sealed: Buffer.from(delivery.sealed).toString('base64'),
      }));
      const data: IntakeJob = { v: 1, journalId, deliveries: sealed };
      return runIntake({ id: `in_${randomUUID()}_1-1`, data, attempt: 1, attempts: 10 }, signal);
    },
    applyEvent(eventKey, { attempt = 1, now = new Date() } = {}) {
      return createRun(now)({ id: 'ev_test', data: { eventKey }, attempt, attempts: 10 }, signal);
    },
    applyEvents(eventKeys, until = signal) {
      const run = createRun(new Date());
      return Promise.all(
        eventKeys.map((eventKey) =>
          run({ id: 'ev_test', data: { eventKey }, attempt: 1, attempts: 10 }, until),
        ),
      );
    },
  };
}

function remember<Job>(kept: Job[], jobs: readonly Job[]): Promise<void> {
  kept.push(...jobs);
  return Promise.resolve();
}

/** Everything of `webhook_events` that tests look at, by key. */
export async function eventRows(database: Database) {
  return database.db
    .selectFrom('webhook_events')
    .select([
      'event_key',
      'event_id',
      'type',
      'entity_id',
      'customer_id',
      'occurred_at_text',
      'proof',
      'state',
    ])
    .select(['delivery_count', 'failure_code', 'concluded_at', 'body', 'source', 'replay_count'])
    .orderBy('event_key')
    .execute();
}

export async function changeNames(database: Database): Promise<string[]> {
  const rows = await database.db.selectFrom('changes').select('change').orderBy('change_id').execute();
  return rows.map((row) => row.change);
}
