// What the status page shows, asked of everything at once and of nothing for long: a part that does not answer in time
// says so and keeps no other waiting. Reads counts, codes and times; no id of a customer or an entity, and no body.
import type { Metrics } from '../observability/metrics.ts';
import type { ReadinessReport } from '../observability/readiness.ts';
import { withDeadline } from '../core/deadline.ts';
import type { QueueDepth, QueueMeasure } from '../queue/queue-depth.ts';
import { measureBacklog, type Backlog } from '../store/backlog-store.ts';
import type { Database } from '../store/database.ts';
import {
  countConcluded,
  countFailures,
  readInstallationId,
  type ConcludedCount,
  type FailureCount,
} from '../store/status-store.ts';
import { readSweeps, type SweepProgress } from '../store/sweep-store.ts';
import { measureUpkeep, type Upkeep } from '../store/upkeep-store.ts';
import { flowSlotMs, type DeliveryFlow, type DeliverySlot } from './delivery-flow.ts';

/** `away`: no answer in time, or a refusal. */
export type Part<Value> = { readonly kind: 'known'; readonly value: Value } | { readonly kind: 'away' };

export interface JournalFigures {
  readonly deliveries: number;
  readonly bytes: number;
  readonly limitBytes: number;
  readonly oldestSeconds: number;
  /** Infinity while it does not fill. */
  readonly secondsUntilFull: number;
  readonly batchesOutstanding: number;
}

export interface CertificateFigure {
  readonly material: string;
  /** The start of its SHA-256 where it has one to be told apart by. */
  readonly sha256: string | null;
  readonly secondsLeft: number;
}

export interface ReceiverPart {
  readonly flow: readonly DeliverySlot[];
  readonly refusals: readonly { readonly outcome: string; readonly count: number }[];
  readonly journal: JournalFigures;
}

export interface WorkerPart {
  readonly concluded: Part<readonly ConcludedCount[]>;
  readonly failures: Part<readonly FailureCount[]>;
  readonly backlog: Part<Backlog>;
  readonly upkeep: Part<Upkeep>;
  readonly sweeps: Part<readonly SweepProgress[]>;
}

export interface StatusReport {
  readonly role: string;
  readonly version: string;
  readonly at: Date;
  readonly upSeconds: number;
  readonly readiness: ReadinessReport;
  /** null: nobody has said so yet. */
  readonly installation: Part<string | null>;
  readonly queues: Part<readonly QueueDepth[]>;
  readonly certificates: readonly CertificateFigure[];
  readonly receiver: ReceiverPart | null;
  readonly worker: WorkerPart | null;
}

export interface StatusSources {
  readonly role: string;
  readonly version: string;
  readonly metrics: Metrics;
  readonly readiness: { report(): ReadinessReport };
  readonly flow: DeliveryFlow | null;
  /** Null where the role has none, or not yet. */
  readonly queues: Pick<QueueMeasure, 'measure'> | null;
  readonly database: Database | null;
  readonly readQueueInstallation: () => Promise<string | null>;
}

export const sourceDeadlineMs = 2_000;
export const shownSlots = 12;
/** As the page says where a count has come to it. */
export const countLimit = 100_000;
export const backlogLimit = 10_000;

export async function collectStatus(sources: StatusSources): Promise<StatusReport> {
  const { role, version, metrics, readiness, queues, database, readQueueInstallation } = sources;
  const [installation, depths, certificates, receiver, worker] = await Promise.all([
    part(() => (database === null ? readQueueInstallation() : readInstallationId(database))),
    part(async () => {
      if (queues === null) throw new Error('no Redis yet');
      return (await queues.measure()).queues;
    }),
    readCertificates(metrics),
    readReceiver(sources),
    role === 'receiver' ? null : readWorker(database),
  ]);
  return {
    role,
    version,
    at: new Date(),
    upSeconds: process.uptime(),
    readiness: readiness.report(),
    installation,
    queues: depths,
    certificates,
    receiver,
    worker,
  };
}

async function part<Value>(ask: () => Promise<Value>): Promise<Part<Value>> {
  try {
    const answer = withDeadline(ask(), { deadlineMs: sourceDeadlineMs, what: 'a part of the status page' });
    return { kind: 'known', value: await answer };
  } catch {
    return { kind: 'away' };
  }
}

async function readReceiver({ flow, metrics }: StatusSources): Promise<ReceiverPart | null> {
  if (flow === null) return null;
  const now = Date.now();
  flow.add(await deliveryTotals(metrics), now);
  return {
    flow: flow.lately(shownSlots, now),
    refusals: flow.refusals(now),
    journal: {
      deliveries: await valueOf(metrics.journalRows),
      bytes: await valueOf(metrics.journalBytes),
      limitBytes: await valueOf(metrics.journalLimitBytes),
      oldestSeconds: await valueOf(metrics.journalOldestAgeSeconds),
      secondsUntilFull: await valueOf(metrics.journalSecondsUntilFull),
      batchesOutstanding: await valueOf(metrics.batchesOutstanding),
    },
  };
}

export async function deliveryTotals({
  deliveries,
}: Pick<Metrics, 'deliveries'>): Promise<Map<string, number>> {
  const { values } = await deliveries.get();
  return new Map(values.map(({ labels, value }) => [String(labels.outcome), value]));
}

async function valueOf(gauge: Metrics['journalRows']): Promise<number> {
  return (await gauge.get()).values[0]?.value ?? 0;
}

async function readCertificates({
  certificateExpirySeconds,
}: Pick<Metrics, 'certificateExpirySeconds'>): Promise<CertificateFigure[]> {
  const { values } = await certificateExpirySeconds.get();
  return values
    .map(({ labels, value }) => ({
      material: String(labels.material),
      sha256: labels.sha256 === undefined ? null : String(labels.sha256),
      secondsLeft: value,
    }))
    .toSorted((left, right) => left.secondsLeft - right.secondsLeft);
}

async function readWorker(database: Database | null): Promise<WorkerPart> {
  const ask = <Value>(question: (of: Database) => Promise<Value>) =>
    part(async () => {
      if (database === null) throw new Error('no Postgres yet');
      return question(database);
    });
  const [concluded, failures, backlog, upkeep, sweeps] = await Promise.all([
    ask((of) => countConcluded(of, { slotSeconds: flowSlotMs / 1000, slots: shownSlots, limit: countLimit })),
    ask((of) => countFailures(of, { limit: backlogLimit })),
    ask((of) => measureBacklog(of, { limit: backlogLimit })),
    ask((of) => measureUpkeep(of, { limit: backlogLimit })),
    ask((of) => readSweeps(of.db)),
  ]);
  return { concluded, failures, backlog, upkeep, sweeps };
}
