// The sweeps for tests that look and run the jobs themselves: a real database, a queue that only remembers, and Lean as
// lists of texts that the test owns.
import type { LeanFailure } from '../../src/lean/lean-failures.ts';
import { listKinds, pageSize, readPage, type ListKind, type ListPage } from '../../src/lean/lean-lists.ts';
import type { LeanOperation, LeanReply } from '../../src/lean/lean-reply.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { EventQueueJob, SyncQueueJob } from '../../src/queue/work-queues.ts';
import type { Database } from '../../src/store/database.ts';
import { createBankGate } from '../../src/worker/bank-gate.ts';
import type { JobReport } from '../../src/worker/job-report.ts';
import { createLeanJob } from '../../src/worker/lean-job.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import { planSweeps } from '../../src/worker/sweep-plan.ts';
import type { SweepDeps } from '../../src/worker/sweep-parts.ts';
import { takeUpRequests } from '../../src/worker/request-timer.ts';
import { look } from '../../src/worker/sweep-timer.ts';
import { ensureSweeps } from '../../src/store/sweep-store.ts';
import type { z } from 'zod';
import { judgeText } from './lean-replies.ts';
import { createRecordingLogger } from './silent-logger.ts';
import { factsOf } from './sync-parts.ts';
import { testKeyRing } from './worker-parts.ts';

export interface SweptLean {
  events: unknown[];
  entities: unknown[];
  banks: unknown[];
  readonly refreshes: Map<string, unknown[]>;
  /** Fails the calls it gives a failure for. */
  fail: (operation: LeanOperation) => (Pick<LeanFailure, 'code' | 'action'> & Partial<LeanFailure>) | null;
  /** Items on a page. */
  size: number;
  readonly asked: { readonly operation: LeanOperation; readonly query: Readonly<Record<string, unknown>> }[];
}

interface SweepPartsOptions {
  readonly region?: 'ae' | 'sa';
  readonly apiVersion?: 'v1' | 'v2';
  readonly eventKeyKeepDays?: number;
}

const staleMs = 86_400_000;
const jobsLimit = 1_000;

export function createSweepParts(
  database: Database,
  { region = 'ae', apiVersion = 'v2', eventKeyKeepDays }: SweepPartsOptions = {},
) {
  const lean: SweptLean = {
    events: [],
    entities: [],
    banks: [],
    refreshes: new Map(),
    fail: () => null,
    size: pageSize,
    asked: [],
  };
  const plan = planSweeps({ region, apiVersion, hasClientSecret: true, staleHours: 24 });
  const queue = new Map<string, SyncQueueJob>();
  const eventJobs: EventQueueJob[] = [];
  const { logger, lines } = createRecordingLogger();
  const metrics = createMetrics({ processMetrics: false });
  const syncQueue = {
    add: (jobs: readonly SyncQueueJob[]) => {
      for (const job of jobs) if (!queue.has(job.id)) queue.set(job.id, job);
      return Promise.resolve();
    },
  };
  const common = { database, logger, metrics, now: () => new Date(), random: () => 0.5 };
  const handle = createLeanJob({
    ...common,
    lean: callsOf(lean),
    keyRing: testKeyRing,
    eventQueue: {
      add: (jobs) => {
        eventJobs.push(...jobs);
        return Promise.resolve();
      },
    },
    syncQueue,
    eventKeyKeepDays,
    hasRefreshes: apiVersion === 'v2',
    plan,
    staleMs,
    bankGate: createBankGate(common),
    stepBack: createStepBack({ databaseIsAway: () => false }),
    handleSync: () => Promise.resolve({ verdict: { kind: 'done' }, outcome: 'step' }),
  });
  const run = (job: SyncQueueJob) =>
    handle({ id: job.id, data: job.data, attempt: 1, attempts: 10 }, new AbortController().signal);
  async function lookOnce(): Promise<void> {
    await look({ database, syncQueue, plan, staleMs, logger });
    await takeUpRequests({ database, syncQueue, logger, metrics });
  }
  return {
    lean,
    lines,
    metrics,
    queue,
    eventJobs,
    run,
    begin: () => ensureSweeps(database.db, plan.inForce),
    look: lookOnce,
    /** One look, and every job that comes of it; steps of syncs stay where they are. */
    async round(): Promise<JobReport[]> {
      await lookOnce();
      const reports: JobReport[] = [];
      for (let next = firstOf(queue); next !== undefined; next = firstOf(queue)) {
        if (reports.length >= jobsLimit) throw new Error(`still busy after ${jobsLimit} jobs`);
        queue.delete(next.id);
        reports.push(await run(next));
      }
      return reports;
    },
  };
}

function firstOf(queue: ReadonlyMap<string, SyncQueueJob>): SyncQueueJob | undefined {
  return [...queue.values()].find(({ data }) => data.kind !== 'step');
}

function callsOf(lean: SweptLean): SweepDeps['lean'] {
  function page<Schema extends z.ZodType>(
    kind: ListKind<Schema>,
    items: readonly unknown[],
    query: object & { readonly page: number },
  ): Promise<LeanReply<ListPage<z.output<Schema>>>> {
    const { operation } = kind;
    lean.asked.push({ operation, query: { ...query } });
    const failure = lean.fail(operation);
    if (failure) return Promise.resolve(failedReply(operation, failure));
    const { page: number } = query;
    const shown = items.slice(number * lean.size, (number + 1) * lean.size);
    const paging = { number, size: lean.size, total_pages: Math.ceil(items.length / lean.size) };
    const bodyText = JSON.stringify({ [kind.member ?? '']: shown, page: paging });
    return Promise.resolve(
      judgeText({ bodyText, isEnveloped: false }, (source) =>
        readPage(source, kind, { page: number, belongsTo: {} }),
      ),
    );
  }
  return {
    getEvents: (query) => page(listKinds.events, lean.events, query),
    getBanks() {
      const { operation } = listKinds.banks;
      lean.asked.push({ operation, query: {} });
      const failure = lean.fail(operation);
      if (failure) return Promise.resolve(failedReply(operation, failure));
      return Promise.resolve(
        judgeText({ bodyText: JSON.stringify(lean.banks), isEnveloped: false }, (source) =>
          readPage(source, listKinds.banks, { page: null, belongsTo: {} }),
        ),
      );
    },
    getEntitiesByDate: (query) => page(listKinds.entitiesByDate, lean.entities, query),
    getRefreshes: (query) => page(listKinds.refreshes, lean.refreshes.get(query.entityId) ?? [], query),
    startRefresh({ entityId }) {
      lean.asked.push({ operation: 'start_refresh', query: { entityId } });
      const failure = lean.fail('start_refresh');
      if (failure) return Promise.resolve(failedReply('start_refresh', failure));
      const bodyText = JSON.stringify({ status: 'OK', refresh_id: 'started' });
      return Promise.resolve(judgeText({ bodyText }, () => ({ refreshId: 'started' })));
    },
  };
}

function failedReply(
  operation: LeanOperation,
  failure: Pick<LeanFailure, 'code' | 'action'> & Partial<LeanFailure>,
) {
  const rest = { retryClass: null, reconnectId: null, leanStatus: null, granularStatus: null };
  return { kind: 'failed', failure: { ...rest, ...failure }, facts: factsOf(operation) } as const;
}
