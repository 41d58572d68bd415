// A job of a sweep over one of Lean's lists: one call, and one transaction for what it found and how far the sweep has
// come. Repeating a job changes nothing: the sweep has moved on by then.
import { decideRetry, type RetryClass } from '../core/retry-policy.ts';
import type { LeanFailure } from '../lean/lean-failures.ts';
import type { JobVerdict } from '../queue/job-processor.ts';
import type { SyncQueueJob } from '../queue/work-queues.ts';
import {
  continueSweep,
  failSweep,
  finishSweep,
  lockSweep,
  readSweep,
  type SweepProgress,
} from '../store/sweep-store.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { toEventJob } from './intake-job.ts';
import type { JobReport } from './job-report.ts';
import { reportLeanCall } from './lean-call-report.ts';
import { readBanksPage } from './sweep-banks.ts';
import { readEntitiesPage } from './sweep-entities.ts';
import { readEventsPage } from './sweep-events.ts';
import {
  freshnessJob,
  sayInForce,
  sweepJob,
  type SweepDeps,
  type SweepPage,
  type SweepReply,
  type SweptPage,
} from './sweep-parts.ts';
import {
  afterDenialMs,
  isDenied,
  nextWindow,
  pagesPerRound,
  roundEveryMs,
  type PagedSweep,
} from './sweep-plan.ts';

export interface SweepJobData {
  readonly sweep: PagedSweep;
  readonly revision: string;
}

export type SweepJob = (data: SweepJobData, signal: AbortSignal) => Promise<JobReport>;

const readers = {
  events: readEventsPage,
  banks: readBanksPage,
  entities: readEntitiesPage,
} as const satisfies Record<PagedSweep, unknown>;

const done = { kind: 'done' } as const;
/** Where Lean refuses us or a schedule is at its end, the same page is asked for again after so long. */
const afterRefusalMs = 3_600_000;
/** Jobs of one found sync that are added right after the commit; the reconciler brings what is beyond. */
const followUpLimit = 10;

export function createSweepJob(deps: SweepDeps): SweepJob {
  return async ({ sweep, revision }, signal) => {
    const operation = `sweep_${sweep}`;
    const progress = await readSweep(deps.database.db, sweep);
    if (progress === null || progress.revision !== BigInt(revision))
      return { verdict: done, outcome: 'nothing_to_do', operation };
    const { eventKeyKeepDays } = deps;
    const { coveredUntil, page } = progress;
    const asked = { sweep, coveredUntil, now: deps.now(), eventKeyKeepDays };
    const place = { window: progress.window ?? nextWindow(asked), page, progress };
    const reply = await readers[sweep](deps, place, signal);
    const outcome = reply.kind === 'failed' ? reply.failure.code : 'ok';
    reportLeanCall(deps, { facts: reply.facts, outcome, attempt: progress.failuresInARow + 1 });
    if (reply.kind === 'failed') {
      const verdict = await recordFailure(deps, progress, reply.failure);
      return { verdict, outcome, operation };
    }
    return { ...(await storePage(deps, place, reply)), operation };
  };
}

type PageReply = Extract<SweepReply, { kind: 'page' }>;

async function storePage(deps: SweepDeps, place: SweepPage, reply: PageReply): Promise<JobReport> {
  const { database, logger, metrics } = deps;
  const { sweep, revision } = place.progress;
  const swept = await database.transaction(async (transaction) => {
    if (!(await lockSweep(database, transaction, { sweep, revision }))) return null;
    const stored = await reply.store(transaction);
    await moveOn(transaction, place, { reply, found: stored.found });
    return stored;
  });
  if (swept === null) return { verdict: done, outcome: 'nothing_to_do' };
  const { found } = swept;
  if (found > 0) {
    metrics.sweepFound.inc({ kind: sweep }, found);
    logger.write('sweep', { sweep, outcome: 'found', found, page: place.page, unreadable: reply.unreadable });
  }
  const isTooLong = !reply.isLastPage && place.page + 1 >= pagesPerRound;
  if (isTooLong) logger.write('sweep', { sweep, outcome: 'LIST_TOO_LONG', page: place.page });
  if (isDenied(place.progress)) sayInForce(logger, deps.plan);
  const goesOn = !reply.isLastPage && !isTooLong;
  const next = goesOn ? sweepJob({ ...place.progress, revision: revision + 1n }) : [];
  const error = await addJobs(deps, swept, next);
  return { verdict: done, outcome: found > 0 ? 'found' : 'nothing_new', events: found, error };
}

async function moveOn(
  transaction: Parameters<PageReply['store']>[0],
  { progress: { sweep }, window, page }: SweepPage,
  { reply: { isLastPage }, found }: { readonly reply: PageReply; readonly found: number },
): Promise<void> {
  if (!isLastPage && page + 1 < pagesPerRound) {
    await continueSweep(transaction, { sweep, found, window, page: page + 1 });
    return;
  }
  // A list that was not read to its end covers nothing.
  const coveredUntil = isLastPage ? window.to : null;
  await finishSweep(transaction, { sweep, found, coveredUntil, nextInMs: roundEveryMs });
}

async function recordFailure(
  { database, plan, random, logger }: SweepDeps,
  progress: SweepProgress,
  { code, retryClass, retryAfterMs }: LeanFailure,
): Promise<JobVerdict> {
  const { sweep, revision, failuresInARow } = progress;
  const attempt = failuresInARow + 1;
  const denied = isDenied({ sweep, failureCode: code }) ? plan.whenDenied : null;
  const againInMs =
    denied === null ? delayOf({ retryClass, retryAfterMs, attempt, random: random() }) : afterDenialMs;
  // Too many requests hold back everybody, and then this job goes on.
  if (retryClass === 'lean_rate_limit') return { kind: 'paused', delayMs: againInMs };
  await database.transaction(async (transaction) => {
    if (!(await lockSweep(database, transaction, { sweep, revision }))) return;
    await failSweep(transaction, { sweep, failureCode: code, againInMs });
  });
  if (attempt === 1 || (denied !== null && !isDenied(progress))) {
    logger.write('sweep', { sweep, outcome: code });
  }
  if (denied !== null && !isDenied(progress)) sayInForce(logger, denied);
  return done;
}

interface FailedAttempt {
  readonly retryClass: RetryClass | null;
  readonly retryAfterMs: number | undefined;
  readonly attempt: number;
  readonly random: number;
}

function delayOf({ retryClass, ...question }: FailedAttempt): number {
  if (retryClass === null) return afterRefusalMs;
  const decision = decideRetry({ ...question, retryClass });
  return decision.kind === 'retry' ? decision.delayMs : afterRefusalMs;
}

/** Everything is in Postgres: what cannot be added here is brought by the reconciler and by the next round. */
async function addJobs(
  { database, eventQueue, syncQueue }: SweepDeps,
  { openEvents, askedEntities, syncIds, jobs: made }: SweptPage,
  next: readonly SyncQueueJob[],
): Promise<unknown> {
  try {
    if (openEvents.length > 0) await eventQueue.add(openEvents.map(toEventJob));
    const steps: SyncQueueJob[] = [];
    for (const syncId of syncIds)
      steps.push(...(await openStepJobs(database, { syncId, limit: followUpLimit })));
    const jobs = [...made, ...steps, ...askedEntities.map(freshnessJob), ...next];
    if (jobs.length > 0) await syncQueue.add(jobs);
    return undefined;
  } catch (error) {
    return error;
  }
}
