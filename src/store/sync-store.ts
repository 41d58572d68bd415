// The runs of a sync. Per entity at most one waits and one runs (two partial unique indexes, and the entity's lock);
// a request while one waits widens that one. Nothing here asks Lean.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { appendChanges } from './change-store.ts';
import { readDataStatus, writeDataStatus } from './data-status.ts';
import type { Database, Executor } from './database.ts';
import { lockEntity } from './entity-lock.ts';
import { countsOf, withoutEmpty, type RunCounts } from './run-counts.ts';
import type { SyncReason } from './sync-priority.ts';
import { addSteps, type NewStep } from './sync-step-store.ts';
import { coverBoth, type Width } from './sync-width.ts';

export interface SyncRequest {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly reason: SyncReason;
  /** The event that asks for it; null when none does. */
  readonly eventKey: string | null;
  /** `data_status` of the refresh, in Lean's shape; null when nothing is known. */
  readonly dataStatus: unknown;
  readonly fullHistory: boolean;
  /** UTC days, both included; left out or null means the complete list. */
  readonly window?: DayWindow | null;
  /** Whether the entity itself is asked for too, for its bank and permissions. */
  readonly rereadEntity: boolean;
}

interface DayWindow {
  readonly from: string;
  readonly to: string;
}

export interface RequestedSync {
  readonly syncId: string;
  readonly state: 'waiting' | 'running';
  /** The run that was cut short for it; after the commit, for the log line and the metric of its end. */
  readonly closed: ClosedRun | null;
}

/**
 * Records that an entity's data is wanted; part of the caller's transaction. When no run is running, this one starts
 * and has its opening steps. A refresh also cuts short a running one that does nothing but wait for retries.
 * After the commit: add `openStepJobs({ syncId })` to the queue.
 */
export async function requestSync(
  database: Database,
  transaction: Executor,
  request: SyncRequest,
): Promise<RequestedSync> {
  await lockEntity(database, transaction, request.entityId);
  const waiting = await findRun(transaction, request.entityId, 'waiting');
  const syncId = await upsertWaiting(transaction, waiting, request);
  const running = await findRun(transaction, request.entityId, 'running');
  if (running === undefined) {
    await startRun(database, transaction, syncId);
    return { syncId, state: 'running', closed: null };
  }
  if (request.reason === 'refresh' && (await onlyWaitsForRetries(transaction, running.sync_id))) {
    const merged = await findRun(transaction, request.entityId, 'waiting');
    if (merged !== undefined) await widen(transaction, { syncId, former: running, latter: merged });
    const closed = await closeRun(database, transaction, {
      syncId: running.sync_id,
      state: 'failed',
      failureCode: 'SYNC_SUPERSEDED',
    });
    return { syncId, state: 'running', closed };
  }
  return { syncId, state: 'waiting', closed: null };
}

type Run = NonNullable<Awaited<ReturnType<typeof findRun>>>;

async function findRun(executor: Executor, entityId: string, state: 'waiting' | 'running') {
  return executor
    .selectFrom('sync_runs')
    .selectAll()
    .where('entity_id', '=', entityId)
    .where('state', '=', state)
    .executeTakeFirst();
}

/** Whether a sync of the whole history is done or on its way; one that failed does not count. */
export async function hasReadHistory(executor: Executor, entityId: string): Promise<boolean> {
  const row = await executor
    .selectFrom('sync_runs')
    .select('sync_id')
    .where('entity_id', '=', entityId)
    .where('full_history', '=', true)
    .where('state', '<>', 'failed')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a run that reads the entity itself again was asked for in these hours, by the database's clock. */
export async function hasReread(
  executor: Executor,
  { entityId, hours }: { readonly entityId: string; readonly hours: number },
): Promise<boolean> {
  const row = await executor
    .selectFrom('sync_runs')
    .select('sync_id')
    .where('entity_id', '=', entityId)
    .where('reread_entity', '=', true)
    .where('state', '<>', 'failed')
    .where(sql<boolean>`created_at > now() - make_interval(hours => ${hours})`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function upsertWaiting(
  transaction: Executor,
  waiting: Run | undefined,
  request: SyncRequest,
): Promise<string> {
  const wanted = {
    reason: request.reason,
    customer_id: request.customerId,
    event_key: request.eventKey,
    full_history: request.fullHistory,
    window_from: request.window?.from ?? null,
    window_to: request.window?.to ?? null,
    data_status: request.dataStatus,
    reread_entity: request.rereadEntity,
  };
  if (waiting !== undefined) {
    await widen(transaction, { syncId: waiting.sync_id, former: waiting, latter: wanted });
    return waiting.sync_id;
  }
  const status = readDataStatus(request.dataStatus);
  const syncId = randomUUID();
  await transaction
    .insertInto('sync_runs')
    .values({
      ...wanted,
      sync_id: syncId,
      entity_id: request.entityId,
      state: 'waiting',
      data_status: status && writeDataStatus(status),
      failure_code: null,
    })
    .execute();
  return syncId;
}

/** Afterwards the run covers what both did. */
async function widen(
  transaction: Executor,
  { syncId, former, latter }: { readonly syncId: string; readonly former: Width; readonly latter: Width },
): Promise<void> {
  await transaction
    .updateTable('sync_runs')
    .set({ ...coverBoth({ former, latter }), updated_at: sql`now()` })
    .where('sync_id', '=', syncId)
    .execute();
}

async function onlyWaitsForRetries(transaction: Executor, syncId: string): Promise<boolean> {
  const row = await transaction
    .selectFrom('sync_steps')
    .where('sync_id', '=', syncId)
    .where('state', 'in', ['open', 'pending'])
    .select((build) => build.fn.countAll<bigint>().as('steps'))
    .select(
      sql<bigint>`count(*) filter (where state = 'open' and attempts > 0 and due_at > now())`.as('resting'),
    )
    .executeTakeFirstOrThrow();
  return row.steps > 0n && row.steps === row.resting;
}

async function startRun(database: Database, transaction: Executor, syncId: string): Promise<void> {
  const run = await transaction
    .updateTable('sync_runs')
    .set({
      state: 'running',
      customer_id: sql`coalesce(customer_id, (
        select entity.customer_id from ${database.table('entities')} as entity
        where entity.entity_id = sync_runs.entity_id
      ))`,
      started_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where('sync_id', '=', syncId)
    .returning(['reason', 'reread_entity', 'customer_id'])
    .executeTakeFirstOrThrow();
  const steps: NewStep[] = [{ kind: 'accounts' }];
  // Lean gives an entity only by its customer.
  if (run.reread_entity && run.customer_id !== null) steps.push({ kind: 'entity' });
  await addSteps(transaction, { syncId, reason: run.reason, steps });
}

export interface CloseRun {
  readonly syncId: string;
  readonly state: 'done' | 'failed';
  /** Why it failed, or the first list that a done run could not read. */
  readonly failureCode: string | null;
}

export interface ClosedRun extends CloseRun, RunCounts {
  readonly entityId: string;
  readonly reason: SyncReason;
  readonly calls: number;
  readonly durationMs: number;
  /** The run that was waiting and has started now. */
  readonly startedSyncId: string | null;
}

/** Ends a running run, tells the application and starts the waiting one. The caller holds the entity's lock. */
export async function closeRun(
  database: Database,
  transaction: Executor,
  { syncId, state, failureCode }: CloseRun,
): Promise<ClosedRun> {
  const run = await withWhatEnds(transaction, { syncId, state })
    .updateTable('sync_runs')
    .set({ state, failure_code: failureCode, finished_at: sql<string>`now()`, updated_at: sql`now()` })
    .where('sync_id', '=', syncId)
    .where('state', '=', 'running')
    .returningAll()
    .executeTakeFirstOrThrow();
  const { reason, calls } = run;
  const counts = countsOf(run);
  await appendChanges(transaction, [
    {
      change: state === 'done' ? 'sync.completed' : 'sync.failed',
      entityId: run.entity_id,
      customerId: run.customer_id,
      eventKey: run.event_key,
      details: { syncId, reason, ...withoutEmpty(counts), failureCode },
    },
  ]);
  const waiting = await findRun(transaction, run.entity_id, 'waiting');
  if (waiting !== undefined) await startRun(database, transaction, waiting.sync_id);
  return {
    syncId,
    entityId: run.entity_id,
    state,
    failureCode,
    reason,
    calls,
    ...counts,
    durationMs: (run.finished_at?.getTime() ?? 0) - (run.started_at?.getTime() ?? 0),
    startedSyncId: waiting?.sync_id ?? null,
  };
}

/** The same of whatever runs for an entity; null where nothing does. */
export async function closeRunningRun(
  database: Database,
  transaction: Executor,
  { entityId, failureCode }: { readonly entityId: string; readonly failureCode: string },
): Promise<ClosedRun | null> {
  const running = await findRun(transaction, entityId, 'running');
  if (running === undefined) return null;
  return closeRun(database, transaction, { syncId: running.sync_id, state: 'failed', failureCode });
}

/** With a run end its open steps and what was promised to them; all in the statement that ends it. */
function withWhatEnds(transaction: Executor, { syncId, state }: Pick<CloseRun, 'syncId' | 'state'>) {
  return transaction
    .with('dropped', (inside) =>
      inside
        .updateTable('sync_steps')
        .set({ state: 'dropped', updated_at: sql`now()` })
        .where('sync_id', '=', syncId)
        .where('state', 'in', ['open', 'pending']),
    )
    .with('resolved', (inside) =>
      inside
        .updateTable('pending_results')
        .set({ resolved_at: sql<string>`now()`, updated_at: sql`now()` })
        .where('sync_id', '=', syncId)
        .where('resolved_at', 'is', null),
    )
    .with('synced', (inside) =>
      inside
        .updateTable('entities')
        .set({ synced_at: sql<string>`now()`, updated_at: sql`now()` })
        .where('entity_id', '=', (run) =>
          run.selectFrom('sync_runs').select('entity_id').where('sync_id', '=', syncId),
        )
        .where(sql<boolean>`${state} = 'done'`),
    );
}
