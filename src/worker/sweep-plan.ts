// Which sweeps a deployment has, which stretch of time the next round of one reads, and what all that can bring back.
// Decisions only: nothing here asks Lean or the database.
import type { SweepName, SweepProgress, SweepWindow } from '../store/sweep-store.ts';

export interface SweepFacts {
  readonly region: 'ae' | 'sa';
  readonly apiVersion: 'v1' | 'v2';
  readonly hasClientSecret: boolean;
  /** SYNC_STALE_HOURS. */
  readonly staleHours: number;
}

export type PagedSweep = Exclude<SweepName, 'freshness'>;

export interface SweepPlan extends SweepsInForce {
  /** Of what is in force while Lean refuses us its list of events; null where it is not asked for. */
  readonly whenDenied: SweepsInForce | null;
}

export interface SweepsInForce {
  readonly inForce: readonly SweepName[];
  /** One sentence for the operator. */
  readonly recovers: string;
}

/**
 * Lean's list of events is documented for the UAE only, with an OAuth2 token (core-resources OpenAPI file), and has no
 * events about consents; entities by date, with their consents, and the banks are in both regions. Refreshes belong to
 * the v2 dialect.
 */
export function planSweeps(facts: SweepFacts): SweepPlan {
  const whenDenied = sweepsOver('entities', facts);
  if (facts.region !== 'ae' || !facts.hasClientSecret) return { ...whenDenied, whenDenied: null };
  return { ...sweepsOver('events', facts), whenDenied };
}

function sweepsOver(
  paged: 'events' | 'entities',
  { apiVersion, staleHours }: Pick<SweepFacts, 'apiVersion' | 'staleHours'>,
): SweepsInForce {
  const listed =
    paged === 'events'
      ? `every event of the last ${reachDays} days but refreshes and consents; banks`
      : 'banks; no other event';
  const hasRefreshes = apiVersion === 'v2';
  const refreshed = hasRefreshes
    ? `refreshes of active entities not heard of for ${staleHours} h`
    : 'no refreshes, which v1 does not have';
  return {
    inForce: [
      ...(paged === 'events' ? [paged] : []),
      'banks',
      'entities',
      ...(hasRefreshes ? ['freshness' as const] : []),
    ],
    recovers: `${listed}; entities connected, changed or removed, with their consents, by date; ${refreshed}`,
  };
}

/** How Lean says that a list is not for this region or these credentials (401, 403, 404), and not that all of it is closed. */
const denials: ReadonlySet<string> = new Set(['LEAN_ACCESS_DENIED', 'LEAN_REQUEST_REFUSED']);

/** Whether its last word on the list of events was a refusal; until it gives the list, entities by date stand in. */
export function isDenied({ sweep, failureCode }: Pick<SweepProgress, 'sweep' | 'failureCode'>): boolean {
  return sweep === 'events' && failureCode !== null && denials.has(failureCode);
}

export function sweepsInForce(plan: SweepPlan, sweeps: readonly SweepProgress[]): SweepsInForce {
  return plan.whenDenied !== null && sweeps.some(isDenied) ? plan.whenDenied : plan;
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
/** Until a list that was refused to us is asked for again; an operator's `ops sweep` asks at once. */
export const afterDenialMs = 6 * hourMs;
/** A delivery takes at most Lean's 10 s: what is younger may still be on its way, and counts as lost only later. */
export const settledMs = 15_000;
/** Bound on one round: two million items. */
export const pagesPerRound = 20_000;

/** Read again each time: events may be listed late, and entities are asked for by whole days of an unnamed time zone. */
const overlapMs = {
  events: 2 * hourMs,
  banks: 0,
  entities: 2 * dayMs,
} as const satisfies Record<PagedSweep, number>;

export interface WindowQuestion {
  readonly sweep: PagedSweep;
  readonly coveredUntil: Date | null;
  readonly now: Date;
  /** EVENT_KEY_KEEP_DAYS: beyond it a known event cannot be told from a lost one. */
  readonly eventKeyKeepDays: number | undefined;
}

export function nextWindow({ sweep, coveredUntil, now, eventKeyKeepDays }: WindowQuestion): SweepWindow {
  const days = sweep === 'events' ? Math.min(reachDays, eventKeyKeepDays ?? reachDays) : reachDays;
  const furthest = now.getTime() - days * dayMs;
  const isWhole = coveredUntil === null || (sweep === 'entities' && isEarlierDay(coveredUntil, now));
  const from = isWhole ? furthest : coveredUntil.getTime() - overlapMs[sweep];
  return { from: new Date(Math.max(from, furthest)), to: new Date(now.getTime() - settledMs) };
}

/** What becomes of an entity shows only in the list of the day it was connected: once a day all of them are read. */
function isEarlierDay(coveredUntil: Date, now: Date): boolean {
  return utcDay(coveredUntil.getTime()) < utcDay(now.getTime());
}

/** Whole days in UTC around the window. */
export function daysAround({ from, to }: SweepWindow): { readonly from: string; readonly to: string } {
  return { from: utcDay(from.getTime()), to: utcDay(to.getTime() + dayMs) };
}

function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
