// What a worker does with the jobs of each queue, put together from its parts. Opens nothing.
import type { Config } from '../config/load-config.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { JobHandler } from '../queue/job-processor.ts';
import type { QueueName } from '../queue/queue-names.ts';
import type { EventQueue, SyncQueue } from '../queue/work-queues.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database } from '../store/database.ts';
import { createBankGate, learnFromCalls } from './bank-gate.ts';
import { createBankSlots } from './bank-slots.ts';
import { createEventJob } from './event-job.ts';
import { createIntakeJob } from './intake-job.ts';
import { reportJobs, type ReportingHandler } from './job-report.ts';
import { createLeanJob } from './lean-job.ts';
import { createProveEntity } from './prove-entity.ts';
import type { StepBack } from './step-back.ts';
import { staleMsOf, type SweepPlan } from './sweep-plan.ts';
import { createCallLean } from './sync-call.ts';
import { handleSyncJob } from './sync-job.ts';

export interface WorkerHandlerOptions {
  readonly config: Config;
  readonly openedDatabase: Database;
  readonly keyRing: KeyRing | null;
  readonly lean: { readonly client: LeanClient };
  readonly eventQueue: Pick<EventQueue, 'add'>;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  readonly stepBack: StepBack;
  readonly plan: SweepPlan;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** By the database's clock. */
  readonly now: () => Date;
}

export function createHandlers(parts: WorkerHandlerOptions) {
  const { config, logger, metrics, eventQueue, syncQueue, keyRing, stepBack } = parts;
  const clock = { now: parts.now, random: Math.random };
  const common = { database: parts.openedDatabase, keyRing, stepBack, logger, metrics, ...clock };
  const reported = <Name extends QueueName>(
    queueName: Name,
    handle: ReportingHandler<Name>,
  ): JobHandler<Name> => reportJobs({ queueName, logger, metrics, handle });
  return {
    intake: reported(
      'webhook-intake',
      createIntakeJob({ ...common, eventKeyKeepDays: config.EVENT_KEY_KEEP_DAYS, eventQueue }),
    ),
    events: reported(
      'webhook-events',
      createEventJob({
        ...common,
        syncQueue,
        apiVersion: config.LEAN_API_VERSION,
        aloneLimit: config.WORKER_CONCURRENCY,
      }),
    ),
    sync: reported('lean-sync', createSyncHandler(parts, common)),
  };
}

type Common = Pick<WorkerHandlerOptions, 'keyRing' | 'stepBack' | 'logger' | 'metrics' | 'now'> & {
  readonly database: Database;
  readonly random: () => number;
};

function createSyncHandler(
  { config, lean: { client: lean }, eventQueue, syncQueue, plan }: WorkerHandlerOptions,
  common: Common,
): ReportingHandler<'lean-sync'> {
  const bankGate = createBankGate(common);
  const callLean = createCallLean({
    client: lean,
    transactionHistoryDays: config.TRANSACTION_HISTORY_DAYS,
  });
  const handleSync = handleSyncJob({
    ...common,
    callLean: learnFromCalls(callLean, bankGate),
    queue: syncQueue,
    bankDelayMs: (step) => bankGate.delayForStep(step),
    bankSlots: createBankSlots({ slots: config.WORKER_CONCURRENCY }),
    proveEntity: createProveEntity({ ...common, lean, eventQueue }),
    syncData: config.SYNC_DATA,
    apiVersion: config.LEAN_API_VERSION,
    transactionHistoryDays: config.TRANSACTION_HISTORY_DAYS,
  });
  return createLeanJob({
    ...common,
    lean,
    bankGate,
    handleSync,
    eventQueue,
    syncQueue,
    eventKeyKeepDays: config.EVENT_KEY_KEEP_DAYS,
    hasRefreshes: plan.inForce.includes('freshness'),
    plan,
    staleMs: staleMsOf(config.SYNC_STALE_HOURS),
  });
}
