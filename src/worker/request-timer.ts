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
import { anythingAsked, markTaken, takeRequest, type TakenRequest } from '../store/due-requests.ts';
import { lockEntity } from '../store/entity-lock.ts';
import { dueRefreshRequests } from '../store/refresh-request-store.ts';
import { concludeRequest, postponeRequest } from '../store/request-conclusion.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { requestSync, type ClosedRun } from '../store/sync-store.ts';
import { reportClosedRun } from './closed-run-report.ts';
import { refreshJob } from './refresh-job.ts';
import { isRemoved, removeEntity } from './removed-entity.ts';
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
/** Opening steps of a run: accounts and the entity. */
const openingStepsLimit = 10;

export function startRequestTimer(options: RequestTimerOptions): RepeatingTimer {
  const { logger, intervalMs = defaultIntervalMs, clock = machineClock } = options;
  let isFailing = false;
  return startTimer({
    intervalMs,
    jitter: 0.2,
    clock,
    async run() {
      const answer = await takeUpRequests(options);
      isFailing = false;
      return answer;
    },
    onError(error) {
      // One line for an outage, however long it lasts.
      if (!isFailing) logger.write('requests', { outcome: 'failed', error });
      isFailing = true;
    },
  });
}

/** One look; for tests too. */
export async function takeUpRequests(options: RequestTimerOptions): Promise<TimerAnswer> {
  const { database } = options;
  if (!(await anythingAsked(database))) return 'rest';
  // First what needs no Redis.
  const isMoreToEnd = await takeUp(options, 'entity_removed', endRemoved);
  await queueRefreshes(options);
  const isMoreToStart = await takeUp(options, 'sync', startAskedSync);
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

interface TakenUp extends Pick<RequestFate, 'failureCode'> {
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

/** True when there may be more. */
async function takeUp(
  options: RequestTimerOptions,
  kind: 'sync' | 'entity_removed',
  carryOut: CarryOut,
): Promise<boolean> {
  for (let taken = 0; taken < limit; taken += 1) {
    if (!(await takeOne(options, kind, carryOut))) return false;
  }
  return true;
}

/** False when none is left. */
async function takeOne(
  options: RequestTimerOptions,
  kind: 'sync' | 'entity_removed',
  carryOut: CarryOut,
): Promise<boolean> {
  const taken = await concludeOne(options, kind, carryOut);
  if (taken === null) return false;
  const { closed, syncId, ...fate } = taken;
  reportRequest(options, { kind, ...fate });
  if (closed !== null) reportClosedRun(options, closed);
  if (syncId !== undefined) await queueSteps(options, syncId);
  return true;
}

type Concluded = TakenUp & Omit<RequestFate, 'kind'>;

async function concludeOne(
  { database }: RequestTimerOptions,
  kind: 'sync' | 'entity_removed',
  carryOut: CarryOut,
): Promise<Concluded | null> {
  let tried: string | null = null;
  try {
    return await database.transaction(async (transaction): Promise<Concluded | null> => {
      const request = await takeRequest(transaction, kind);
      if (request === null) return null;
      const { requestId } = request;
      tried = requestId;
      const taken = await carryOut({ ...request, database, transaction });
      const { failureCode = null } = taken;
      const outcome = failureCode === null ? 'done' : 'failed';
      await concludeRequest(transaction, { requestId, state: outcome, failureCode });
      return { ...taken, requestId, outcome };
    });
  } catch (error) {
    if (tried === null || databaseFailure(error) !== 'other') throw error;
    // It stands in nobody's way.
    const failureCode = error instanceof AppError ? error.code : 'REQUEST_FAILED';
    await postponeRequest(database.db, { requestId: tried, againInMs: afterSurpriseMs, failureCode });
    return { requestId: tried, outcome: 'later', failureCode, error, closed: null };
  }
}

async function queueSteps({ database, syncQueue }: RequestTimerOptions, syncId: string): Promise<void> {
  const jobs = await openStepJobs(database, { syncId, limit: openingStepsLimit });
  if (jobs.length > 0) await syncQueue.add(jobs);
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
