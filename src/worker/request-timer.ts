// Takes up what the application has asked for: looks every few seconds, and at once when woken. Refreshes become jobs,
// syncs are started, removed entities end; erasures are long and have a timer of their own. Asks Lean nothing itself.
import { AppError } from '../core/app-error.ts';
import { machineClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SyncQueue } from '../queue/work-queues.ts';
import { tryLock } from '../store/advisory-lock.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import {
  anythingAsked,
  dueRequests,
  markTaken,
  takeRequest,
  type DueRequest,
  type TakenRequest,
} from '../store/due-requests.ts';
import { isRemoved, lockEntity } from '../store/entity-lock.ts';
import { dueRefreshRequests } from '../store/refresh-request-store.ts';
import { concludeRequest, postponeRequest } from '../store/request-conclusion.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { requestSync, type ClosedRun } from '../store/sync-store.ts';
import { reportClosedRun } from './closed-run-report.ts';
import { refreshJob } from './refresh-job.ts';
import { removeEntity, type Removal } from './removed-entity.ts';
import { startTimer, type RepeatingTimer, type TimerAnswer } from './repeating-timer.ts';
import { reportRequest, type RequestFate } from './request-report.ts';

export interface RequestTimerOptions {
  readonly database: Database;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'syncs' | 'requests'>;
  /** Between two looks, varied by a fifth; 4,000 when left out. */
  readonly intervalMs?: number;
  /** The machine's when left out. */
  readonly clock?: Clock;
}

const defaultIntervalMs = 4_000;
/** Of each kind, in one look. */
const limit = 100;
/** A fault of ours, or of the row: not to be met again at once. */
const afterSurpriseMs = 300_000;
/** Somebody holds what it needs for longer than a statement may wait. */
const afterSlownessMs = 30_000;
/** Opening steps of a run: accounts and the entity. */
const openingStepsLimit = 10;

export function startRequestTimer(options: RequestTimerOptions): RepeatingTimer {
  const { logger, intervalMs = defaultIntervalMs, clock = machineClock } = options;
  return startTimer({
    intervalMs,
    jitter: 0.2,
    clock,
    run: (closing) => takeUpRequests(options, closing),
    onError(error, isNew) {
      // One line for an outage, however long it lasts.
      if (isNew) logger.write('requests', { outcome: 'failed', error });
    },
  });
}

/** One look, ended early by `stop`; for tests too. */
export async function takeUpRequests(
  options: RequestTimerOptions,
  stop: AbortSignal | null = null,
): Promise<TimerAnswer> {
  const { database } = options;
  if (!(await anythingAsked(database))) return 'rest';
  // First what needs no Redis.
  const isMoreToEnd = await takeUp(options, { kind: 'entity_removed', carryOut: endRemoved, stop });
  const isMoreToStart = await takeUp(options, { kind: 'sync', carryOut: startAskedSync, stop });
  if (stop?.aborted === true) return 'rest';
  await queueRefreshes(options);
  return isMoreToEnd || isMoreToStart ? 'again' : 'rest';
}

/** Those that wait for their jobs are due all the time: a job that is there already is not made twice. */
async function queueRefreshes(options: RequestTimerOptions): Promise<void> {
  const { database, syncQueue } = options;
  const taken = await database.transaction(async (transaction) => {
    if (!(await tryLock(database, transaction, 'requests'))) return [];
    const due = await dueRefreshRequests(transaction, { limit });
    // Before the commit: what could not be queued is then due again at the next look.
    if (due.length > 0) await syncQueue.add(due.map(refreshJob));
    return markTaken(
      transaction,
      due.map(({ requestId }) => requestId),
    );
  });
  for (const requestId of taken) reportRequest(options, { kind: 'refresh', requestId, outcome: 'picked_up' });
}

interface TakenUp extends Pick<RequestFate, 'failureCode'>, Pick<Removal, 'dropped' | 'againInMs'> {
  /** The run whose jobs are to be made. */
  readonly syncId?: string;
  readonly closed: ClosedRun | null;
}

interface Asked extends TakenRequest {
  readonly database: Database;
  readonly transaction: TablesTransaction;
}

/** All of it in the transaction that holds the request. */
type CarryOut = (asked: Asked) => Promise<TakenUp>;

interface Kind {
  readonly kind: 'sync' | 'entity_removed';
  readonly carryOut: CarryOut;
}

/** True when there may be more. */
async function takeUp(
  options: RequestTimerOptions,
  { stop, ...kind }: Kind & { readonly stop: AbortSignal | null },
): Promise<boolean> {
  const due = await dueRequests(options.database.db, { kind: kind.kind, limit });
  let taken = 0;
  for (const request of due) {
    if (stop?.aborted === true) return false;
    const answer = await takeOne(options, kind, request);
    if (answer === 'slow') return false;
    if (answer === 'taken') taken += 1;
  }
  // Of what others hold there may be as many at the next look.
  return due.length === limit && taken > 0;
}

/** `slow`: the next would perhaps wait as long, and others should have their turn. */
async function takeOne(
  options: RequestTimerOptions,
  { kind, carryOut }: Kind,
  due: DueRequest,
): Promise<'taken' | 'gone' | 'slow'> {
  try {
    const taken = await concludeOne(options, carryOut, due);
    if (taken === null) return 'gone';
    const { closed, syncId, dropped = [], ...fate } = taken;
    const error = syncId === undefined ? undefined : await queueSteps(options, syncId);
    reportRequest(options, { kind, ...fate, ...(error !== undefined && { error }) });
    for (const one of dropped) {
      reportRequest(options, { ...one, outcome: 'failed', failureCode: 'ENTITY_REMOVED' });
    }
    if (closed !== null) reportClosedRun(options, closed);
    return 'taken';
  } catch (error) {
    const failure = databaseFailure(error);
    if (failure === 'away') throw error;
    // It stands in nobody's way.
    const { requestId } = due;
    const failureCode = error instanceof AppError ? error.code : 'REQUEST_FAILED';
    const againInMs = failure === 'slow' ? afterSlownessMs : afterSurpriseMs;
    await postponeRequest(options.database.db, { requestId, againInMs, failureCode });
    reportRequest(options, { kind, requestId, outcome: 'later', failureCode, error });
    return failure === 'slow' ? 'slow' : 'taken';
  }
}

type Concluded = TakenUp & Omit<RequestFate, 'kind'>;

/** Null when it is not there to be taken. */
function concludeOne(
  { database }: RequestTimerOptions,
  carryOut: CarryOut,
  due: DueRequest,
): Promise<Concluded | null> {
  return database.transaction(async (transaction): Promise<Concluded | null> => {
    // Before the request, as an erasure, which deletes requests under the entity's lock.
    await lockEntity(database, transaction, due.entityId);
    const request = await takeRequest(transaction, due);
    if (request === null) return null;
    const { requestId } = request;
    const taken = await carryOut({ ...request, database, transaction });
    const { failureCode = null, againInMs } = taken;
    if (againInMs !== undefined && failureCode !== null) {
      await postponeRequest(transaction, { requestId, againInMs, failureCode });
      return { ...taken, requestId, outcome: 'later' };
    }
    const outcome = failureCode === null ? 'done' : 'failed';
    await concludeRequest(transaction, { requestId, state: outcome, failureCode });
    return { ...taken, requestId, outcome };
  });
}

/** What came in the way, where something did: the run stands, and the reconciler makes its jobs. */
async function queueSteps({ database, syncQueue }: RequestTimerOptions, syncId: string): Promise<unknown> {
  try {
    const jobs = await openStepJobs(database, { syncId, limit: openingStepsLimit });
    if (jobs.length > 0) await syncQueue.add(jobs);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function startAskedSync({ database, transaction, ...asked }: Asked): Promise<TakenUp> {
  const { entityId, customerId, fullHistory } = asked;
  const entity = await lockEntity(database, transaction, entityId);
  if (entity === null) return { failureCode: 'LEAN_ENTITY_UNKNOWN', closed: null };
  if (isRemoved(entity)) return { failureCode: 'ENTITY_REMOVED', closed: null };
  return requestSync(database, transaction, {
    entityId,
    customerId,
    reason: 'requested',
    eventKey: null,
    dataStatus: null,
    fullHistory,
    rereadEntity: true,
  });
}

function endRemoved({ database, transaction, ...asked }: Asked): Promise<TakenUp> {
  return removeEntity(database, transaction, asked);
}
