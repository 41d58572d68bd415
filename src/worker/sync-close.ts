// The end of a run, in the transaction of its last step. A run fails when its list of accounts failed; when only some
// lists failed it is done, and `failure_code` names the first of them. What a list that was read completely did not
// have is marked as gone, once; after a list with unreadable items, or of unknown length, nothing is.
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import { appendChanges, type NewChange } from '../store/change-store.ts';
import { removeUnseenAccounts } from '../store/account-store.ts';
import { linkBookings } from '../store/booking-match-store.ts';
import { readKnownEntities } from '../store/listed-entity-store.ts';
import { readDataStatus } from '../store/data-status.ts';
import { stepKinds, type StepKind } from '../store/sync-priority.ts';
import { readStepEnds, type StepEnd } from '../store/sync-step-store.ts';
import { closeRun, type ClosedRun } from '../store/sync-store.ts';
import { supersedeVanished } from '../store/transaction-version-store.ts';
import { active, applyEntityWord, revoked } from './entity-state.ts';
import type { StepContext } from './sync-context.ts';
import { listedTableOf, removeListed } from './sync-listed.ts';
import { askedDays, coveredDays } from './sync-window.ts';

/** Null while steps are open. */
export async function closeWhenFinished(context: StepContext): Promise<ClosedRun | null> {
  const { database, transaction, step } = context;
  const steps = await readStepEnds(transaction, step.syncId);
  if (steps.length === 0) return null;
  const failureCode = steps.find((item) => item.failureCode !== null)?.failureCode ?? null;
  const accountsFailed = steps.find(({ kind, state }) => kind === 'accounts' && state === 'failed');
  if (accountsFailed !== undefined) {
    return closeRun(database, transaction, {
      syncId: step.syncId,
      state: 'failed',
      failureCode: accountsFailed.failureCode,
    });
  }
  await resumeEntity(context, steps);
  await appendChanges(transaction, [
    ...(await removeAccounts(context, steps)),
    ...(await supersedeTransactions(context, steps)),
    ...(await removeUnlisted(context, steps)),
  ]);
  return closeRun(database, transaction, { syncId: step.syncId, state: 'done', failureCode });
}

/** A bank that wanted its customer again has given its accounts, when Lean asked it after that: so it is reconnected. */
async function resumeEntity(
  { database, transaction, step }: StepContext,
  steps: readonly StepEnd[],
): Promise<void> {
  const { entityId, customerId, syncId, eventKey } = step;
  if (completeLists(steps, 'accounts').length === 0) return;
  // The entity's own step may have changed it since it was locked.
  if (step.kind !== 'entity' && step.entityState !== 'action_required') return;
  const known = (await readKnownEntities(transaction, [entityId])).get(entityId);
  // What is permitted is the entity's own word.
  if (known?.state !== 'action_required' || known.reason === revoked.reason) return;
  const refreshedAt = refreshOf(steps, { kind: 'accounts', accountId: null });
  const ns = refreshedAt?.ns ?? BigInt((step.startedAt ?? step.createdAt).getTime()) * 1_000_000n;
  await applyEntityWord(database, transaction, {
    facts: { entityId, customerId },
    order: { ns, key: `reply:${syncId}:accounts`, source: 'reply' },
    state: active,
    locked: { former: known },
    eventKey,
    origin: { syncId },
  });
}

async function removeAccounts(context: StepContext, steps: readonly StepEnd[]): Promise<NewChange[]> {
  const { transaction, step, syncData } = context;
  const isComplete = steps.every(({ kind, failureCode }) => kind !== 'accounts' || failureCode === null);
  if (!isComplete || !syncData.has('accounts')) return [];
  const refreshedAt = refreshOf(steps, { kind: 'accounts', accountId: null });
  const removed = await removeUnseenAccounts(transaction, { ...step, refreshedAt });
  return removed.map((accountId) => ({
    change: 'account.updated',
    entityId: step.entityId,
    customerId: step.customerId,
    accountId,
    eventKey: step.eventKey,
    details: { syncId: step.syncId, removed: true },
  }));
}

async function supersedeTransactions(context: StepContext, steps: readonly StepEnd[]): Promise<NewChange[]> {
  const { database, transaction, step } = context;
  const status = readDataStatus(step.dataStatus);
  const changes: NewChange[] = [];
  for (const { accountId, listFrom } of completeLists(steps, 'transactions')) {
    if (accountId === null) continue;
    const asked = askedDays({ ...step, listFrom }, context.transactionHistoryDays);
    const { from, to } = coveredDays(asked);
    const refreshedAt = refreshOf(steps, { kind: 'transactions', accountId });
    const list = { entityId: step.entityId, accountId, syncId: step.syncId, from, to, refreshedAt };
    const linked = await linkBookings(database, transaction, list);
    const availableFrom = status?.get(accountId)?.availableFrom ?? null;
    const vanished = await supersedeVanished(transaction, { ...list, availableFrom });
    const superseded = linked.superseded + vanished;
    if (superseded + linked.relinked === 0) continue;
    changes.push({
      change: 'transactions.updated',
      entityId: step.entityId,
      customerId: step.customerId,
      accountId,
      eventKey: step.eventKey,
      details: {
        syncId: step.syncId,
        inserted: 0,
        changed: linked.relinked,
        superseded,
        from: asked.startDate,
        to: asked.endDate,
      },
    });
  }
  return changes;
}

async function removeUnlisted(context: StepContext, steps: readonly StepEnd[]): Promise<NewChange[]> {
  const changes: NewChange[] = [];
  for (const kind of stepKinds) {
    const table = listedTableOf(kind);
    if (table === null) continue;
    for (const { accountId } of completeLists(steps, kind)) {
      const refreshedAt = refreshOf(steps, { kind, accountId });
      const change = await removeListed(context, { table, accountId, refreshedAt });
      if (change !== null) changes.push(change);
    }
  }
  return changes;
}

/** A step of each list that was read from the first page to the last without a flaw, in order of the accounts' ids. */
function completeLists(steps: readonly StepEnd[], kind: StepKind): StepEnd[] {
  const ofKind = steps.filter((step) => step.kind === kind);
  const flawed = new Set(
    ofKind.filter(({ failureCode }) => failureCode !== null).map(({ accountId }) => accountId),
  );
  const lists = new Map(ofKind.map((step) => [step.accountId, step] as const));
  return [...lists.values()]
    .filter(({ accountId }) => !flawed.has(accountId))
    .toSorted((left, right) => ((left.accountId ?? '') < (right.accountId ?? '') ? -1 : 1));
}

/** When Lean asked the bank for a list, as its last pass says; null where Lean does not say. */
function refreshOf(
  steps: readonly StepEnd[],
  { kind, accountId }: Pick<StepEnd, 'kind' | 'accountId'>,
): Instant | null {
  const [last] = steps
    .filter((item) => item.kind === kind && item.accountId === accountId && item.state === 'done')
    .toSorted((left, right) => right.pass - left.pass);
  return readInstant(last?.refreshedAt ?? null);
}
