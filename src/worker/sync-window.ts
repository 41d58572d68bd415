// Which days of transactions a sync asks Lean for. Pure; the days stay the same for all pages of a run.
import type { SyncStep } from '../store/sync-step-store.ts';

type WindowFacts = Pick<
  SyncStep,
  'fullHistory' | 'windowFrom' | 'windowTo' | 'startedAt' | 'reason' | 'listFrom'
>;

export interface AskedDays {
  /** UTC days as Lean takes them; null = unbounded. */
  readonly startDate: string | null;
  readonly endDate: string | null;
}

const dayMs = 86_400_000;

/**
 * The complete list, unless the request named a window or an earlier sync has read the list to its end; never further
 * back than `historyDays`, except for a full history that the application itself has asked for.
 */
export function askedDays(run: WindowFacts, historyDays: number | undefined): AskedDays {
  const named = !run.fullHistory && run.windowFrom !== null && run.windowTo !== null;
  const from = named ? run.windowFrom : run.fullHistory ? null : run.listFrom;
  const endDate = named ? run.windowTo : null;
  const unbounded = historyDays === undefined || (run.fullHistory && run.reason === 'requested');
  if (unbounded || run.startedAt === null) return { startDate: from, endDate };
  const bound = moveDay(run.startedAt.toISOString().slice(0, 10), -historyDays);
  return { startDate: from !== null && from > bound ? from : bound, endDate };
}

/**
 * The booking days that such a list surely has in full: Lean does not say whether its bounds are included, and a
 * booking day is local while the bounds are UTC.
 */
export function coveredDays({ startDate, endDate }: AskedDays): { from: string | null; to: string | null } {
  return {
    from: startDate === null ? null : moveDay(startDate, boundaryDays),
    to: endDate === null ? null : moveDay(endDate, -boundaryDays),
  };
}
const boundaryDays = 2;

function moveDay(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10);
}
