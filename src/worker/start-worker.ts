// Puts a worker together from its configuration, and takes it apart in the reverse order. Starts with Redis away,
// waits for Postgres, and never works on a database that is not its own.
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { createOpened, type Opened } from '../core/opened.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Readiness } from '../observability/readiness.ts';
import { startJobRunner, type JobRunner } from '../queue/job-runner.ts';
import { openStrayJobs } from '../queue/stray-jobs.ts';
import { openEventQueue, openSyncQueue, type EventQueue, type SyncQueue } from '../queue/work-queues.ts';
import { readKeyRing, type KeyRing } from '../sealing/key-ring.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { startBacklogGauges } from './backlog-gauges.ts';
import { startChangePublisher } from './change-publisher.ts';
import { eventsInHand } from './event-batches.ts';
import { startDatabaseCheck } from './database-check.ts';
import { openLeanAccess, type LeanAccess } from './lean-access.ts';
import { createQueueOwner, type QueueOwner } from './queue-owner.ts';
import { createQueueReport } from './queue-report.ts';
import { startReconciler } from './reconciler.ts';
import { startQueueGauges } from './queue-gauges.ts';
import { startRedisCheck } from './redis-check.ts';
import { createRetention, type Retention } from './retention.ts';
import { checkStart } from './start-checks.ts';
import { createStepBack, type StepBack } from './step-back.ts';
import { planSweeps, staleMsOf, type SweepPlan } from './sweep-plan.ts';
import { startRequests } from './start-requests.ts';
import { startSweepTimer } from './sweep-timer.ts';
import { createHandlers } from './worker-handlers.ts';

export interface StartWorkerOptions {
  readonly config: Config;
  /** An embedded one, which the caller closes; otherwise DATABASE_URL is opened. */
  readonly database?: Database;
  /** REDIS_URL leads to an embedded Redis, whose settings are nobody's choice and not looked at. */
  readonly hasEmbeddedRedis?: boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** Between two rounds of the reconciler, and what it leaves alone as too young; for tests. */
  readonly reconciler?: { readonly intervalMs?: number; readonly olderThanMs?: number };
  /** Between two looks at what sweeps have to do; for tests. */
  readonly sweeps?: { readonly intervalMs?: number };
  /** Between two looks at what the application asks for; for tests. */
  readonly requests?: { readonly intervalMs?: number };
}

export interface RunningWorker {
  /** Aborts calls to Lean, hands jobs back and closes, within SHUTDOWN_TIMEOUT_MS. Repeating it changes nothing. */
  close(): Promise<void>;
}

/** Batches are bound by Postgres, not by waiting. */
const intakeConcurrency = 4;
/** Above the 130 s that one call to Lean may take. */
const syncDeadlineMs = 150_000;

/**
 * Waits, unready, while Postgres is away. Throws SCHEMA_OUTDATED, WRONG_INSTALLATION, TLS_MATERIAL_INVALID,
 * PAYLOAD_KEY_INVALID, PAYLOAD_KEY_MISSING, what a database that answers throws, and in production REDIS_EVICTS when
 * Redis, reached at once, is set to throw jobs away; found out later, that turns the worker unready.
 */
export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const opened = createOpened();
  try {
    await startParts(options, opened);
  } catch (error) {
    await opened.closeAll();
    throw error;
  }
  let closing: Promise<void> | null = null;
  return {
    close() {
      closing ??= opened.closeAll();
      return closing;
    },
  };
}

interface Parts extends StartWorkerOptions {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly openedDatabase: Database;
  readonly keyRing: KeyRing | null;
  readonly lean: LeanAccess;
  readonly eventQueue: Pick<EventQueue, 'add'>;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  readonly queueOwner: QueueOwner;
  readonly stepBack: StepBack;
  readonly plan: SweepPlan;
  /** By the database's clock. */
  readonly now: () => Date;
}

async function startParts(options: StartWorkerOptions, opened: Opened): Promise<void> {
  const { config, logger, metrics, readiness } = options;
  const redisUrl = required('REDIS_URL', config.REDIS_URL);
  const prefix = required('QUEUE_PREFIX', config.QUEUE_PREFIX);
  const keyRing = readKeyRing({ keysBase64: config.PAYLOAD_KEYS, sealing: config.PAYLOAD_SEALING });
  const lean = await openLeanAccess({ config, logger, metrics });
  opened.add(() => lean.close());
  await watchRedis({ ...options, url: redisUrl }, opened);
  const openedDatabase = options.database ?? openOwnDatabase(options);
  if (options.database === undefined) opened.add(() => openedDatabase.close());
  const { installationId, aheadMs } = await checkStart({
    database: openedDatabase,
    facts: {
      environment: required('LEAN_ENVIRONMENT', config.LEAN_ENVIRONMENT),
      region: required('LEAN_REGION', config.LEAN_REGION),
      appToken: required('LEAN_APP_TOKEN', config.LEAN_APP_TOKEN),
    },
    keyRing,
    logger,
    readiness,
  });
  const { eventQueue, syncQueue, queueOwner } = await openQueues(
    { redisUrl, prefix, installationId },
    opened,
  );
  readiness.register('installation', () => queueOwner.state());
  const shared = { database: openedDatabase, logger, metrics };
  const check = startDatabaseCheck({ ...shared, aheadMs });
  opened.add(() => check.close());
  const publisher = startChangePublisher(shared);
  opened.add(() => publisher.close());
  const gauges = startBacklogGauges(shared);
  opened.add(() => gauges.close());
  const queueGauges = startQueueGauges({ url: redisUrl, prefix, metrics });
  opened.add(() => queueGauges.close());
  const retention = openRetention({ ...shared, config });
  const strayJobs = openStrayJobs({ url: redisUrl, prefix });
  opened.add(() => strayJobs.close());
  const reconciler = startReconciler({
    ...shared,
    strayJobs,
    eventQueue: { ...queueOwner, add: (jobs) => eventQueue.add(jobs) },
    syncQueue,
    installationId,
    retention,
    ...options.reconciler,
  });
  opened.add(() => reconciler.close());
  opened.add(() => retention.stop());
  const stepBack = createStepBack({ databaseIsAway: () => !check.state().ok });
  const parts = {
    ...options,
    redisUrl,
    prefix,
    openedDatabase,
    keyRing,
    lean,
    eventQueue: tellingMisses(queueOwner.guardAdds(eventQueue), () => reconciler.jobsMissed()),
    syncQueue: tellingMisses(queueOwner.guardAdds(syncQueue), () => reconciler.jobsMissed()),
    queueOwner,
    stepBack,
    plan: planOf(config),
    now: () => check.now(),
  };
  startSweeps(parts, opened);
  startAsked(parts, opened);
  startRunners(parts, opened);
  readiness.register('database', () => check.state());
}

interface QueuePlace {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly installationId: string;
}

/** Throws WRONG_INSTALLATION. */
async function openQueues({ redisUrl: url, prefix, installationId }: QueuePlace, opened: Opened) {
  const eventQueue = openEventQueue({ url, prefix });
  opened.add(() => eventQueue.close());
  const syncQueue = openSyncQueue({ url, prefix });
  opened.add(() => syncQueue.close());
  const queueOwner = createQueueOwner({ eventQueue, installationId, prefix });
  await queueOwner.checkStart();
  return { eventQueue, syncQueue, queueOwner };
}

function planOf(config: Config): SweepPlan {
  return planSweeps({
    region: required('LEAN_REGION', config.LEAN_REGION),
    apiVersion: config.LEAN_API_VERSION,
    hasClientSecret: config.LEAN_CLIENT_SECRET !== undefined,
    staleHours: config.SYNC_STALE_HOURS,
  });
}

function startSweeps(parts: Parts, opened: Opened): void {
  const { config, openedDatabase: database, syncQueue, plan, logger, sweeps } = parts;
  const staleMs = staleMsOf(config.SYNC_STALE_HOURS);
  const timer = startSweepTimer({ database, syncQueue, plan, staleMs, logger, ...sweeps });
  opened.add(() => timer.close());
}

function startAsked(parts: Parts, opened: Opened): void {
  const { config, openedDatabase: database, syncQueue, logger, metrics, now } = parts;
  const listenUrl = parts.database === undefined ? (config.DATABASE_URL ?? null) : null;
  const common = { database, syncQueue, logger, metrics, now };
  const requests = startRequests({ ...common, listenUrl, ...parts.requests });
  opened.add(() => requests.close());
}

async function watchRedis(
  { config, hasEmbeddedRedis, logger, readiness, url }: StartWorkerOptions & { readonly url: string },
  opened: Opened,
): Promise<void> {
  if (hasEmbeddedRedis === true) return;
  const isProduction = config.LEAN_ENVIRONMENT === 'production';
  const redisCheck = await startRedisCheck({ url, isProduction, logger });
  opened.add(() => redisCheck.close());
  readiness.register('redis-settings', () => redisCheck.state());
}

function openRetention({
  config,
  ...shared
}: Pick<StartWorkerOptions, 'config' | 'logger' | 'metrics'> & { readonly database: Database }): Retention {
  return createRetention({
    ...shared,
    keepDays: {
      bodies: config.BODY_KEEP_DAYS,
      quarantine: config.QUARANTINE_KEEP_DAYS,
      eventKeys: config.EVENT_KEY_KEEP_DAYS,
      changes: config.CHANGES_KEEP_DAYS,
    },
  });
}

function required<Value>(name: string, value: Value | undefined): Value {
  if (value === undefined) throw new AppError('CONFIG_INVALID', `${name} is required by a worker`);
  return value;
}

/** What is in Postgres without a job then waits for the reconciler's next second and not for its usual minute. */
function tellingMisses<Job>(queue: { add(jobs: readonly Job[]): Promise<void> }, missed: () => void) {
  return {
    async add(jobs: readonly Job[]): Promise<void> {
      try {
        await queue.add(jobs);
      } catch (error) {
        missed();
        throw error;
      }
    },
  };
}

function openOwnDatabase({ config, logger }: StartWorkerOptions): Database {
  return openDatabase({
    schema: config.DATABASE_SCHEMA,
    dialect: postgresDialect({
      url: required('DATABASE_URL', config.DATABASE_URL),
      poolSize: config.DATABASE_POOL_SIZE,
      applicationName: 'lean-worker',
      onIdleError: (error) => logger.write('database_state', { outcome: 'connection_lost', error }),
    }),
  });
}

function startRunners(parts: Parts, opened: Opened): void {
  const { config, logger, readiness, queueOwner, redisUrl: url, prefix } = parts;
  const { intake, events, sync } = createHandlers(parts);
  const concurrency = config.WORKER_CONCURRENCY;
  const common = { url, prefix };
  const onEvent = createQueueReport({ logger });
  const runners: JobRunner[] = [
    startJobRunner({
      ...common,
      queueName: 'webhook-intake',
      concurrency: intakeConcurrency,
      handle: queueOwner.guardJobs(intake),
      onEvent: onEvent('webhook-intake'),
    }),
    startJobRunner({
      ...common,
      queueName: 'webhook-events',
      concurrency: eventsInHand(concurrency),
      handle: queueOwner.guardJobs(events),
      onEvent: onEvent('webhook-events'),
    }),
    startJobRunner({
      ...common,
      queueName: 'lean-sync',
      concurrency,
      rateLimit: config.LEAN_RATE_LIMIT_PER_SECOND,
      deadlineMs: syncDeadlineMs,
      handle: queueOwner.guardJobs(sync),
      onEvent: onEvent('lean-sync'),
    }),
  ];
  opened.add(async () => {
    await Promise.all(runners.map((runner) => runner.close({ handBack: true })));
  });
  readiness.register(
    'queue',
    () => runners.map((runner) => runner.state()).find((state) => !state.ok) ?? { ok: true },
  );
}
