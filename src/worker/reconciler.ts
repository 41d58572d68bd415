// Makes jobs again for whatever Postgres says is unfinished, so that nothing depends on Redis remembering. A plain
// timer in every worker; adding a job that is still there changes nothing.
import { AppError } from '../core/app-error.ts';
import { machineClock, type Clock } from '../core/clock.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { StrayJobs } from '../queue/stray-jobs.ts';
import type { EventQueue, SyncQueue } from '../queue/work-queues.ts';
import { tryLock } from '../store/advisory-lock.ts';
import type { Database } from '../store/database.ts';
import { openEvents, type OpenEventsCursor, type OpenEventsPage } from '../store/event-store.ts';
import { openStepsPage, type OpenStepsCursor, type OpenStepsPage } from '../store/sync-step-pages.ts';
import { toEventJob } from './intake-job.ts';
import { startTimer, type RepeatingTimer, type TimerAnswer } from './repeating-timer.ts';
import type { Retention } from './retention.ts';

export interface ReconcilerOptions {
  readonly database: Database;
  readonly eventQueue: Pick<EventQueue, 'add' | 'publishInstallation'>;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  /** Jobs put off by a clock that was wrong; not looked for when left out. */
  readonly strayJobs?: Pick<StrayJobs, 'promote'>;
  /** Published to Redis in every round, since a flush takes it away. */
  readonly installationId: string;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'reconciled'>;
  /** What else each round does, once nothing is left to queue. */
  readonly retention?: Pick<Retention, 'run'>;
  /** Between two rounds, varied by a fifth; 30,000 when left out. */
  readonly intervalMs?: number;
  /** What was touched more recently still has its job; 60,000 when left out. */
  readonly olderThanMs?: number;
  /** Of each kind, before the next ones are asked for; 1,000 when left out. */
  readonly limit?: number;
  /** The machine's when left out. */
  readonly clock?: Clock;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
}

const defaultIntervalMs = 30_000;
const defaultOlderThanMs = 60_000;
const defaultLimit = 1_000;

export interface Reconciler extends RepeatingTimer {
  /** Jobs could not be added: from now on a round a second, of any age, until one gets through. */
  jobsMissed(): void;
}

/** How far a round has come with the one kind and the other: where to go on, or that nothing is left. */
interface Progress {
  readonly events: OpenEventsCursor | 'start' | 'end';
  readonly steps: OpenStepsCursor | 'start' | 'end';
}

const atStart: Progress = { events: 'start', steps: 'start' };

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { logger, intervalMs = defaultIntervalMs, olderThanMs = defaultOlderThanMs } = options;
  let progress = atStart;
  let missed = false;
  let running = false;
  let failing = false;

  async function round(): Promise<TimerAnswer> {
    const [from, wasMissed] = [progress, missed];
    progress = atStart;
    missed = false;
    running = true;
    let hasMore = false;
    try {
      const reached = await reconcile({ ...options, olderThanMs: wasMissed ? 0 : olderThanMs }, from);
      hasMore = reached.events !== 'end' || reached.steps !== 'end';
      if (hasMore) progress = reached;
      // More of the same is to come, of any age.
      missed ||= wasMissed && hasMore;
      failing = false;
    } catch (error) {
      missed ||= wasMissed;
      // One line for an outage, however long it lasts.
      if (!failing) logger.write('reconcile', { outcome: 'failed', error });
      failing = true;
    } finally {
      running = false;
    }
    if (hasMore) return 'again';
    if (!missed) await options.retention?.run();
    return missed ? 'soon' : 'rest';
  }

  const onError = (error: unknown): void => logger.write('reconcile', { outcome: 'failed', error });
  const timer = startTimer({
    intervalMs,
    jitter: 0.2,
    run: round,
    onError,
    ...(options.clock && { clock: options.clock }),
    ...(options.random && { random: options.random }),
  });
  return {
    ...timer,
    jobsMissed() {
      // A round under way or about to come sees the mark; only a long pause must be cut short.
      if (!missed && !running) timer.wake();
      missed = true;
    },
  };
}

/** One page of each kind that is not at its end. */
async function reconcile(
  options: ReconcilerOptions & { olderThanMs: number },
  from: Progress,
): Promise<Progress> {
  const { eventQueue, syncQueue, logger, metrics, clock = machineClock } = options;
  const startedAt = clock.nowMs();
  await publishInstallation(options);
  metrics.reconciled.inc({ kind: 'stray' }, (await options.strayJobs?.promote()) ?? 0);
  const pages = await readPages(options, from);
  if (pages === null) return { events: 'end', steps: 'end' };
  const { events, next: nextEvents } = pages.events;
  const { jobs: steps, next: nextSteps } = pages.steps;
  if (events.length > 0) await eventQueue.add(events.map(toEventJob));
  if (steps.length > 0) await syncQueue.add(steps);
  metrics.reconciled.inc({ kind: 'event' }, events.length);
  metrics.reconciled.inc({ kind: 'step' }, steps.length);
  if (events.length + steps.length > 0) {
    const durationMs = Math.round(clock.nowMs() - startedAt);
    logger.write('reconcile', {
      outcome: 'queued',
      events: events.length,
      steps: steps.length,
      duration_ms: durationMs,
    });
  }
  return { events: nextEvents ?? 'end', steps: nextSteps ?? 'end' };
}

interface Pages {
  readonly events: OpenEventsPage;
  readonly steps: OpenStepsPage;
}

/**
 * Null when another worker is at it. The lock only keeps workers from doing the same at the same moment; it need not
 * outlast the reading.
 */
async function readPages(
  { database, olderThanMs, limit = defaultLimit }: ReconcilerOptions & { olderThanMs: number },
  from: Progress,
): Promise<Pages | null> {
  return database.transaction(async (transaction) => {
    if (!(await tryLock(database, transaction, 'reconcile'))) return null;
    const common = { olderThanMs, limit };
    const events =
      from.events === 'end'
        ? { events: [], next: null }
        : await openEvents(database, transaction, { ...common, after: cursorOf(from.events) });
    const steps =
      from.steps === 'end'
        ? { jobs: [], next: null }
        : await openStepsPage(database, transaction, { ...common, after: cursorOf(from.steps) });
    return { events, steps };
  });
}

function cursorOf<Cursor>(place: Cursor | 'start'): Cursor | null {
  return place === 'start' ? null : place;
}

/** Throws WRONG_INSTALLATION: jobs of ours would be of no use to another installation's workers. */
async function publishInstallation({ eventQueue, installationId }: ReconcilerOptions): Promise<void> {
  const held = await eventQueue.publishInstallation(installationId);
  if (held === installationId) return;
  throw new AppError('WRONG_INSTALLATION', `the queues belong to installation ${held}`);
}
