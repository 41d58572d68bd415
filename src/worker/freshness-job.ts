// Asks Lean for the refreshes of an entity of which nothing was heard for too long: one call. A finished one that is
// newer than all we know of starts a sync; nothing else is changed by it.
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import { unreadableReply, type LeanFailure } from '../lean/lean-failures.ts';
import type { CallFacts } from '../lean/lean-reply.ts';
import { isTerminalRefresh, type WireRefresh } from '../lean/wire-refresh.ts';
import {
  postponeFreshness,
  readAskedEntity,
  recordTerminalRefresh,
  type AskedEntity,
} from '../store/entity-refresh-store.ts';
import { isRemoved, lockEntity } from '../store/entity-lock.ts';
import { openStepJobs } from '../store/sync-step-store.ts';
import { hasReadHistory, requestSync, type RequestedSync } from '../store/sync-store.ts';
import type { BankGate } from './bank-gate.ts';
import { reportClosedRun } from './closed-run-report.ts';
import type { JobReport } from './job-report.ts';
import { reportLeanCall } from './lean-call-report.ts';
import { replyOrder } from './reply-order.ts';
import { stopEntity } from './stopped-entity.ts';
import type { SweepDeps } from './sweep-parts.ts';

export interface FreshnessDeps extends SweepDeps {
  readonly bankGate: Pick<BankGate, 'delayFor' | 'learn'>;
}

export type FreshnessJob = (entityId: string, signal: AbortSignal) => Promise<JobReport>;

const done = { kind: 'done' } as const;
const nothingNew = { verdict: done, outcome: 'nothing_new' } as const;
const operation = 'freshness';
const afterFailureMs = 3_600_000;
const rateLimitedMs = 30_000;
/** Opening steps of a run: accounts and the entity. */
const openingStepsLimit = 10;

export function createFreshnessJob(deps: FreshnessDeps): FreshnessJob {
  return async (entityId, signal) => {
    const { database, lean, bankGate } = deps;
    const entity = await readAskedEntity(database.db, entityId);
    if (entity?.state !== 'active') return { verdict: done, outcome: 'nothing_to_do', operation };
    if ((await bankGate.delayFor(entity.bankIdentifier)) !== null)
      return { ...(await postpone(deps, entityId)), outcome: 'bank_paused', operation };
    const reply = await lean.getRefreshes({ entityId, page: 0, signal });
    const failure =
      reply.kind === 'ok' ? null : reply.kind === 'failed' ? reply.failure : unreadableReply(null);
    reportLeanCall(deps, { facts: reply.facts, outcome: failure?.code ?? 'ok' });
    // That Lean answers says nothing of the bank.
    if (failure !== null) await bankGate.learn(entity.bankIdentifier, failure);
    if (reply.kind !== 'ok')
      return { ...(await settle(deps, entity, { failure, facts: reply.facts })), operation };
    const refreshes = reply.items.map(({ wire }) => wire);
    const newest = newestTerminal(refreshes);
    // Only what has ended counts as heard of; the end of this one may be lost as well.
    const isUnderWay = refreshes.some(({ status }) => status === 'PENDING');
    if (newest === null) return { ...(isUnderWay ? await postpone(deps, entityId) : nothingNew), operation };
    return { ...(await follow(deps, entity, newest)), operation };
  };
}

async function postpone({ database, staleMs }: FreshnessDeps, entityId: string): Promise<JobReport> {
  await postponeFreshness(database.db, { entityId, staleMs, againInMs: Math.min(afterFailureMs, staleMs) });
  return { verdict: done, outcome: 'later' };
}

async function settle(
  deps: FreshnessDeps,
  { entityId, customerId }: AskedEntity,
  { failure, facts }: { readonly failure: LeanFailure | null; readonly facts: CallFacts },
): Promise<JobReport> {
  if (failure === null) return postpone(deps, entityId);
  const { database, now } = deps;
  const { code, action, retryClass, retryAfterMs } = failure;
  if (action === 'stop_entity') {
    const order = replyOrder({ at: failure.at, facts, now: now(), key: 'freshness' });
    const stopped = { entityId, customerId, failure, order };
    await database.transaction((transaction) => stopEntity(database, transaction, stopped));
    return { verdict: done, outcome: code };
  }
  if (retryClass === 'lean_rate_limit') {
    const delayMs = Math.min(retryAfterMs ?? rateLimitedMs, longestPauseMs);
    return { verdict: { kind: 'paused', delayMs }, outcome: code };
  }
  return { ...(await postpone(deps, entityId)), outcome: code };
}

const longestPauseMs = 900_000;

interface EndedRefresh {
  readonly refreshId: string | null;
  readonly at: Instant;
}

/** Lean lists them newest first; which is newest is decided by their times all the same. */
function newestTerminal(refreshes: readonly WireRefresh[]): EndedRefresh | null {
  let newest: EndedRefresh | null = null;
  for (const refresh of refreshes) {
    const at = readInstant(refresh.updated_at ?? refresh.created_at);
    if (at === null || !isTerminalRefresh(refresh.status)) continue;
    if (newest === null || newest.at.ns < at.ns) newest = { refreshId: refresh.refresh_id, at };
  }
  return newest;
}

async function follow(
  deps: FreshnessDeps,
  { entityId, customerId }: AskedEntity,
  refresh: EndedRefresh,
): Promise<JobReport> {
  const { database, syncQueue, metrics } = deps;
  const requested = await database.transaction(async (transaction): Promise<RequestedSync | null> => {
    const locked = await lockEntity(database, transaction, entityId);
    // While Lean was asked.
    if (isRemoved(locked)) return null;
    if (!(await recordTerminalRefresh(database, transaction, { entityId, ...refresh }))) return null;
    const isFirst = !(await hasReadHistory(transaction, entityId));
    return requestSync(database, transaction, {
      entityId,
      customerId,
      reason: 'sweep',
      eventKey: null,
      dataStatus: null,
      fullHistory: isFirst,
      // Whoever missed this may have missed what became of the entity too.
      rereadEntity: true,
    });
  });
  if (requested === null) return nothingNew;
  metrics.sweepFound.inc({ kind: 'refreshes' });
  if (requested.closed !== null) reportClosedRun(deps, requested.closed);
  try {
    const jobs = await openStepJobs(database, { syncId: requested.syncId, limit: openingStepsLimit });
    if (jobs.length > 0) await syncQueue.add(jobs);
    return { verdict: done, outcome: 'found' };
  } catch (error) {
    // The sync is a row, from which the reconciler makes the jobs.
    return { verdict: done, outcome: 'found', error };
  }
}
