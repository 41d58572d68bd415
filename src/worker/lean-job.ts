// A `lean-sync` job of whatever kind goes to the part that knows it. What nobody expected ends a sweep's attempt in
// Postgres, where the next one is planned.
import { AppError } from '../core/app-error.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { RunnerJob } from '../queue/job-processor.ts';
import { failSweep, lockSweep } from '../store/sweep-store.ts';
import { createFreshnessJob, type FreshnessDeps } from './freshness-job.ts';
import type { JobReport, ReportingHandler } from './job-report.ts';
import { createRefreshJob } from './refresh-job.ts';
import type { StepBack } from './step-back.ts';
import { createSweepJob } from './sweep-job.ts';

export interface LeanJobOptions extends FreshnessDeps {
  /** Steps of syncs, and the question whose an entity is. */
  readonly handleSync: ReportingHandler<'lean-sync'>;
  readonly stepBack: StepBack;
}

type SyncRunnerJob = RunnerJob<'lean-sync'>;

const done = { kind: 'done' } as const;
const afterSurpriseMs = 3_600_000;

export function createLeanJob(options: LeanJobOptions): ReportingHandler<'lean-sync'> {
  const { stepBack } = options;
  const run = createRun(options);
  return async (job, signal) => {
    try {
      const report = await run(job, signal);
      if (job.data.kind !== 'step' && job.data.kind !== 'prove') stepBack.answered();
      return report;
    } catch (error) {
      if (signal.aborted) throw error;
      const away = stepBack.delayFor(error);
      if (away !== null)
        return { verdict: { kind: 'later', delayMs: away.delayMs }, outcome: away.code, error };
      return endSurprised(options, job, error);
    }
  };
}

function createRun(options: LeanJobOptions): (job: SyncRunnerJob, signal: AbortSignal) => Promise<JobReport> {
  const { handleSync } = options;
  const sweep = createSweepJob(options);
  const freshness = createFreshnessJob(options);
  const refresh = createRefreshJob(options);
  return async (job, signal) => {
    const { data } = job;
    switch (data.kind) {
      case 'step':
      case 'prove':
        return handleSync(job, signal);
      case 'sweep':
        return sweep(data, signal);
      case 'freshness':
        return freshness(data.entityId, signal);
      case 'refresh':
        return refresh(data, signal);
    }
  };
}

async function endSurprised(
  { database }: LeanJobOptions,
  { data }: SyncRunnerJob,
  error: unknown,
): Promise<JobReport> {
  const code: FailureCode = error instanceof AppError ? error.code : 'SYNC_STEP_FAILED';
  // A refresh has ended its request itself, where that could be done.
  if (data.kind === 'step' || data.kind === 'prove' || data.kind === 'refresh') throw error;
  if (data.kind === 'sweep') {
    const place = { sweep: data.sweep, revision: BigInt(data.revision) };
    await database.transaction(async (transaction) => {
      if (!(await lockSweep(database, transaction, place))) return;
      await failSweep(transaction, { ...place, failureCode: code, againInMs: afterSurpriseMs });
    });
  }
  return { verdict: done, outcome: code, operation: data.kind, error };
}
