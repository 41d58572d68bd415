// What a step does when Lean did not give its data: again later, by the retry table, also where an operator has to act
// first; given up, while the other lists go on; or the whole entity stopped, because its customer must act first.
import type { FailureCode } from '../core/failure-codes.ts';
import { decideRetry, type RetryClass } from '../core/retry-policy.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import type { FailedReply } from '../lean/lean-reply.ts';
import type { FactOrder } from '../store/entity-store.ts';
import { recordAsked, resolveResults } from '../store/pending-results-store.ts';
import { closeRun } from '../store/sync-store.ts';
import { endStep, postponeStep } from '../store/sync-step-store.ts';
import { replyOrder } from './reply-order.ts';
import { stopEntity } from './stopped-entity.ts';
import { closeWhenFinished } from './sync-close.ts';
import type { StepContext, StepResult } from './sync-context.ts';

/** Of a promised result these say something about the road to it, not about the result: it is asked for again. */
const resultMayCome = new Set<RetryClass>([
  'lean_network',
  'lean_timeout',
  'lean_server',
  'lean_rate_limit',
  'lean_results_pending',
]);

export async function applyFailure(
  context: StepContext,
  { failure, facts }: FailedReply,
): Promise<StepResult> {
  if (failure.action === 'stop_entity') {
    const { step, now } = context;
    const order = replyOrder({ at: failure.at, facts, now, key: `${step.syncId}:${step.stepKey}` });
    return stopRun(context, failure, order);
  }
  if (failure.action === 'stop_alert') {
    // Where this alone is refused to us the data is not kept waiting for it; it is asked for with the next refresh.
    if (context.step.kind === 'entity' && failure.code === 'LEAN_ACCESS_DENIED')
      return giveUp(context, failure.code);
    return retry(context, { ...failure, retryClass: 'lean_refusal' });
  }
  if (failure.action !== 'retry' || failure.retryClass === null) return giveUp(context, failure.code);
  return retry(context, { ...failure, retryClass: failure.retryClass });
}

interface Retry {
  readonly code: FailureCode;
  readonly retryClass: RetryClass;
  readonly retryAfterMs?: number | undefined;
}

/** Also for what went wrong on our own side. */
export async function retry(
  context: StepContext,
  { code, retryClass, retryAfterMs }: Retry,
): Promise<StepResult> {
  const { transaction, step, now, random } = context;
  const decision = decideRetry({ ...triesOf(context), retryClass, random, retryAfterMs });
  if (decision.kind === 'give_up') return giveUp(context, code);
  const { delayMs } = decision;
  const staysPending = step.state === 'pending' && resultMayCome.has(retryClass);
  if (step.resultsId !== null && !staysPending) await resolveResults(transaction, step.resultsId);
  const job = await postponeStep(transaction, {
    ...step,
    state: staysPending ? 'pending' : 'open',
    resultsId: staysPending ? step.resultsId : null,
    dueAt: new Date(now.getTime() + delayMs),
    failureCode: code,
  });
  if (retryClass === 'lean_rate_limit') return { outcome: code, jobs: [], closed: null, pauseMs: delayMs };
  return { outcome: code, jobs: [{ ...job, delayMs }], closed: null, pauseMs: null };
}

function triesOf({ step, now }: StepContext) {
  return { attempt: step.attempts + 1, triedForMs: now.getTime() - step.createdAt.getTime() };
}

export async function giveUp(context: StepContext, failureCode: FailureCode): Promise<StepResult> {
  const { transaction, step } = context;
  if (step.resultsId !== null) await resolveResults(transaction, step.resultsId);
  await endStep(transaction, { ...step, state: 'failed', failureCode });
  return { outcome: failureCode, jobs: [], closed: await closeWhenFinished(context), pauseMs: null };
}

/** Lean gives nothing of the entity any more: no other call of the run is made. */
export async function stopRun(
  { database, transaction, step }: StepContext,
  failure: Pick<LeanFailure, 'code' | 'reconnectId'>,
  order: FactOrder,
): Promise<StepResult> {
  const { code } = failure;
  await endStep(transaction, { ...step, state: 'failed', failureCode: code });
  await stopEntity(database, transaction, { ...step, failure, order });
  const closed = await closeRun(database, transaction, {
    syncId: step.syncId,
    state: 'failed',
    failureCode: code,
  });
  return { outcome: code, jobs: [], closed, pauseMs: null };
}

/** Lean promises the data under an id. Its `results.ready` may have come before our record of the id. */
export async function applyPending(context: StepContext, resultsId: string): Promise<StepResult> {
  const { transaction, step, now, random } = context;
  const decision = decideRetry({ ...triesOf(context), retryClass: 'lean_results_pending', random });
  if (decision.kind === 'give_up') return giveUp(context, 'RESULTS_NEVER_READY');
  const dueAt = new Date(now.getTime() + decision.delayMs);
  const { isReady, polls } = await recordAsked(transaction, { ...step, resultsId, askedAt: now, dueAt });
  // Ready, and still pending when asked: then the word was early, and the schedule counts.
  const isDueNow = isReady && polls <= 1 && step.resultsId !== resultsId;
  const job = await postponeStep(transaction, {
    ...step,
    state: 'pending',
    resultsId,
    dueAt: isDueNow ? now : dueAt,
    failureCode: null,
  });
  return { outcome: 'pending', jobs: isDueNow ? [job] : [], closed: null, pauseMs: null };
}
