// The parts of a sync for tests that hand it jobs themselves: a real database, a queue that only remembers, a clock
// that jumps to the next due job, and Lean as one function over lists the test owns.
import type { CanonicalAccount, CanonicalBalance, CanonicalTransaction } from '../../src/core/canonical.ts';
import type { LeanFailure } from '../../src/lean/lean-failures.ts';
import type { CallFacts, LeanOperation } from '../../src/lean/lean-reply.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { KeyRing } from '../../src/sealing/key-ring.ts';
import type { Database } from '../../src/store/database.ts';
import { openStepJobs, type StepJob, type SyncStep } from '../../src/store/sync-step-store.ts';
import { requestSync, type SyncRequest } from '../../src/store/sync-store.ts';
import { createBankSlots, type BankSlots } from '../../src/worker/bank-slots.ts';
import type { JobReport } from '../../src/worker/job-report.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import type { CallLean, PageRecords, PageReply, StepReply } from '../../src/worker/sync-call.ts';
import { handleSyncJob } from '../../src/worker/sync-job.ts';
import { createRecordingLogger } from './silent-logger.ts';
import { account, balance, customerId, entityId, instant, transaction } from './sync-records.ts';

/** What Lean holds of one entity. A test changes it between calls. */
export interface LeanWorld {
  accounts: CanonicalAccount[];
  readonly balances: Map<string, CanonicalBalance[]>;
  readonly transactions: Map<string, CanonicalTransaction[]>;
  refreshedAt: string;
  pageSize: number;
  /** Answers in place of the world when it returns a reply; may throw. */
  intercept: (step: SyncStep) => StepReply | undefined | Promise<StepReply | undefined>;
  /** The steps that were asked for, in order. */
  readonly asked: string[];
}

export function createLeanWorld(): LeanWorld {
  return {
    accounts: [],
    balances: new Map(),
    transactions: new Map(),
    refreshedAt: '2026-05-10T12:32:54.746Z',
    pageSize: 2,
    intercept: () => undefined,
    asked: [],
  };
}

export function factsOf(operation: LeanOperation): CallFacts {
  return {
    operation,
    httpStatus: 200,
    durationMs: 5,
    correlationId: 'correlation',
    traceId: null,
    resultsId: null,
    networkError: null,
  };
}

export function failed(failure: Pick<LeanFailure, 'code' | 'action'> & Partial<LeanFailure>): StepReply {
  const facts = factsOf('accounts');
  const rest = { retryClass: null, reconnectId: null, leanStatus: null, granularStatus: null };
  return { kind: 'failed', failure: { ...rest, ...failure }, facts };
}

export function pending(resultsId: string): StepReply {
  return { kind: 'pending', resultsId, facts: factsOf('transactions') };
}

/** The page the world holds for a step. */
export function pageOf(world: LeanWorld, step: SyncStep): PageReply {
  const items = recordsOf(world, step);
  const start = step.page * world.pageSize;
  return {
    kind: 'page',
    records: items.slice(start, start + world.pageSize),
    unreadable: 0,
    isLastPage: start + world.pageSize >= items.length,
    isEndKnown: true,
    refreshedAt: instant(world.refreshedAt),
    facts: factsOf(step.kind),
  };
}

interface Sliced {
  readonly length: number;
  slice(start: number, end: number): PageRecords;
}

function recordsOf(world: LeanWorld, { kind, accountId }: SyncStep): Sliced {
  if (kind === 'accounts') {
    const { accounts } = world;
    return { length: accounts.length, slice: (from, to) => ({ kind, accounts: accounts.slice(from, to) }) };
  }
  if (kind === 'balances') {
    const balances = world.balances.get(accountId ?? '') ?? [];
    return { length: balances.length, slice: (from, to) => ({ kind, balances: balances.slice(from, to) }) };
  }
  const all = world.transactions.get(accountId ?? '') ?? [];
  return {
    length: all.length,
    slice: (from, to) => ({ kind: 'transactions', transactions: all.slice(from, to) }),
  };
}

function callWorld(world: LeanWorld): CallLean {
  return async (step, signal) => {
    signal.throwIfAborted();
    world.asked.push(step.stepKey);
    const instead = await world.intercept(step);
    return instead ?? pageOf(world, step);
  };
}

interface SyncPartsOptions {
  readonly callLean?: CallLean;
  readonly keyRing?: KeyRing | null;
  readonly syncData?: readonly string[];
  readonly apiVersion?: 'v1' | 'v2';
  readonly transactionHistoryDays?: number;
  readonly bankSlots?: BankSlots;
  readonly bankDelayMs?: (step: SyncStep) => number | null;
}

/** More jobs than any test here needs: a sync that never ends is a failure, not a wait. */
const jobsLimit = 2_000;

export function createSyncParts(database: Database, options: SyncPartsOptions = {}) {
  const world = createLeanWorld();
  const queue = new Map<string, StepJob>();
  const { logger, lines } = createRecordingLogger();
  const metrics = createMetrics({ processMetrics: false });
  // Ahead of the true clock, which goes on: Postgres keeps to that one.
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  const handle = handleSyncJob({
    database,
    callLean: options.callLean ?? callWorld(world),
    queue: {
      add: async (jobs) => {
        for (const job of jobs) if (!queue.has(job.id)) queue.set(job.id, job);
      },
    },
    proveEntity: async () => ({ kind: 'done' }),
    stepBack: createStepBack({ databaseIsAway: () => false, random: () => 0 }),
    bankDelayMs: options.bankDelayMs ?? (() => null),
    bankSlots: options.bankSlots ?? createBankSlots({ slots: 16 }),
    keyRing: options.keyRing ?? null,
    syncData: options.syncData ?? ['accounts', 'balances', 'transactions'],
    apiVersion: options.apiVersion ?? 'v2',
    transactionHistoryDays: options.transactionHistoryDays,
    logger,
    metrics,
    now: () => new Date(nowMs()),
    random: () => 0.5,
  });

  const run = (data: StepJob['data'], signal = new AbortController().signal): Promise<JobReport> =>
    handle({ id: 'sy_test', data, attempt: 1, attempts: 10 }, signal);

  return {
    world,
    lines,
    metrics,
    queue,
    run,
    nowMs,
    advance(ms: number) {
      aheadMs += ms;
    },
    /** Requests a sync as an event's handler does, jobs included. */
    async request(facts: Partial<SyncRequest> = {}) {
      const requested = await database.transaction((inside) =>
        requestSync(database, inside, { ...defaultRequest, ...facts }),
      );
      for (const job of await openStepJobs(database, { syncId: requested.syncId, limit: 100 })) {
        queue.set(job.id, job);
      }
      return requested;
    },
    /** Runs jobs by priority until there are none; a job that is handed back is due later. Gives the reports. */
    async drain(): Promise<JobReport[]> {
      const reports: JobReport[] = [];
      while (queue.size > 0) {
        if (reports.length >= jobsLimit) throw new Error(`still busy after ${jobsLimit} jobs`);
        const [job] = [...queue.values()].toSorted((left, right) => left.priority - right.priority);
        if (job === undefined) break;
        aheadMs += job.delayMs;
        queue.delete(job.id);
        const report = await run(job.data);
        reports.push(report);
        if (report.verdict.kind !== 'done') queue.set(job.id, { ...job, delayMs: report.verdict.delayMs });
      }
      return reports;
    },
  };
}

const defaultRequest: SyncRequest = {
  entityId,
  customerId,
  reason: 'first',
  eventKey: 'event-1',
  dataStatus: null,
  fullHistory: true,
  rereadEntity: false,
};

export async function readRun(database: Database, syncId: string) {
  return database.db
    .selectFrom('sync_runs')
    .selectAll()
    .where('sync_id', '=', syncId)
    .executeTakeFirstOrThrow();
}

export async function readChanges(database: Database) {
  return database.db
    .selectFrom('changes')
    .select(['change', 'account_id', 'details'])
    .orderBy('change_id')
    .execute();
}

type SyncParts = ReturnType<typeof createSyncParts>;

/** Two accounts, a balance each, five transactions of `a` and one of `b`: three pages and one. */
export function partsOfTwoAccounts(database: Database, options: SyncPartsOptions = {}): SyncParts {
  const parts = createSyncParts(database, options);
  const { world } = parts;
  world.accounts = [account('a'), account('b')];
  for (const { accountId } of world.accounts) world.balances.set(accountId, [balance()]);
  const days = [1, 2, 3, 4, 5].map((day) => transaction(`t${day}`, { bookingDate: `2026-05-0${day}` }));
  world.transactions.set('a', days);
  world.transactions.set('b', [transaction('u1')]);
  return parts;
}

export async function readTransactions(database: Database) {
  return database.db
    .selectFrom('transactions')
    .select(['account_id', 'transaction_id', 'amount', 'superseded_at', 'supersede_rule'])
    .orderBy('account_id')
    .orderBy('transaction_id')
    .execute();
}

export async function readStep(database: Database, stepKey: string) {
  return database.db
    .selectFrom('sync_steps')
    .select(['state', 'failure_code', 'attempts'])
    .where('step_key', '=', stepKey)
    .executeTakeFirst();
}

/** Empties what a sync writes. */
export async function clearSyncTables({ db }: Database): Promise<void> {
  for (const table of [
    'sync_runs',
    'pending_results',
    'changes',
    'entities',
    'accounts',
    'balances',
    'transactions',
    'transaction_versions',
    'identities',
    'beneficiaries',
    'direct_debits',
    'standing_orders',
    'scheduled_payments',
  ] as const) {
    await db.deleteFrom(table).execute();
  }
}
