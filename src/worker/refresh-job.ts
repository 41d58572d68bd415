// A refresh that somebody asked for: one call that has Lean ask the bank again. Its end comes as a webhook, or is found
// by the freshness sweep; nothing is fetched here.
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../core/app-error.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import { decideRetry } from '../core/retry-policy.ts';
import { unreadableReply, type LeanFailure } from '../lean/lean-failures.ts';
import type { CallFacts } from '../lean/lean-reply.ts';
import { isRemoved } from '../store/entity-lock.ts';
import { readAskedEntity, type AskedEntity } from '../store/entity-refresh-store.ts';
import {
  beginRefresh,
  lockRefreshRequest,
  readRefreshRequest,
  recentRefreshes,
  type RefreshRequest,
} from '../store/refresh-request-store.ts';
import { concludeRequest, postponeRequest } from '../store/request-conclusion.ts';
import type { TablesTransaction } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import type { SyncQueueJob } from '../queue/work-queues.ts';
import type { FreshnessDeps } from './freshness-job.ts';
import type { JobReport } from './job-report.ts';
import { reportLeanCall } from './lean-call-report.ts';
import { replyOrder } from './reply-order.ts';
import { reportRequest, type RequestFate } from './request-report.ts';
import type { StepBack } from './step-back.ts';
import { stopEntity } from './stopped-entity.ts';

export interface RefreshJobData {
  readonly requestId: string;
  readonly attempts: number;
}

export type RefreshJob = (data: RefreshJobData, signal: AbortSignal) => Promise<JobReport>;

const done = { kind: 'done' } as const;
const nothingToDo = { verdict: done, outcome: 'nothing_to_do' } as const;
const operation = 'refresh';
/** "10-minute cooldown", by a third party's reading of Lean's documentation; Lean's own 429 decides where it is longer. */
const cooldownMs = 600_000;
/** "At most 2 manual refreshes per entity per day", of the same source; what Lean refuses would hold back every worker. */
const refreshesPerDay = 2;
const dayMs = 86_400_000;
/** Below a job's deadline; a failover takes less. What is away for longer is asked for again after the cooldown. */
const insistMs = 60_000;
const firstPauseMs = 250;
const lastPauseMs = 5_000;
/** As an application's request for a sync. */
const refreshPriority = 11;

export function refreshJob({ requestId, attempts }: RefreshRequest): SyncQueueJob {
  const data = { kind: 'refresh', requestId, attempts } as const;
  return { id: `rf_${requestId}_${attempts}`, data, priority: refreshPriority };
}

interface RefreshDeps extends FreshnessDeps {
  readonly stepBack: Pick<StepBack, 'delayFor'>;
}

/** Which request is ours, by its number. */
type Held = Pick<RefreshRequest, 'requestId' | 'attempts'>;

/** How far an attempt has come, for when nobody knows how it went on. */
interface Progress {
  held: Held;
  /** Lean has taken it, whatever happens afterwards. */
  startedAs: { readonly refreshId: string | null } | null;
}

export function createRefreshJob(deps: RefreshDeps): RefreshJob {
  return async (data, signal) => {
    const progress: Progress = { held: data, startedAs: null };
    try {
      return { ...(await attempt(deps, { data, progress }, signal)), operation };
    } catch (error) {
      const { held, startedAs } = progress;
      if (startedAs !== null && databaseFailure(error) === 'away') {
        const run = () => started(deps, held, startedAs);
        return { ...(await insist(run, signal)), operation, error };
      }
      const isSlow = startedAs === null && databaseFailure(error) === 'slow';
      // Tried again: at once before Lean was asked, and afterwards when the lease is over.
      if (signal.aborted || isSlow || deps.stepBack.delayFor(error) !== null) throw error;
      const code = error instanceof AppError ? error.code : 'SYNC_STEP_FAILED';
      // What has started did not fail: its row was held by somebody for a moment too long.
      const report = startedAs === null ? conclude(deps, held, code) : started(deps, held, startedAs);
      return { ...(await report), operation, error };
    }
  };
}

/** What Lean has started only this process knows of: worth waiting for a database that is away for a moment. */
async function insist(run: () => Promise<JobReport>, signal: AbortSignal): Promise<JobReport> {
  const endsMs = performance.now() + insistMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
    await sleep(pauseMs, undefined, { signal });
    try {
      return await run();
    } catch (error) {
      if (databaseFailure(error) !== 'away' || performance.now() > endsMs) throw error;
    }
  }
}

async function attempt(
  deps: FreshnessDeps,
  { data, progress }: { readonly data: RefreshJobData; readonly progress: Progress },
  signal: AbortSignal,
): Promise<JobReport> {
  const { database, lean, bankGate } = deps;
  const request = await readRefreshRequest(database.db, data);
  if (request === null) return nothingToDo;
  const { entityId } = request;
  const entity = await readAskedEntity(database.db, entityId);
  if (entity === null) return conclude(deps, request, 'LEAN_ENTITY_UNKNOWN');
  if (isRemoved(entity)) return conclude(deps, request, 'ENTITY_REMOVED');
  const wait = await waitBefore(deps, entity);
  if (wait !== null) return postpone(deps, request, wait);
  const begun = await beginRefresh(database, { ...data, leaseMs: cooldownMs });
  if (begun === null) return nothingToDo;
  progress.held = begun;
  const reply = await lean.startRefresh({ entityId, signal });
  const { facts } = reply;
  const called = { facts, attempt: begun.calls };
  if (reply.kind === 'ok') {
    progress.startedAs = reply;
    reportLeanCall(deps, { ...called, outcome: 'ok' });
    return started(deps, begun, reply);
  }
  const failure = reply.kind === 'failed' ? reply.failure : unreadableReply(null);
  reportLeanCall(deps, { ...called, outcome: failure.code });
  // That Lean takes it says nothing of the bank.
  await bankGate.learn(entity.bankIdentifier, failure);
  return settle(deps, begun, { failure, facts });
}

interface Wait {
  readonly delayMs: number;
  readonly failureCode: 'LEAN_BANK_ISSUE' | 'LEAN_DUPLICATED_REQUEST' | 'REFRESH_LIMIT_REACHED';
}

async function waitBefore(
  { database, bankGate }: FreshnessDeps,
  { entityId, bankIdentifier }: AskedEntity,
): Promise<Wait | null> {
  const bankMs = await bankGate.delayFor(bankIdentifier);
  if (bankMs !== null) return { delayMs: bankMs, failureCode: 'LEAN_BANK_ISSUE' };
  const { agesMs } = await recentRefreshes(database.db, entityId);
  // The one that has to be a day old before there may be another.
  const countedMs = agesMs[refreshesPerDay - 1];
  if (countedMs !== undefined) return { delayMs: dayMs - countedMs, failureCode: 'REFRESH_LIMIT_REACHED' };
  const [sinceLastMs = cooldownMs] = agesMs;
  if (sinceLastMs >= cooldownMs) return null;
  return { delayMs: cooldownMs - sinceLastMs, failureCode: 'LEAN_DUPLICATED_REQUEST' };
}

/** Nothing, also of the fate, when a twin was faster. */
async function lockedIn(
  deps: FreshnessDeps,
  { request, ...fate }: Pick<RequestFate, 'outcome' | 'failureCode'> & { readonly request: Held },
  run: (transaction: TablesTransaction) => Promise<void>,
): Promise<void> {
  const isOurs = await deps.database.transaction(async (transaction) => {
    if ((await lockRefreshRequest(transaction, request)) === null) return false;
    await run(transaction);
    return true;
  });
  if (isOurs) reportRequest(deps, { kind: 'refresh', requestId: request.requestId, ...fate });
}

async function postpone(
  deps: FreshnessDeps,
  request: RefreshRequest,
  { delayMs, failureCode }: Wait,
): Promise<JobReport> {
  const { requestId } = request;
  await lockedIn(deps, { request, outcome: 'later', failureCode }, (transaction) =>
    postponeRequest(transaction, { requestId, againInMs: delayMs, failureCode, isUntried: true }),
  );
  return { verdict: done, outcome: 'later' };
}

async function started(
  deps: FreshnessDeps,
  request: Held,
  { refreshId }: { readonly refreshId: string | null },
): Promise<JobReport> {
  const { requestId } = request;
  await lockedIn(deps, { request, outcome: 'done' }, (transaction) =>
    concludeRequest(transaction, { requestId, state: 'done', refreshId, failureCode: null }),
  );
  return { verdict: done, outcome: 'started' };
}

async function conclude(deps: FreshnessDeps, request: Held, failureCode: FailureCode): Promise<JobReport> {
  const { requestId } = request;
  await lockedIn(deps, { request, outcome: 'failed', failureCode }, (transaction) =>
    concludeRequest(transaction, { requestId, state: 'failed', failureCode }),
  );
  return { verdict: done, outcome: failureCode };
}

async function settle(
  deps: FreshnessDeps,
  request: RefreshRequest,
  { failure, facts }: { readonly failure: LeanFailure; readonly facts: CallFacts },
): Promise<JobReport> {
  const { database, random, now } = deps;
  const { requestId, entityId, customerId, calls, triedForMs } = request;
  const { code, action, retryClass, retryAfterMs } = failure;
  if (action === 'stop_entity') {
    const order = replyOrder({ at: failure.at, facts, now: now(), key: `refresh:${requestId}` });
    const stopped = { entityId, customerId, failure, order };
    await database.transaction((transaction) => stopEntity(database, transaction, stopped));
    return conclude(deps, request, code);
  }
  if (retryClass === null) return conclude(deps, request, code);
  const asked = { retryClass, attempt: calls, triedForMs, random: random(), retryAfterMs };
  const decision = decideRetry(asked);
  if (decision.kind === 'give_up') return conclude(deps, request, code);
  const { delayMs } = decision;
  await lockedIn(deps, { request, outcome: 'later', failureCode: code }, (transaction) =>
    postponeRequest(transaction, { requestId, againInMs: delayMs, failureCode: code }),
  );
  // Too many requests hold back everybody; this request then has another job.
  const verdict = retryClass === 'lean_rate_limit' ? ({ kind: 'paused', delayMs } as const) : done;
  return { verdict, outcome: code };
}
