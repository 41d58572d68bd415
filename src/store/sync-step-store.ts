// The steps of a sync, one call to Lean each. A step is written only while it is open and its run is running, so a
// job that comes twice, late, or after its run was closed changes nothing.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';
import { lockEntity } from './entity-lock.ts';
import { addToRun, type RunCounts } from './run-counts.ts';
import { stepPriority, type StepKind, type SyncReason } from './sync-priority.ts';

export interface NewStep {
  readonly kind: StepKind;
  readonly accountId?: string | null;
  /** How often the list was started over. */
  readonly pass?: number;
  readonly page?: number;
  /** The list's `refreshed_at` as its first page gave it, in Lean's own spelling. */
  readonly expectedRefreshedAt?: string | null;
  /** Of transactions: the first UTC day asked for where the run names none; null: from the beginning. */
  readonly listFrom?: string | null;
}

/** `entity`, `<kind>:<pass>:<page>` of the entity's own lists, `<kind>:<account>:<pass>:<page>` of an account's. */
export function stepKeyOf({ kind, accountId, pass = 0, page = 0 }: NewStep): string {
  if (kind === 'entity') return kind;
  return [kind, ...(accountId == null ? [] : [accountId]), pass, page].join(':');
}

interface AddSteps {
  readonly syncId: string;
  readonly reason: SyncReason;
  readonly steps: readonly NewStep[];
}

/** Gives the jobs of the new steps; steps that are there already stay as they are. */
export async function addSteps(executor: Executor, { syncId, reason, steps }: AddSteps): Promise<StepJob[]> {
  const rows = new Map(
    steps.map((step) => {
      const { kind, accountId = null, pass = 0, page = 0 } = step;
      const stepKey = stepKeyOf(step);
      const row = {
        sync_id: syncId,
        step_key: stepKey,
        kind,
        account_id: accountId,
        page,
        pass,
        expected_refreshed_at: step.expectedRefreshedAt ?? null,
        list_from: step.listFrom ?? null,
        results_id: null,
        failure_code: null,
        priority: stepPriority(reason, { kind, page }),
      };
      return [stepKey, row] as const;
    }),
  );
  if (rows.size === 0) return [];
  const added = await executor
    .insertInto('sync_steps')
    .values([...rows.values()])
    .onConflict((conflict) => conflict.columns(['sync_id', 'step_key']).doNothing())
    .returning(['step_key', 'priority'])
    .execute();
  return added.map(({ step_key: stepKey, priority }) =>
    stepJob({ syncId, stepKey, attempts: 0, priority, delayMs: 0 }),
  );
}

export interface StepId {
  readonly syncId: string;
  readonly stepKey: string;
}

export type SyncStep = NonNullable<Awaited<ReturnType<typeof readStep>>>;

/** The step with its run and what is known of its entity; null unless it is open or pending and its run is running. */
export async function readStep(executor: Executor, { syncId, stepKey }: StepId) {
  const row = await selectStep(executor, { syncId, stepKey }).executeTakeFirst();
  return row === undefined ? null : { syncId, stepKey, ...row };
}

function selectStep(executor: Executor, { syncId, stepKey }: StepId) {
  return executor
    .selectFrom('sync_steps as step')
    .innerJoin('sync_runs as run', 'run.sync_id', 'step.sync_id')
    .leftJoin('entities as entity', 'entity.entity_id', 'run.entity_id')
    .leftJoin('banks as bank', 'bank.bank_identifier', 'entity.bank_identifier')
    .where('step.sync_id', '=', syncId)
    .where('step.step_key', '=', stepKey)
    .where('step.state', 'in', ['open', 'pending'])
    .where('run.state', '=', 'running')
    .select([
      'step.kind as kind',
      'step.account_id as accountId',
      'step.page as page',
      'step.pass as pass',
      'step.expected_refreshed_at as expectedRefreshedAt',
      'step.list_from as listFrom',
      'step.state as state',
      'step.attempts as attempts',
      'step.due_at as dueAt',
      'step.results_id as resultsId',
      'run.entity_id as entityId',
      'run.reason as reason',
      'run.event_key as eventKey',
      'run.full_history as fullHistory',
      'run.window_from as windowFrom',
      'run.window_to as windowTo',
      'run.data_status as dataStatus',
      'run.started_at as startedAt',
      'step.created_at as createdAt',
      'entity.permissions as permissions',
      'entity.bank_identifier as bankIdentifier',
      'entity.state as entityState',
    ])
    .select(sql<string | null>`coalesce(run.customer_id, entity.customer_id)`.as('customerId'))
    .select(
      sql<boolean>`(bank.active_data is not false and bank.enabled_data is not false)`.as('isBankAvailable'),
    )
    .select(
      sql<Date | null>`case when bank.paused_until > now() then bank.paused_until end`.as('bankPausedUntil'),
    );
}

/**
 * As readStep, with the entity and the step locked until the transaction ends. What it says of run and entity is as new as
 * their lock; of the bank it may be older, and is not to be judged by.
 */
export async function lockStep(
  database: Database,
  transaction: Executor,
  { entityId, syncId, stepKey }: StepId & { readonly entityId: string },
): Promise<SyncStep | null> {
  await lockEntity(database, transaction, entityId);
  const row = await selectStep(transaction, { syncId, stepKey }).forUpdate('step').executeTakeFirst();
  return row === undefined ? null : { syncId, stepKey, ...row };
}

export type StepEnd = Awaited<ReturnType<typeof readStepEnds>>[number];

/**
 * Every step of a run with what it came to, in the order in which they were last written; none while one of them is
 * open, since a long history has thousands.
 */
export async function readStepEnds(executor: Executor, syncId: string) {
  return executor
    .selectFrom('sync_steps')
    .where('sync_id', '=', syncId)
    .where((build) =>
      build.not(
        build.exists(
          build
            .selectFrom('sync_steps as open')
            .select('open.step_key')
            .where('open.sync_id', '=', syncId)
            .where('open.state', 'in', ['open', 'pending']),
        ),
      ),
    )
    .select(['kind', 'state', 'account_id as accountId', 'failure_code as failureCode', 'pass'])
    .select(['expected_refreshed_at as refreshedAt', 'list_from as listFrom'])
    .orderBy('updated_at')
    .orderBy('step_key')
    .execute();
}

interface EndStep extends StepId {
  readonly state: 'done' | 'failed' | 'dropped';
  /** The list's `refreshed_at` as this page gave it; left out where nothing was read. */
  readonly refreshedAt?: string | null;
  /** Why it failed, or what a done step could not store. */
  readonly failureCode: string | null;
  /** What its call gave and is stored; left out: nothing. */
  readonly counts?: Partial<RunCounts>;
}

/** Counts its call too, with what that gave. */
export async function endStep(
  transaction: Executor,
  { syncId, stepKey, state, failureCode, refreshedAt, counts }: EndStep,
): Promise<void> {
  await transaction
    .with('counted', (inside) => addToRun(inside, { syncId, calls: 1, ...counts }))
    .updateTable('sync_steps')
    .set({
      state,
      failure_code: failureCode,
      ...(refreshedAt !== undefined && { expected_refreshed_at: refreshedAt }),
      updated_at: sql`now()`,
    })
    .where('sync_id', '=', syncId)
    .where('step_key', '=', stepKey)
    .execute();
}

interface PostponeStep extends StepId {
  /** `pending`: Lean has promised a result under `resultsId`. */
  readonly state: 'open' | 'pending';
  readonly resultsId: string | null;
  readonly dueAt: Date;
  readonly failureCode: string | null;
}

/** Counts the call, and the attempt, by which the next job of this step gets another id: `delayMs` of the result is 0. */
export async function postponeStep(
  transaction: Executor,
  { syncId, stepKey, state, resultsId, dueAt, failureCode }: PostponeStep,
): Promise<StepJob> {
  const { attempts, priority } = await transaction
    .with('counted', (inside) => addToRun(inside, { syncId, calls: 1 }))
    .updateTable('sync_steps')
    .set({
      state,
      results_id: resultsId,
      due_at: dueAt.toISOString(),
      failure_code: failureCode,
      attempts: sql`attempts + 1`,
      updated_at: sql`now()`,
    })
    .where('sync_id', '=', syncId)
    .where('step_key', '=', stepKey)
    .returning(['attempts', 'priority'])
    .executeTakeFirstOrThrow();
  return stepJob({ syncId, stepKey, attempts, priority, delayMs: 0 });
}

export interface StepJob {
  readonly id: string;
  readonly data: { readonly kind: 'step'; readonly syncId: string; readonly stepKey: string };
  readonly priority: number;
  readonly delayMs: number;
}

export interface OpenStepJobs {
  /** Only the steps of this run. */
  readonly syncId?: string;
  /** Only the step that waits for these results. */
  readonly resultsId?: string;
  readonly limit: number;
}

/**
 * Jobs for what is open in running syncs, most urgent first, after a commit. Adding one twice does no harm. Steps that wait for results get a job only when they are due.
 */
export async function openStepJobs(
  database: Database,
  { syncId, resultsId, limit }: OpenStepJobs,
): Promise<StepJob[]> {
  let query = database.db
    .selectFrom('sync_steps as step')
    .innerJoin('sync_runs as run', 'run.sync_id', 'step.sync_id')
    .where('run.state', '=', 'running')
    .where(sql<boolean>`(step.state = 'open' or (step.state = 'pending' and step.due_at <= now()))`);
  if (syncId !== undefined) query = query.where('step.sync_id', '=', syncId);
  if (resultsId !== undefined) query = query.where('step.results_id', '=', resultsId);
  const rows = await query
    .select(['step.sync_id', 'step.step_key', 'step.priority', 'step.attempts'])
    .select(sql<string>`greatest(0, ceil(extract(epoch from step.due_at - now()) * 1000))`.as('delay_ms'))
    .orderBy('step.priority')
    .orderBy('step.due_at')
    .orderBy('step.step_key')
    .limit(limit)
    .execute();
  return rows.map(({ sync_id, step_key, priority, attempts, delay_ms }) =>
    stepJob({ syncId: sync_id, stepKey: step_key, attempts, priority, delayMs: Number(delay_ms) }),
  );
}

interface JobFacts extends StepId {
  readonly attempts: number;
  readonly priority: number;
  readonly delayMs: number;
}

/** The same call at the same attempt always has the same id; a further attempt has another. */
export function stepJob({ syncId, stepKey, attempts, priority, delayMs }: JobFacts): StepJob {
  const hash = createHash('sha256').update(`${syncId}:${stepKey}`).digest('hex');
  return { id: `sy_${hash}_${attempts}`, data: { kind: 'step', syncId, stepKey }, priority, delayMs };
}
