// Which sweeps a deployment has, which stretch of time the next round of one reads, and what all that can bring back.
// Decisions only: nothing here asks Lean or the database.
import type { SweepName, SweepWindow } from '../store/sweep-store.ts';

export interface SweepFacts {
  readonly region: 'ae' | 'sa';
  readonly apiVersion: 'v1' | 'v2';
  readonly hasClientSecret: boolean;
  /** SYNC_STALE_HOURS. */
  readonly staleHours: number;
}

export type PagedSweep = Exclude<SweepName, 'freshness'>;

export interface SweepPlan {
  /** How what never arrived is listed. */
  readonly paged: PagedSweep;
  readonly inForce: readonly SweepName[];
  /** One sentence for the operator. */
  readonly recovers: string;
}

/**
 * Lean's list of events is documented for the UAE only, with an OAuth2 token (core-resources OpenAPI file); entities by
 * date is in both regions. Refreshes belong to the v2 dialect.
 */
export function planSweeps({ region, apiVersion, hasClientSecret, staleHours }: SweepFacts): SweepPlan {
  const paged = region === 'ae' && hasClientSecret ? 'events' : 'entities';
  const listed =
    paged === 'events'
      ? `every event of the last ${reachDays} days but refreshes`
      : 'connected and removed entities by date; other lost events are not listed to us here';
  const hasRefreshes = apiVersion === 'v2';
  const refreshed = hasRefreshes
    ? `refreshes of active entities not heard of for ${staleHours} h`
    : 'no refreshes, which v1 does not have';
  return {
    paged,
    inForce: hasRefreshes ? [paged, 'freshness'] : [paged],
    recovers: `${listed}; ${refreshed}`,
  };
}

export function staleMsOf(staleHours: number): number {
  return staleHours * hourMs;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** As far back as Lean lists events (core-resources OpenAPI file). */
const reachDays = 90;
/** Between two rounds. */
export const roundEveryMs = 5 * minuteMs;
/** A delivery takes at most Lean's 10 s: what is younger may still be on its way, and counts as lost only later. */
export const settledMs = 15_000;
/** Bound on one round: two million items. */
export const pagesPerRound = 20_000;

/** Read again each time: events may be listed late, and entities are asked for by whole days of an unnamed time zone. */
const overlapMs = { events: 2 * hourMs, entities: 2 * dayMs } as const satisfies Record<PagedSweep, number>;

export interface WindowQuestion {
  readonly sweep: PagedSweep;
  readonly coveredUntil: Date | null;
  readonly now: Date;
  /** EVENT_KEY_KEEP_DAYS: beyond it a known event cannot be told from a lost one. */
  readonly eventKeyKeepDays: number | undefined;
}

export function nextWindow({ sweep, coveredUntil, now, eventKeyKeepDays }: WindowQuestion): SweepWindow {
  const days = Math.min(reachDays, eventKeyKeepDays ?? reachDays);
  const furthest = now.getTime() - days * dayMs;
  const from = coveredUntil === null ? furthest : coveredUntil.getTime() - overlapMs[sweep];
  return { from: new Date(Math.max(from, furthest)), to: new Date(now.getTime() - settledMs) };
}

/** Whole days in UTC around the window. */
export function daysAround({ from, to }: SweepWindow): { readonly from: string; readonly to: string } {
  return { from: utcDay(from.getTime()), to: utcDay(to.getTime() + dayMs) };
}

function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
