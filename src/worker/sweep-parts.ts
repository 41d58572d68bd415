// What the parts of the sweeps share: what they are given, and what a page of a list comes to.
import { sha256Hex } from '../core/event-key.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import { unreadableReply, type LeanFailure } from '../lean/lean-failures.ts';
import type { ListPage } from '../lean/lean-lists.ts';
import type { CallFacts, LeanReply } from '../lean/lean-reply.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { EventQueue, SyncQueue, SyncQueueJob } from '../queue/work-queues.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import type { OpenEvent } from '../store/intake-store.ts';
import type { SweepProgress, SweepWindow } from '../store/sweep-store.ts';
import type { SweepPlan, SweepsInForce } from './sweep-plan.ts';

export interface SweepDeps {
  readonly database: Database;
  readonly lean: Pick<
    LeanClient,
    'getEvents' | 'getBanks' | 'getEntitiesByDate' | 'getRefreshes' | 'startRefresh'
  >;
  readonly eventQueue: Pick<EventQueue, 'add'>;
  readonly syncQueue: Pick<SyncQueue, 'add'>;
  readonly keyRing: KeyRing | null;
  /** EVENT_KEY_KEEP_DAYS; undefined: for ever. */
  readonly eventKeyKeepDays: number | undefined;
  /** Found entities are asked for their refreshes; without, their data is fetched at once. */
  readonly hasRefreshes: boolean;
  readonly plan: SweepPlan;
  /** SYNC_STALE_HOURS. */
  readonly staleMs: number;
  readonly logger: Logger;
  readonly metrics: Pick<
    Metrics,
    'leanCalls' | 'leanCallSeconds' | 'sweepFound' | 'events' | 'syncs' | 'bankPauses' | 'requests'
  >;
  /** By the database's clock. */
  readonly now: () => Date;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

/** The place in a sweep for which a call is made. */
export interface SweepPage {
  readonly window: SweepWindow;
  readonly page: number;
  readonly progress: SweepProgress;
}

export interface SweptPage {
  /** How much of it nobody had brought. */
  readonly found: number;
  readonly openEvents: readonly OpenEvent[];
  /** Entities to be asked for their refreshes. */
  readonly askedEntities: readonly string[];
  /** Syncs whose open steps need jobs. */
  readonly syncIds: readonly string[];
  /** Jobs that are made already. */
  readonly jobs: readonly SyncQueueJob[];
}

export const nothingSwept: SweptPage = {
  found: 0,
  openEvents: [],
  askedEntities: [],
  syncIds: [],
  jobs: [],
};

type StorePage = (transaction: TablesTransaction) => Promise<SweptPage>;

export type SweepReply =
  | {
      readonly kind: 'page';
      readonly isLastPage: boolean;
      readonly unreadable: number;
      readonly facts: CallFacts;
      readonly store: StorePage;
    }
  | { readonly kind: 'failed'; readonly failure: LeanFailure; readonly facts: CallFacts };

/** Lists that sweeps read are never promised for later: a reply that does so is not one of theirs. */
export function sweepReplyOf<Wire>(
  reply: LeanReply<ListPage<Wire>>,
  storing: (page: Extract<LeanReply<ListPage<Wire>>, { kind: 'ok' }>) => StorePage,
): SweepReply {
  const { facts } = reply;
  if (reply.kind === 'failed') return reply;
  if (reply.kind === 'pending') return { kind: 'failed', failure: unreadableReply(null), facts };
  const { isLastPage, unreadable } = reply;
  return { kind: 'page', isLastPage, unreadable: unreadable.length, facts, store: storing(reply) };
}

/** Which sweeps there are and what they can bring back: at the start, and whenever that changes. */
export function sayInForce(logger: Logger, { inForce, recovers }: SweepsInForce): void {
  logger.write('sweeps', { in_force: inForce.join(', '), recovers });
}

/** Behind every step of a sync: a sweep only looks for what was lost. */
const sweepPriority = 50;

export function freshnessJob(entityId: string): SyncQueueJob {
  return {
    id: `fr_${sha256Hex(entityId)}`,
    data: { kind: 'freshness', entityId },
    priority: sweepPriority,
  };
}

export function sweepJob({ sweep, revision }: SweepProgress): SyncQueueJob[] {
  if (sweep === 'freshness') return [];
  const data = { kind: 'sweep', sweep, revision: revision.toString() } as const;
  return [{ id: `sw_${sweep}_${revision}`, data, priority: sweepPriority }];
}
