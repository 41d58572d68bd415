// Applies one event: everything it does is one transaction with its conclusion, so that a crash, a twin job or a
// replay leaves the same rows as doing it once.
import { AppError } from '../core/app-error.ts';
import { toldWord } from '../core/change-schemas.ts';
import { sha256Hex } from '../core/event-key.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import { decideRetry } from '../core/retry-policy.ts';
import { createTurns, NoTurnError, type Turns } from '../core/turns.ts';
import { readEnvelope, type ReadableEnvelope } from '../lean/webhook-envelope.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RunnerJob } from '../queue/job-processor.ts';
import type { SyncQueue } from '../queue/work-queues.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { appendChanges } from '../store/change-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { entityExists } from '../store/entity-store.ts';
import { concludeEvent, readEvents, type Conclusion, type StoredEvent } from '../store/event-store.ts';
import { createGatherer } from '../store/gathered.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { reportClosedRun } from './closed-run-report.ts';
import { conclude } from './conclude-event.ts';
import { unlessErased } from './erased-event.ts';
import { createEventBatches, type EventBatches } from './event-batches.ts';
import { handlerFor, isShareable } from './event-dispatch.ts';
import type { EventHandler, FollowUps, HandlerAnswer } from './event-handler.ts';
import type { JobReport } from './job-report.ts';
import { unlessRemoved } from './removed-entity.ts';
import { keyMissingDelayMs, openBody, type OpenedBody } from './sealed-bodies.ts';
import type { StepBack } from './step-back.ts';

export interface EventJobDeps {
  readonly database: Database;
  readonly keyRing: KeyRing | null;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  /** LEAN_API_VERSION. */
  readonly apiVersion: 'v1' | 'v2';
  /** How many are applied alone at a time, each with a connection to Postgres. */
  readonly aloneLimit: number;
  readonly stepBack: StepBack;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'events' | 'eventBatches' | 'syncs'>;
  readonly now: () => Date;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

const done = { kind: 'done' } as const;
/** Before an entity's first sync, which waits for it. */
const provePriority = 1;
/** Jobs of one run that are added right after its commit; the reconciler brings what is beyond. */
const followUpLimit = 500;
/** Bodies that one statement brings at most: each may be as large as BODY_LIMIT_BYTES. */
const readAtOnce = 32;
const noTurnDelayMs = 1_000;

export function createEventJob(options: EventJobDeps) {
  const { db } = options.database;
  const read = createGatherer(async (eventKeys: readonly string[]) => {
    const events: (StoredEvent | null)[] = [];
    for (let from = 0; from < eventKeys.length; from += readAtOnce)
      events.push(...(await readEvents(db, eventKeys.slice(from, from + readAtOnce))));
    return events;
  });
  const takeTurns = createTurns(options.aloneLimit);
  const deps = { ...options, batches: createEventBatches(options) };
  return async (job: RunnerJob<'webhook-events'>, signal: AbortSignal): Promise<JobReport> => {
    signal.throwIfAborted();
    let eventType: string | null = null;
    try {
      const event = await read(job.data.eventKey);
      deps.stepBack.answered();
      if (event === null) return { verdict: done, outcome: 'unknown_event' };
      eventType = event.type;
      if (event.concluded) return { verdict: done, outcome: 'already_concluded', eventType };
      const parts: JobParts = { ...deps, signal, takeTurn: (run) => takeTurns(run, signal) };
      return { eventType, ...(await applyEvent(parts, event)) };
    } catch (error) {
      // Its time was spent in waiting: that is no attempt, and another worker may have a place for it.
      if (error instanceof NoTurnError)
        return { verdict: { kind: 'later', delayMs: noTurnDelayMs }, outcome: 'no_turn', eventType };
      const away = deps.stepBack.delayFor(error);
      if (away !== null) {
        return { verdict: { kind: 'later', delayMs: away.delayMs }, outcome: away.code, eventType, error };
      }
      const code = conclusiveCode(error, job.attempt);
      if (code === null || signal.aborted) throw error;
      const state = code === 'EVENT_PAYLOAD_INVALID' ? 'quarantined' : 'failed';
      await conclude(deps, { eventKey: job.data.eventKey, conclusion: { state, failureCode: code } });
      return { verdict: done, outcome: code, eventType, error };
    }
  };
}

/** What ends the event for good; null while another attempt may help. */
function conclusiveCode(error: unknown, attempt: number): FailureCode | null {
  const code = error instanceof AppError ? error.code : null;
  if (code === 'EVENT_PAYLOAD_INVALID' || code === 'CHANGE_INVALID') return code;
  const decision = decideRetry({ retryClass: 'event_surprise', attempt, random: 0 });
  return decision.kind === 'give_up' ? 'EVENT_HANDLER_FAILED' : null;
}

interface JobParts extends EventJobDeps {
  readonly signal: AbortSignal;
  readonly takeTurn: Turns;
  readonly batches: EventBatches;
}

async function applyEvent(deps: JobParts, event: StoredEvent): Promise<JobReport> {
  const body = openEventBody(deps, event);
  if (body.kind === 'key_missing') {
    return { verdict: { kind: 'later', delayMs: keyMissingDelayMs }, outcome: 'PAYLOAD_KEY_MISSING' };
  }
  if (body.kind === 'unreadable') {
    return concluded(deps, event, { state: 'quarantined', failureCode: 'PAYLOAD_UNREADABLE' });
  }
  const envelope = readEnvelope(body.rawBody);
  if (envelope.kind === 'unreadable') {
    return concluded(deps, event, { state: 'quarantined', failureCode: envelope.code });
  }
  const handler = handlerFor(envelope.type);
  if (handler === null) return ignoreEvent(deps, event, envelope);
  if (!(await isOurs(deps, event, envelope))) return askWhoseItIs(deps, event);
  return handleEvent(deps, event, { envelope, handler });
}

function openEventBody({ keyRing }: EventJobDeps, { eventKey, body }: StoredEvent): OpenedBody {
  if (body === null) return { kind: 'unreadable' };
  // A conflicting body's key is not the one its bytes give; the record id is the key of the row.
  return openBody(keyRing, { purpose: 'event', recordId: eventKey }, body);
}

/** An event that names an entity is ours when that is proven; results prove themselves, in their handler. */
async function isOurs(
  { database }: EventJobDeps,
  { ownershipProven }: StoredEvent,
  { entityId }: ReadableEnvelope,
): Promise<boolean> {
  return ownershipProven || entityId === null || entityExists(database.db, entityId);
}

/** Nothing is written: the answer comes back as this event's ownership, and with it another job for it. */
async function askWhoseItIs({ syncQueue }: EventJobDeps, event: StoredEvent): Promise<JobReport> {
  const { eventKey, replayCount } = event;
  const id = `pr_${sha256Hex(eventKey)}_${replayCount}`;
  await syncQueue.add([{ id, data: { kind: 'prove', eventKey }, priority: provePriority }]);
  return { verdict: done, outcome: 'ownership_asked' };
}

/** Known when it was stored, but not to this version. */
async function ignoreEvent(
  deps: JobParts,
  event: StoredEvent,
  envelope: ReadableEnvelope,
): Promise<JobReport> {
  const answer = await inOneTransaction(deps, event, async (transaction) => {
    if (event.ownershipProven) {
      await appendChanges(transaction, [
        {
          change: 'event.recorded',
          entityId: envelope.entityId,
          customerId: envelope.customerId,
          eventKey: event.eventKey,
          details: { type: toldWord(envelope.type) },
        },
      ]);
    }
    return { kind: 'concluded', conclusion: { state: 'ignored' } };
  });
  return { verdict: done, outcome: answer?.kind === 'concluded' ? 'ignored' : 'already_concluded' };
}

async function handleEvent(deps: JobParts, event: StoredEvent, handled: Handled): Promise<JobReport> {
  const answer = (await applyInCompany(deps, event, handled)) ?? (await applyAlone(deps, event, handled));
  if (answer === null) return { verdict: done, outcome: 'already_concluded' };
  if (answer.kind === 'open') return { verdict: done, outcome: answer.outcome };
  const { state, failureCode } = answer.conclusion;
  for (const run of answer.closedRuns ?? []) reportClosedRun(deps, run);
  try {
    await addFollowUps(deps, answer);
    return { verdict: done, outcome: failureCode ?? state };
  } catch (error) {
    // The event stands; its syncs are rows, from which the reconciler makes the jobs.
    return { verdict: done, outcome: failureCode ?? state, error };
  }
}

interface Handled {
  readonly envelope: ReadableEnvelope;
  readonly handler: EventHandler;
}

/** Null where that cannot be, or did not go well: applied alone it is told what became of it. */
async function applyInCompany(
  { apiVersion, batches, metrics, signal }: JobParts,
  event: StoredEvent,
  { envelope, handler }: Handled,
): Promise<HandlerAnswer | null> {
  const { entityId } = envelope;
  if (entityId === null || !isShareable(envelope, apiVersion)) return null;
  const answer = await batches.apply({ event, envelope: { ...envelope, entityId }, handler }, signal);
  if (answer?.kind === 'concluded') metrics.events.inc({ state: answer.conclusion.state });
  return answer;
}

function applyAlone(
  deps: JobParts,
  event: StoredEvent,
  { envelope, handler }: Handled,
): Promise<HandlerAnswer | null> {
  const { database, apiVersion } = deps;
  const guarded = unlessErased(unlessRemoved(handler));
  return inOneTransaction(deps, event, (transaction) =>
    guarded({ database, transaction, event, envelope, now: deps.now(), apiVersion }),
  );
}

/** Null when somebody else had concluded the event meanwhile: then nothing of this run remains. */
async function inOneTransaction(
  { database, metrics, takeTurn }: JobParts,
  { eventKey }: StoredEvent,
  run: (transaction: TablesTransaction) => Promise<HandlerAnswer>,
): Promise<HandlerAnswer | null> {
  try {
    const apply = async (transaction: TablesTransaction): Promise<HandlerAnswer> => {
      const given = await run(transaction);
      if (given.kind === 'open') return given;
      if (!(await concludeEvent(transaction, eventKey, given.conclusion))) throw new ConcludedElsewhere();
      return given;
    };
    const answer = await takeTurn(() => database.transaction(apply));
    if (answer.kind === 'concluded') metrics.events.inc({ state: answer.conclusion.state });
    return answer;
  } catch (error) {
    if (error instanceof ConcludedElsewhere) return null;
    throw error;
  }
}

/** Thrown to roll back; never leaves this file. */
class ConcludedElsewhere extends Error {}

async function addFollowUps(
  { database, syncQueue }: EventJobDeps,
  { syncIds = [], resultsIds = [], jobs: made = [] }: FollowUps,
): Promise<void> {
  if (made.length > 0) await syncQueue.add(made);
  const questions = [
    ...syncIds.map((syncId) => ({ syncId })),
    ...resultsIds.map((resultsId) => ({ resultsId })),
  ];
  for (const question of questions) {
    const jobs = await openStepJobs(database, { ...question, limit: followUpLimit });
    if (jobs.length > 0) await syncQueue.add(jobs);
  }
}

async function concluded(
  deps: EventJobDeps,
  { eventKey }: StoredEvent,
  conclusion: Conclusion,
): Promise<JobReport> {
  await conclude(deps, { eventKey, conclusion });
  return { verdict: done, outcome: conclusion.failureCode ?? conclusion.state };
}
