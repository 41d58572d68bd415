// Makes jobs for what Postgres says is due: pages of sweeps, entities silent for too long, refreshes and syncs that were
// asked for. Tells of consents about to expire. One worker at a time; asks Lean nothing itself.
import { machineClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SyncQueue, SyncQueueJob } from '../queue/work-queues.ts';
import { tryLock } from '../store/advisory-lock.ts';
import { appendChanges } from '../store/change-store.ts';
import { takeExpiryNotices } from '../store/consent-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { takeStaleEntities } from '../store/entity-refresh-store.ts';
import { entityExists } from '../store/entity-store.ts';
import { dueRefreshRequests } from '../store/refresh-request-store.ts';
import {
  dueSweeps,
  ensureSweeps,
  finishSweep,
  lockSweep,
  readSweeps,
  type SweepProgress,
} from '../store/sweep-store.ts';
import { concludeRequest } from '../store/request-conclusion.ts';
import { takeSyncRequest } from '../store/sync-request-store.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { requestSync } from '../store/sync-store.ts';
import { reportClosedRun } from './closed-run-report.ts';
import { refreshJob } from './refresh-job.ts';
import { startTimer, type RepeatingTimer } from './repeating-timer.ts';
import { freshnessJob, sayInForce, sweepJob } from './sweep-parts.ts';
import { sweepsInForce, type SweepPlan } from './sweep-plan.ts';

export interface SweepTimerOptions {
  readonly database: Database;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  readonly plan: SweepPlan;
  /** SYNC_STALE_HOURS. */
  readonly staleMs: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'syncs'>;
  /** Between two looks, varied by a fifth; 5,000 when left out. */
  readonly intervalMs?: number;
  /** The machine's when left out. */
  readonly clock?: Clock;
}

const defaultIntervalMs = 5_000;
/** Of each kind, in one look. */
const limit = 100;
/** Between two looks at who has been silent; at once again after a full one. */
const freshnessEveryMs = 60_000;
/** Opening steps of a run: accounts and the entity. */
const openingStepsLimit = 10;

export function startSweepTimer(options: SweepTimerOptions): RepeatingTimer {
  const { database, plan, logger, intervalMs = defaultIntervalMs, clock = machineClock } = options;
  let isReady = false;
  let isFailing = false;
  return startTimer({
    intervalMs,
    jitter: 0.2,
    clock,
    async run() {
      if (!isReady) {
        await ensureSweeps(database.db, plan.inForce);
        sayInForce(logger, sweepsInForce(plan, await readSweeps(database.db)));
      }
      isReady = true;
      await look(options);
      isFailing = false;
      return 'rest';
    },
    onError(error) {
      // One line for an outage, however long it lasts.
      if (!isFailing) logger.write('sweep', { sweep: 'all', outcome: 'failed', error });
      isFailing = true;
    },
  });
}

/** One look; for tests too. */
export async function look(options: SweepTimerOptions): Promise<void> {
  const { database, syncQueue } = options;
  await database.transaction(async (transaction) => {
    if (!(await tryLock(database, transaction, 'sweep'))) return;
    await tellExpiring(options, transaction);
    const jobs = await dueJobs(options, transaction);
    // Before the commit: what could not be queued is then due again at the next look.
    if (jobs.length > 0) await syncQueue.add(jobs);
  });
  for (let taken = 0; taken < limit; taken += 1) if (!(await startAskedSync(options))) return;
}

async function dueJobs(
  { database, plan, staleMs }: SweepTimerOptions,
  transaction: TablesTransaction,
): Promise<SyncQueueJob[]> {
  const due = await dueSweeps(transaction);
  // A list that is refused to us is still asked for, when it is due.
  const inForce = due.filter(({ sweep }) => plan.inForce.includes(sweep));
  const freshness = inForce.find(({ sweep }) => sweep === 'freshness');
  const silent =
    freshness === undefined ? [] : await takeSilent(database, transaction, { freshness, staleMs });
  const requests = await dueRefreshRequests(transaction, { limit });
  return [...inForce.flatMap(sweepJob), ...silent, ...requests.map(refreshJob)];
}

async function takeSilent(
  database: Database,
  transaction: TablesTransaction,
  { freshness, staleMs }: { readonly freshness: SweepProgress; readonly staleMs: number },
): Promise<SyncQueueJob[]> {
  const { sweep } = freshness;
  if (!(await lockSweep(database, transaction, freshness))) return [];
  const silent = await takeStaleEntities(database, transaction, { staleMs, limit });
  const nextInMs = silent.length === limit ? 0 : freshnessEveryMs;
  await finishSweep(transaction, { sweep, found: 0, calls: silent.length, coveredUntil: null, nextInMs });
  return silent.map(({ entityId }) => freshnessJob(entityId));
}

async function tellExpiring({ database }: SweepTimerOptions, transaction: TablesTransaction): Promise<void> {
  const notices = await takeExpiryNotices(database, transaction, { limit });
  await appendChanges(
    transaction,
    notices.map(({ consentId, entityId, customerId, expiresAt, days }) => ({
      change: 'consent.expiring',
      entityId,
      customerId,
      details: { consentId, expiresAt: expiresAt.toISOString(), days },
    })),
  );
}

/** False when none is left. */
async function startAskedSync(options: SweepTimerOptions): Promise<boolean> {
  const { database, syncQueue } = options;
  const started = await database.transaction(async (transaction) => {
    const asked = await takeSyncRequest(transaction);
    if (asked === null) return null;
    const { requestId, entityId, customerId, fullHistory } = asked;
    if (!(await entityExists(transaction, entityId))) {
      await concludeRequest(transaction, { requestId, state: 'failed', failureCode: 'LEAN_ENTITY_UNKNOWN' });
      return { syncId: null, closed: null };
    }
    const requested = await requestSync(database, transaction, {
      entityId,
      customerId,
      reason: 'requested',
      eventKey: null,
      dataStatus: null,
      fullHistory,
      rereadEntity: true,
    });
    await concludeRequest(transaction, { requestId, state: 'done', failureCode: null });
    return requested;
  });
  if (started === null) return false;
  if (started.closed !== null) reportClosedRun(options, started.closed);
  if (started.syncId === null) return true;
  const jobs = await openStepJobs(database, { syncId: started.syncId, limit: openingStepsLimit });
  if (jobs.length > 0) await syncQueue.add(jobs);
  return true;
}
