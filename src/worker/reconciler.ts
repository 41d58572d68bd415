// Makes jobs again for whatever Postgres says is unfinished, so that nothing depends on Redis remembering. A plain
// timer in every worker; adding a job that is still there changes nothing.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { EventQueue, SyncQueue } from '../queue/work-queues.ts';
import { tryLock } from '../store/advisory-lock.ts';
import type { Database } from '../store/database.ts';
import { openEvents, type OpenEventsCursor } from '../store/event-store.ts';
import { duePendingResults } from '../store/pending-results-store.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { toEventJob } from './intake-job.ts';
import { startTimer, type RepeatingTimer, type TimerAnswer } from './repeating-timer.ts';

export interface ReconcilerOptions {
  readonly database: Database;
  readonly eventQueue: Pick<EventQueue, 'add' | 'publishInstallation'>;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  /** Published to Redis in every round, since a flush takes it away. */
  readonly installationId: string;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'reconciled'>;
  /** Between two rounds, varied by a fifth; 30,000 when left out. */
  readonly intervalMs?: number;
  /** What was touched more recently still has its job; 60,000 when left out. */
  readonly olderThanMs?: number;
  /** Of each kind, in one round; 1,000 when left out. */
  readonly limit?: number;
}

const defaultIntervalMs = 30_000;
const defaultOlderThanMs = 60_000;
const defaultLimit = 1_000;

export interface Reconciler extends RepeatingTimer {
  /** Jobs could not be added: from now on a round a second, of any age, until one gets through. */
  jobsMissed(): void;
}

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { logger, intervalMs = defaultIntervalMs, olderThanMs = defaultOlderThanMs } = options;
  let cursor: OpenEventsCursor | null = null;
  let missed = false;
  let running = false;
  let failing = false;

  async function round(): Promise<TimerAnswer> {
    const [from, wasMissed] = [cursor, missed];
    cursor = null;
    missed = false;
    running = true;
    try {
      cursor = await reconcile({ ...options, olderThanMs: wasMissed ? 0 : olderThanMs }, from);
      // More of the same is to come, of any age.
      missed ||= wasMissed && cursor !== null;
      failing = false;
    } catch (error) {
      missed ||= wasMissed;
      // One line for an outage, however long it lasts.
      if (!failing) logger.write('reconcile', { outcome: 'failed', error });
      failing = true;
    } finally {
      running = false;
    }
    if (cursor !== null) return 'again';
    return missed ? 'soon' : 'rest';
  }

  const onError = (error: unknown): void => logger.write('reconcile', { outcome: 'failed', error });
  const timer = startTimer({ intervalMs, jitter: 0.2, run: round, onError });
  return {
    ...timer,
    jobsMissed() {
      // A round under way or about to come sees the mark; only a long pause must be cut short.
      if (!missed && !running) timer.wake();
      missed = true;
    },
  };
}

/** Returns where to go on when there were more events than one round takes. */
async function reconcile(
  options: ReconcilerOptions & { olderThanMs: number },
  after: OpenEventsCursor | null,
): Promise<OpenEventsCursor | null> {
  const { database, eventQueue, syncQueue, logger, metrics, olderThanMs, limit = defaultLimit } = options;
  const startedAt = performance.now();
  await publishInstallation(options);
  // The lock only keeps workers from doing the same at the same moment; it need not outlast the reading.
  const page = await database.transaction(async (transaction) =>
    (await tryLock(database, transaction, 'reconcile'))
      ? openEvents(database, transaction, { olderThanMs, limit, after })
      : null,
  );
  if (page === null) return null;
  const steps = [
    ...(await openStepJobs(database, { olderThanMs, limit })),
    ...(await duePendingResults(database, { limit })),
  ];
  if (page.events.length > 0) await eventQueue.add(page.events.map(toEventJob));
  if (steps.length > 0) await syncQueue.add(steps);
  metrics.reconciled.inc({ kind: 'event' }, page.events.length);
  metrics.reconciled.inc({ kind: 'step' }, steps.length);
  if (page.events.length + steps.length > 0) {
    const durationMs = Math.round(performance.now() - startedAt);
    logger.write('reconcile', {
      outcome: 'queued',
      events: page.events.length,
      steps: steps.length,
      duration_ms: durationMs,
    });
  }
  return page.next;
}

async function publishInstallation({ eventQueue, installationId, logger }: ReconcilerOptions): Promise<void> {
  const held = await eventQueue.publishInstallation(installationId);
  if (held === installationId) return;
  logger.write('installation', { outcome: 'WRONG_INSTALLATION', installation_id: held });
}
