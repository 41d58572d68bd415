// A `lean-sync` job: one call to Lean, and one transaction for all that follows from its reply. Repeating a job at any
// point gives the same rows: the step is locked, and one that is not open any more is left alone.
import { AppError } from '../core/app-error.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { JobVerdict, RunnerJob } from '../queue/job-processor.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database } from '../store/database.ts';
import { lockStep, openStepJobs, readStep, type StepJob, type SyncStep } from '../store/sync-step-store.ts';
import type { BankSlots } from './bank-slots.ts';
import { reportClosedRun } from './closed-run-report.ts';
import type { JobReport, ReportingHandler } from './job-report.ts';
import { countItemWarnings } from './item-warnings.ts';
import { reportLeanCall } from './lean-call-report.ts';
import type { StepBack } from './step-back.ts';
import type { CallLean, StepReply } from './sync-call.ts';
import type { StepContext, StepResult } from './sync-context.ts';
import { applyEntity } from './sync-entity.ts';
import { applyFailure, applyPending, giveUp, retry } from './sync-failure.ts';
import { readSyncData } from './sync-kinds.ts';
import { applyPage } from './sync-page.ts';

export interface SyncJobOptions {
  readonly database: Database;
  readonly callLean: CallLean;
  readonly queue: { add(jobs: readonly StepJob[]): Promise<void> };
  /** The other kind of job: asks Lean whether an event's entity is ours. */
  readonly proveEntity: (eventKey: string, signal: AbortSignal) => Promise<JobVerdict>;
  readonly stepBack: StepBack;
  /** How long the step's bank is left alone; null when it may be asked. */
  readonly bankDelayMs: (step: SyncStep) => number | null;
  /** Of this process. */
  readonly bankSlots: BankSlots;
  readonly keyRing: KeyRing | null;
  readonly syncData: readonly string[];
  /** LEAN_API_VERSION. */
  readonly apiVersion: 'v1' | 'v2';
  readonly transactionHistoryDays: number | undefined;
  readonly logger: Logger;
  readonly metrics: Pick<
    Metrics,
    'leanCalls' | 'leanCallSeconds' | 'itemWarnings' | 'immutableChanged' | 'syncs' | 'firstBalanceSeconds'
  >;
  /** The clock and the dice, for tests. */
  readonly now?: () => Date;
  readonly random?: () => number;
}

export function handleSyncJob(options: SyncJobOptions): ReportingHandler<'lean-sync'> {
  return async (job, signal) => {
    const { data } = job;
    try {
      if (data.kind === 'prove') {
        const verdict = await options.proveEntity(data.eventKey, signal);
        return { verdict, outcome: verdict.kind, operation: data.kind };
      }
      const report = await runStep(options, job, signal);
      options.stepBack.answered();
      return report;
    } catch (error) {
      if (signal.aborted) throw error;
      const away = options.stepBack.delayFor(error);
      if (away === null) throw error;
      return { verdict: { kind: 'later', delayMs: away.delayMs }, outcome: away.code, error };
    }
  };
}

/** A job may come a little early: clocks of workers differ. */
const earlyMs = 1_000;
/** Opening steps of a run: accounts and the entity. */
const openingStepsLimit = 10;

async function runStep(
  options: SyncJobOptions,
  { data }: RunnerJob<'lean-sync'>,
  signal: AbortSignal,
): Promise<JobReport> {
  const { database, now = () => new Date() } = options;
  if (data.kind !== 'step') throw new AppError('JOB_MALFORMED', 'not a step of a sync');
  const step = await readStep(database.db, data);
  if (step === null) return { verdict: { kind: 'done' }, outcome: 'nothing_to_do' };
  const operation = step.kind;
  const pausedMs = options.bankDelayMs(step);
  if (pausedMs !== null)
    return { verdict: { kind: 'later', delayMs: pausedMs }, outcome: 'bank_paused', operation };
  const earlyByMs = step.dueAt.getTime() - now().getTime();
  if (earlyByMs > earlyMs)
    return { verdict: { kind: 'later', delayMs: earlyByMs }, outcome: 'early', operation };

  // Where the bank is not known yet an entity counts as a bank of its own.
  const slot = options.bankSlots.take(step.bankIdentifier ?? `entity:${step.entityId}`);
  if (slot.kind === 'busy') {
    return { verdict: { kind: 'later', delayMs: slot.delayMs }, outcome: 'bank_busy', operation };
  }
  try {
    return await callStep(options, step, signal);
  } finally {
    slot.release();
  }
}

async function callStep(options: SyncJobOptions, step: SyncStep, signal: AbortSignal): Promise<JobReport> {
  const operation = step.kind;
  const { result, error } = await callAndApply(options, step, signal);
  if (result === null) return { verdict: { kind: 'done' }, outcome: 'nothing_to_do', operation };
  reportImmutableChanged(options, step, result);
  if (result.firstBalanceSeconds != null)
    options.metrics.firstBalanceSeconds.observe(result.firstBalanceSeconds);
  if (result.closed !== null) reportClosedRun(options, result.closed);
  const queueError = await addJobs(options, result);
  const report = { outcome: result.outcome, operation, error: error ?? queueError };
  if (result.pauseMs !== null) return { ...report, verdict: { kind: 'paused', delayMs: result.pauseMs } };
  return { ...report, verdict: { kind: 'done' } };
}

function reportImmutableChanged(
  { logger, metrics }: SyncJobOptions,
  { syncId }: SyncStep,
  { immutableChanged = 0 }: StepResult,
): void {
  if (immutableChanged === 0) return;
  metrics.immutableChanged.inc(immutableChanged);
  const failureCode = 'TRANSACTION_IMMUTABLE_CHANGED';
  logger.write('immutable_changed', {
    sync_id: syncId,
    transactions: immutableChanged,
    failure_code: failureCode,
  });
}

interface Applied {
  /** Null when the step was not open any more: another job was faster, or the run is closed. */
  readonly result: StepResult | null;
  readonly error?: unknown;
}

async function callAndApply(options: SyncJobOptions, step: SyncStep, signal: AbortSignal): Promise<Applied> {
  try {
    const reply = await options.callLean(step, signal);
    logCall(options, step, reply);
    const result = await inTransaction(options, step, (context) => applyReply(context, reply));
    if (result !== null) countItemWarnings(options, reply);
    return { result };
  } catch (error) {
    if (signal.aborted || options.stepBack.delayFor(error) !== null) throw error;
    const code = error instanceof AppError ? error.code : 'SYNC_STEP_FAILED';
    const result = await inTransaction(options, step, (context) =>
      // An id that does not fit into a URL will not fit the next time either.
      code === 'LEAN_ID_INVALID'
        ? giveUp(context, code)
        : retry(context, { code, retryClass: 'event_surprise' }),
    );
    return { result, error };
  }
}

async function inTransaction(
  options: SyncJobOptions,
  { entityId, ...id }: SyncStep,
  apply: (context: StepContext) => Promise<StepResult>,
): Promise<StepResult | null> {
  const { database, keyRing, transactionHistoryDays, now = () => new Date(), random = Math.random } = options;
  return database.transaction(async (transaction) => {
    const step = await lockStep(database, transaction, { entityId, ...id });
    if (step === null) return null;
    return apply({
      database,
      transaction,
      step,
      now: now(),
      random: random(),
      keyRing,
      syncData: readSyncData(options),
      transactionHistoryDays,
    });
  });
}

async function applyReply(context: StepContext, reply: StepReply): Promise<StepResult> {
  switch (reply.kind) {
    case 'page':
      return applyPage(context, reply);
    case 'entity':
      return applyEntity(context, reply);
    case 'pending':
      return applyPending(context, reply.resultsId);
    case 'failed':
      return applyFailure(context, reply);
  }
}

/** The reconciler adds what could not be added here: the steps are in Postgres. */
async function addJobs({ database, queue }: SyncJobOptions, { jobs, closed }: StepResult): Promise<unknown> {
  try {
    const started =
      closed?.startedSyncId == null
        ? []
        : await openStepJobs(database, { syncId: closed.startedSyncId, limit: openingStepsLimit });
    const all = [...jobs, ...started];
    if (all.length > 0) await queue.add(all);
    return undefined;
  } catch (error) {
    return error;
  }
}

function logCall(options: SyncJobOptions, step: SyncStep, reply: StepReply): void {
  const failure = reply.kind === 'failed' ? reply.failure : null;
  reportLeanCall(options, {
    facts: reply.facts,
    outcome: failure?.code ?? (reply.kind === 'pending' ? 'pending' : 'ok'),
    attempt: step.attempts + 1,
    syncId: step.syncId,
    retryAfterMs: failure?.retryAfterMs,
  });
}
