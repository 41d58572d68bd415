// Takes a batch of deliveries from Redis into Postgres. Until that has been committed the bytes stay in the job and
// in the receiver's journal: nothing here may lose or skip one.
import { eventJobId, eventKey as eventKeyOf, sha256Hex } from '../core/event-key.ts';
import { canonicalPayloadHash, readEnvelope } from '../lean/webhook-envelope.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { IntakeJob } from '../queue/job-schemas.ts';
import type { RunnerJob } from '../queue/job-processor.ts';
import type { EventQueue } from '../queue/work-queues.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database } from '../store/database.ts';
import type { IntakeDelivery } from '../store/intake-groups.ts';
import { storeBatch, type OpenEvent, type StoredBatch } from '../store/intake-store.ts';
import { isHandled } from './event-dispatch.ts';
import type { JobReport } from './job-report.ts';
import { keyMissingDelayMs, openBody } from './sealed-bodies.ts';
import type { StepBack } from './step-back.ts';

export interface IntakeJobDeps {
  readonly database: Database;
  readonly keyRing: KeyRing | null;
  /** EVENT_KEY_KEEP_DAYS; left out, no event is too old. */
  readonly eventKeyKeepDays?: number;
  readonly eventQueue: Pick<EventQueue, 'add'>;
  readonly stepBack: StepBack;
  readonly metrics: Pick<Metrics, 'events' | 'eventWarnings'>;
  /** Told of what is set aside on arrival, by code: a body that contradicts another is an alarm. */
  readonly logger?: Logger;
}

type DeliveriesJob = Extract<IntakeJob, { v: 1 }>;

const storedVerdict = { kind: 'done', replaceData: { stored: true } } as const;

export function createIntakeJob(deps: IntakeJobDeps) {
  return async (job: RunnerJob<'webhook-intake'>, signal: AbortSignal): Promise<JobReport> => {
    if ('stored' in job.data) return { verdict: { kind: 'done' }, outcome: 'already_stored' };
    signal.throwIfAborted();
    const { deliveries } = job.data;
    const opened = openDeliveries(job.data, deps.keyRing);
    if (opened === null) {
      const verdict = { kind: 'later', delayMs: keyMissingDelayMs } as const;
      return { verdict, outcome: 'PAYLOAD_KEY_MISSING', deliveries: deliveries.length };
    }
    try {
      const stored = await storeBatch(deps.database, {
        jobId: job.id,
        deliveries: opened,
        keyRing: deps.keyRing,
        eventKeyKeepDays: deps.eventKeyKeepDays,
      });
      for (const { state } of stored.concluded) deps.metrics.events.inc({ state });
      tellQuarantined(deps, stored);
      const warned = opened.filter(({ warnings = [] }) => warnings.length > 0);
      if (!stored.alreadyStored) countWarnings(deps, warned);
      if (stored.openEvents.length > 0) await deps.eventQueue.add(stored.openEvents.map(toEventJob));
      deps.stepBack.answered();
      return {
        verdict: storedVerdict,
        outcome: stored.alreadyStored ? 'already_stored' : 'stored',
        deliveries: deliveries.length,
        events: stored.openEvents.length,
        ...(warned.length > 0 && { warned: warned.length }),
      };
    } catch (error) {
      const away = deps.stepBack.delayFor(error);
      if (away === null) throw error;
      const verdict = { kind: 'later', delayMs: away.delayMs } as const;
      return { verdict, outcome: away.code, deliveries: deliveries.length, error };
    }
  };
}

function tellQuarantined({ logger }: IntakeJobDeps, { concluded }: StoredBatch): void {
  const counts = new Map<string, number>();
  for (const { state, failureCode } of concluded) {
    if (state === 'quarantined' && failureCode !== null)
      counts.set(failureCode, (counts.get(failureCode) ?? 0) + 1);
  }
  for (const [code, events] of counts) logger?.write('events_quarantined', { failure_code: code, events });
}

function countWarnings({ metrics }: IntakeJobDeps, warned: readonly IntakeDelivery[]): void {
  for (const { warnings = [] } of warned) {
    for (const warning of warnings) metrics.eventWarnings.inc({ warning });
  }
}

export function toEventJob({ eventKey, replayCount }: OpenEvent) {
  return { id: eventJobId(eventKey, replayCount), data: { eventKey } };
}

/** Null while a key is missing: the whole batch waits for it, since stored in part it would count as stored. */
function openDeliveries(
  { journalId, deliveries }: DeliveriesJob,
  keyRing: KeyRing | null,
): IntakeDelivery[] | null {
  const read: IntakeDelivery[] = [];
  for (const delivery of deliveries) {
    const recordId = `${journalId}:${delivery.sequence}`;
    const sealed = Buffer.from(delivery.sealed, 'base64');
    const body = openBody(keyRing, { purpose: 'delivery', recordId }, sealed);
    if (body.kind === 'key_missing') return null;
    read.push(body.kind === 'opened' ? readDelivery(delivery, body.rawBody) : keepDamaged(delivery, sealed));
  }
  return read;
}

/** Nobody will read it again; what is left of it is kept as it came, for an operator. */
function keepDamaged(
  { receivedAt, proof }: DeliveriesJob['deliveries'][number],
  sealed: Uint8Array,
): IntakeDelivery {
  return {
    ...nothingRead,
    eventKey: eventKeyOf(null, sealed),
    receivedAt,
    proof,
    rawBody: sealed,
    payloadHash: sha256Hex(sealed),
    failureCode: 'PAYLOAD_UNREADABLE',
  };
}

/** As it is stored; total over all bytes. */
export function readDelivery(
  { receivedAt, proof }: Pick<IntakeDelivery, 'receivedAt' | 'proof'>,
  rawBody: Uint8Array,
): IntakeDelivery {
  const envelope = readEnvelope(rawBody);
  const common = { eventKey: envelope.eventKey, receivedAt, proof, rawBody };
  if (envelope.kind === 'unreadable') {
    return { ...common, ...nothingRead, payloadHash: sha256Hex(rawBody), failureCode: envelope.code };
  }
  return {
    ...common,
    eventId: envelope.eventId,
    type: envelope.type,
    entityId: envelope.entityId,
    customerId: envelope.customerId,
    resultsId: envelope.resultsId,
    occurredAt: envelope.timestamp,
    occurredAtText: envelope.timestampText,
    payloadHash: canonicalPayloadHash(envelope.type, envelope.payload),
    warnings: envelope.warnings,
    state: isHandled(envelope.type) ? 'received' : 'ignored',
    failureCode: null,
  };
}

const nothingRead = {
  eventId: null,
  type: null,
  entityId: null,
  customerId: null,
  occurredAt: null,
  occurredAtText: null,
  state: 'quarantined',
} as const;
