// Asks Lean, with our own token, whether the entity of an event is ours. Where nothing else proves it, nothing of the
// event is written before Lean has said yes.
import { AppError } from '../core/app-error.ts';
import { decideRetry } from '../core/retry-policy.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { JobVerdict } from '../queue/job-processor.ts';
import type { EventQueue } from '../queue/work-queues.ts';
import type { Database } from '../store/database.ts';
import { entityExists } from '../store/entity-store.ts';
import { readEvent, recordOwnership, recordTry, type StoredEvent } from '../store/event-store.ts';
import { conclude } from './conclude-event.ts';
import { toEventJob } from './intake-job.ts';
import { reportLeanCall } from './lean-call-report.ts';

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

export function createProveEntity(deps: ProveEntityDeps): ProveEntity {
  const { database, eventQueue } = deps;
  return async (eventKey, signal) => {
    const event = await readEvent(database.db, eventKey);
    if (event === null || event.concluded || event.entityId === null) return done;
    if (!event.ownershipProven && !(await entityExists(database.db, event.entityId))) {
      const answer = await askLean(deps, { event, entityId: event.entityId, signal });
      if (answer.kind !== 'ours') return settle(deps, event, answer);
      await recordOwnership(database.db, eventKey);
    }
    // The job that had Lean asked may not have ended yet, and would swallow another one of its id.
    const job = toEventJob(event);
    await eventQueue.add([{ ...job, id: `${job.id}_p` }]);
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
    reportLeanCall(deps, {
      facts: reply.facts,
      outcome: reply.kind === 'failed' ? reply.failure.code : reply.kind,
    });
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

async function settle(
  deps: ProveEntityDeps,
  event: StoredEvent,
  answer: Exclude<Answer, { kind: 'ours' }>,
): Promise<JobVerdict> {
  const { eventKey } = event;
  if (answer.kind === 'not_ours') {
    await conclude(deps, { eventKey, conclusion: { state: 'ignored', failureCode: 'ENTITY_NOT_OURS' } });
    return done;
  }
  if (answer.kind === 'not_an_id') {
    const conclusion = { state: 'quarantined', failureCode: 'EVENT_PAYLOAD_INVALID' } as const;
    await conclude(deps, { eventKey, conclusion });
    return done;
  }
  return askAgain(deps, event, answer.failure);
}

/** Counted from the first question: however long the event had waited before, Lean is asked for a whole schedule. */
async function askAgain(
  deps: ProveEntityDeps,
  { eventKey }: StoredEvent,
  { code, action, retryClass, retryAfterMs }: LeanFailure,
): Promise<JobVerdict> {
  const { database, now, random } = deps;
  const { tries: attempt, triedForMs } = await recordTry(database.db, { eventKey, now: now() });
  // What is refused to us is refused until an operator acts, whatever the refusal says of this one call.
  const decision = decideRetry({
    retryClass: retryClass ?? 'lean_refusal',
    attempt,
    triedForMs,
    random: random(),
    retryAfterMs,
  });
  if (decision.kind === 'give_up') {
    await conclude(deps, { eventKey, conclusion: { state: 'failed', failureCode: code } });
    return done;
  }
  const isForAll = action === 'retry' && retryClass === 'lean_rate_limit';
  return { kind: isForAll ? 'paused' : 'later', delayMs: decision.delayMs };
}
