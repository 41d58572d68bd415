// How far each sweep has got, in Postgres, so that another worker goes on where one stopped. A page's finds and the
// step forward are one transaction; a stalled twin finds that the revision has moved on, and writes nothing.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

/**
 * `events`: Lean's list of events; `banks`: its list of banks; `entities`: by date; `freshness`: refreshes of entities
 * long not heard of.
 */
export const sweepNames = ['events', 'banks', 'entities', 'freshness'] as const;
export type SweepName = (typeof sweepNames)[number];

export interface SweepWindow {
  readonly from: Date;
  readonly to: Date;
}

export interface SweepProgress {
  readonly sweep: SweepName;
  /** The stretch that is being read; null between two rounds. */
  readonly window: SweepWindow | null;
  /** The page to be read next. */
  readonly page: number;
  /** Everything before this has been read; null before the first round ended. */
  readonly coveredUntil: Date | null;
  readonly dueAt: Date;
  /** Of the round under way, or else of the last one. */
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** Ever. */
  readonly calls: bigint;
  readonly found: bigint;
  readonly failuresInARow: number;
  readonly failureCode: string | null;
  readonly revision: bigint;
}

/** Makes the rows that are missing, due at once; the others stay as they are. */
export async function ensureSweeps(executor: Executor, sweeps: readonly SweepName[]): Promise<void> {
  if (sweeps.length === 0) return;
  await executor
    .insertInto('sweep_progress')
    .values(sweeps.map((sweep) => ({ sweep, page: 0, failure_code: null })))
    .onConflict((conflict) => conflict.column('sweep').doNothing())
    .execute();
}

/** Those that have a row, in the order of `sweepNames`. */
export async function readSweeps(executor: Executor): Promise<SweepProgress[]> {
  const rows = await executor.selectFrom('sweep_progress').selectAll().execute();
  return sweepNames.flatMap((sweep) => {
    const row = rows.find((candidate) => candidate.sweep === sweep);
    if (row === undefined) return [];
    const { window_from: from, window_to: to } = row;
    return [
      {
        sweep,
        window: from === null || to === null ? null : { from, to },
        page: row.page,
        coveredUntil: row.covered_until,
        dueAt: row.due_at,
        startedAt: row.started_at,
        finishedAt: row.finished_at,
        calls: row.calls,
        found: row.found,
        failuresInARow: row.failures_in_a_row,
        failureCode: row.failure_code,
        revision: row.revision,
      },
    ];
  });
}

export async function readSweep(executor: Executor, sweep: SweepName): Promise<SweepProgress | null> {
  const sweeps = await readSweeps(executor);
  return sweeps.find((progress) => progress.sweep === sweep) ?? null;
}

/** By the database's clock. */
export async function dueSweeps(executor: Executor): Promise<SweepProgress[]> {
  const due = await executor
    .selectFrom('sweep_progress')
    .select('sweep')
    .where('due_at', '<=', sql<Date>`now()`)
    .execute();
  const names = new Set(due.map(({ sweep }) => sweep));
  const sweeps = await readSweeps(executor);
  return sweeps.filter(({ sweep }) => names.has(sweep));
}

/** Somebody asks for a round now; one that is under way goes on at once. */
export async function makeSweepDue(executor: Executor, sweep: SweepName): Promise<void> {
  await executor
    .updateTable('sweep_progress')
    .set({ due_at: sql`least(due_at, now())`, updated_at: sql`now()` })
    .where('sweep', '=', sweep)
    .execute();
}

export interface SweepPlace {
  readonly sweep: SweepName;
  /** As it was when the call to Lean was made. */
  readonly revision: bigint;
}

/**
 * Holds the sweep until the transaction ends. False when it has moved on meanwhile: then the caller writes nothing.
 * Take it before anything that the page's finds lock.
 */
export async function lockSweep(
  database: Database,
  transaction: Executor,
  { sweep, revision }: SweepPlace,
): Promise<boolean> {
  const { rows } = await sql`
    select from ${database.table('sweep_progress')} where sweep = ${sweep} and revision = ${revision} for update
  `.execute(transaction);
  return rows.length > 0;
}

interface SweepStep {
  readonly sweep: SweepName;
  /** To Lean, for this step; 1 when left out. */
  readonly calls?: number;
  /** What this call found that nobody had brought. */
  readonly found: number;
}

export interface ContinueSweep extends SweepStep {
  /** The same for all pages of a round. */
  readonly window: SweepWindow;
  /** The page to be read next. */
  readonly page: number;
}

/** The caller has locked it. Due at once. */
export async function continueSweep(
  transaction: Executor,
  { sweep, found, calls = 1, window, page }: ContinueSweep,
): Promise<void> {
  await transaction
    .updateTable('sweep_progress')
    .set({
      window_from: window.from.toISOString(),
      window_to: window.to.toISOString(),
      page,
      due_at: sql`now()`,
      ...oneStepOn({ found, calls }),
    })
    .where('sweep', '=', sweep)
    .execute();
}

export interface FinishSweep extends SweepStep {
  /** Everything before this has been read; never moves back. Null where the sweep reads no stretch of time. */
  readonly coveredUntil: Date | null;
  /** Until the next round, by the database's clock. */
  readonly nextInMs: number;
}

/** The caller has locked it. */
export async function finishSweep(
  transaction: Executor,
  { sweep, found, calls = 1, coveredUntil, nextInMs }: FinishSweep,
): Promise<void> {
  await transaction
    .updateTable('sweep_progress')
    .set({
      window_from: null,
      window_to: null,
      page: 0,
      // greatest() passes over nulls.
      covered_until: sql<string>`greatest(covered_until, ${coveredUntil?.toISOString() ?? null}::timestamptz)`,
      finished_at: sql<string>`now()`,
      due_at: inMs(nextInMs),
      ...oneStepOn({ found, calls }),
    })
    .where('sweep', '=', sweep)
    .execute();
}

export interface FailSweep {
  readonly sweep: SweepName;
  readonly failureCode: string;
  /** Until the same page is asked for again. */
  readonly againInMs: number;
}

/** The caller has locked it; window and page stay. Gives how many failures there were in a row. */
export async function failSweep(
  transaction: Executor,
  { sweep, failureCode, againInMs }: FailSweep,
): Promise<number> {
  const row = await transaction
    .updateTable('sweep_progress')
    .set({
      due_at: inMs(againInMs),
      calls: sql`calls + 1`,
      failures_in_a_row: sql`failures_in_a_row + 1`,
      failure_code: failureCode,
      revision: sql`revision + 1`,
      updated_at: sql`now()`,
    })
    .where('sweep', '=', sweep)
    .returning('failures_in_a_row')
    .executeTakeFirst();
  return row?.failures_in_a_row ?? 0;
}

/** What every step that went well does to the row, in the middle of a round or at its end. */
function oneStepOn({ found, calls }: { found: number; calls: number }) {
  return {
    started_at: sql<string>`case when window_from is null then now() else coalesce(started_at, now()) end`,
    calls: sql<bigint>`calls + ${calls}`,
    found: sql<bigint>`found + ${found}`,
    failures_in_a_row: 0,
    failure_code: null,
    revision: sql<bigint>`revision + 1`,
    updated_at: sql<string>`now()`,
  };
}

function inMs(ms: number) {
  return sql`now() + make_interval(secs => ${ms / 1000})`;
}
