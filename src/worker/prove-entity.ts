// Asks Lean, with our own token, whether the entity of an event is ours. Where nothing else proves it, nothing of the
// event is written before Lean has said yes.
import { AppError } from '../core/app-error.ts';
import { decideRetry } from '../core/retry-policy.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import type { CallFacts } from '../lean/lean-reply.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { JobVerdict } from '../queue/job-processor.ts';
import type { EventQueue } from '../queue/work-queues.ts';
import type { Database } from '../store/database.ts';
import { entityExists } from '../store/entity-store.ts';
import { concludeEvent, readEvent, recordOwnership, type StoredEvent } from '../store/event-store.ts';
import { toEventJob } from './intake-job.ts';

export interface ProveEntityDeps {
  readonly database: Database;
  readonly lean: Pick<LeanClient, 'getEntity' | 'getAccounts'>;
  readonly eventQueue: Pick<EventQueue, 'add'>;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'leanCalls' | 'leanCallSeconds' | 'events'>;
  readonly now: () => Date;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

export type ProveEntity = (eventKey: string, signal: AbortSignal) => Promise<JobVerdict>;

const done = { kind: 'done' } as const;
/** After so long without an answer the event goes to the quarantine, from where it can be replayed. */
const askForMs = 24 * 3_600_000;
/** Waiting in the queue keeps no count of attempts; every pause is drawn as for the third. */
const assumedAttempt = 3;

export function createProveEntity(deps: ProveEntityDeps): ProveEntity {
  const { database, eventQueue } = deps;
  return async (eventKey, signal) => {
    const event = await readEvent(database.db, eventKey);
    if (event === null || event.concluded || event.entityId === null) return done;
    if (!event.ownershipProven && !(await entityExists(database.db, event.entityId))) {
      const answer = await askLean(deps, { event, entityId: event.entityId, signal });
      if (answer.kind !== 'ours') return conclude(deps, event, answer);
      await recordOwnership(database.db, eventKey);
    }
    await eventQueue.add([toEventJob(event)]);
    return done;
  };
}

type Answer =
  | { readonly kind: 'ours' }
  | { readonly kind: 'not_ours' }
  | { readonly kind: 'not_an_id' }
  | { readonly kind: 'no_answer'; readonly failure: LeanFailure };

async function askLean(
  deps: ProveEntityDeps,
  { event, entityId, signal }: { event: StoredEvent; entityId: string; signal: AbortSignal },
): Promise<Answer> {
  const { lean } = deps;
  const { customerId } = event;
  try {
    const reply =
      customerId === null
        ? await lean.getAccounts({ entityId, page: 0, signal })
        : await lean.getEntity({ customerId, entityId, signal });
    writeCall(deps, reply.facts, reply.kind === 'failed' ? reply.failure.code : reply.kind);
    return reply.kind === 'failed' ? judgeFailure(reply.failure) : { kind: 'ours' };
  } catch (error) {
    if (error instanceof AppError && error.code === 'LEAN_ID_INVALID') return { kind: 'not_an_id' };
    throw error;
  }
}

function judgeFailure(failure: LeanFailure): Answer {
  if (failure.code === 'LEAN_ENTITY_UNKNOWN') return { kind: 'not_ours' };
  // Whatever else stops an entity is said of one that Lean found under our token.
  return failure.action === 'stop_entity' ? { kind: 'ours' } : { kind: 'no_answer', failure };
}

async function conclude(
  { database, metrics, now, random }: ProveEntityDeps,
  { eventKey, receivedAt }: StoredEvent,
  answer: Exclude<Answer, { kind: 'ours' }>,
): Promise<JobVerdict> {
  if (answer.kind === 'not_ours') {
    const conclusion = { state: 'ignored', failureCode: 'ENTITY_NOT_OURS' } as const;
    if (await concludeEvent(database.db, eventKey, conclusion)) metrics.events.inc({ state: 'ignored' });
    return done;
  }
  if (answer.kind === 'not_an_id') {
    const conclusion = { state: 'quarantined', failureCode: 'EVENT_PAYLOAD_INVALID' } as const;
    if (await concludeEvent(database.db, eventKey, conclusion)) metrics.events.inc({ state: 'quarantined' });
    return done;
  }
  const { code, retryClass, retryAfterMs } = answer.failure;
  if (now().getTime() - receivedAt.getTime() > askForMs) {
    const conclusion = { state: 'failed', failureCode: code } as const;
    if (await concludeEvent(database.db, eventKey, conclusion)) metrics.events.inc({ state: 'failed' });
    return done;
  }
  // The event is still open: where no retry makes sense now, the reconciler brings it again.
  if (retryClass === null) return done;
  const decision = decideRetry({ retryClass, attempt: assumedAttempt, random: random(), retryAfterMs });
  if (decision.kind === 'give_up') return done;
  return { kind: code === 'LEAN_RATE_LIMITED' ? 'paused' : 'later', delayMs: decision.delayMs };
}

function writeCall({ logger, metrics }: ProveEntityDeps, facts: CallFacts, outcome: string): void {
  const { operation, httpStatus, durationMs, correlationId, traceId } = facts;
  metrics.leanCalls.inc({ operation, outcome });
  metrics.leanCallSeconds.observe({ operation, outcome }, durationMs / 1000);
  logger.write('lean_call', {
    operation,
    outcome,
    http_status: httpStatus ?? undefined,
    duration_ms: Math.round(durationMs),
    correlation_id: correlationId ?? undefined,
    trace_id: traceId ?? undefined,
  });
}
