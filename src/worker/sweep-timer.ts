// Makes jobs for what Postgres says is due: pages of sweeps and entities silent for too long. Tells of consents about
// to expire. One worker at a time; asks Lean nothing itself.
import { machineClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { SyncQueue, SyncQueueJob } from '../queue/work-queues.ts';
import { tryLock } from '../store/advisory-lock.ts';
import { appendChanges } from '../store/change-store.ts';
import { takeExpiryNotices } from '../store/consent-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { takeStaleEntities } from '../store/entity-refresh-store.ts';
import {
  dueSweeps,
  ensureSweeps,
  finishSweep,
  lockSweep,
  readSweeps,
  type SweepProgress,
} from '../store/sweep-store.ts';
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

export function startSweepTimer(options: SweepTimerOptions): RepeatingTimer {
  const { database, plan, logger, intervalMs = defaultIntervalMs, clock = machineClock } = options;
  let isReady = false;
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
      return 'rest';
    },
    onError(error, isNew) {
      // One line for an outage, however long it lasts.
      if (isNew) logger.write('sweep', { sweep: 'all', outcome: 'failed', error });
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
  return [...inForce.flatMap(sweepJob), ...silent];
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
