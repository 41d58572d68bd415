// One page of a list: its records are stored, the application is told, and what follows from it becomes steps. A list
// that was refreshed between two pages starts over, because offsets into it have shifted.
import { appendChanges } from '../store/change-store.ts';
import { forgetSeenAccounts, upsertAccounts } from '../store/account-store.ts';
import { upsertBalances } from '../store/balance-store.ts';
import { secondsUntilFirstBalance } from '../store/first-balance-store.ts';
import type { ReportedData } from '../store/data-status.ts';
import { findListStarts } from '../store/list-start-store.ts';
import { resolveResults } from '../store/pending-results-store.ts';
import { addSteps, endStep, type NewStep } from '../store/sync-step-store.ts';
import type { RunCounts } from '../store/run-counts.ts';
import { upsertTransactions } from '../store/transaction-store.ts';
import { forgetSeen } from '../store/transaction-version-store.ts';
import type { PageRecords, PageReply } from './sync-call.ts';
import { closeWhenFinished } from './sync-close.ts';
import type { StepContext, StepResult } from './sync-context.ts';
import { isWanted, kindsOfAccount } from './sync-kinds.ts';
import { forgetListed, listedTableOf, storeListed } from './sync-listed.ts';
import { askedDays } from './sync-window.ts';

/** How often a list is read from its first page before it counts as unstable. */
const passesLimit = 3;
/** Two million transactions of one account: beyond that Lean's paging is taken to be broken. */
const pagesLimit = 20_000;

export async function applyPage(context: StepContext, reply: PageReply): Promise<StepResult> {
  const { transaction, step } = context;
  if (step.resultsId !== null) await resolveResults(transaction, step.resultsId);
  const refreshedAt = reply.refreshedAt?.text ?? null;
  if (step.page > 0 && refreshedAt !== step.expectedRefreshedAt) return startOver(context);
  const { refused, following, counts, ...told } = await storeRecords(context, reply);
  const isTooLong = !reply.isLastPage && step.page + 1 >= pagesLimit;
  if (!reply.isLastPage && !isTooLong) {
    following.push({ ...listOf(step), page: step.page + 1, expectedRefreshedAt: refreshedAt });
  }
  const flaw = findFlaw({ isTooLong, isFlawed: refused + reply.unreadable > 0, reply });
  await endStep(transaction, {
    ...step,
    state: isTooLong ? 'failed' : 'done',
    failureCode: flaw,
    refreshedAt,
    counts,
  });
  const jobs = await addSteps(transaction, { ...step, steps: following });
  // What was added is open.
  const closed = jobs.length > 0 ? null : await closeWhenFinished(context);
  return { outcome: flaw ?? 'done', jobs, closed, pauseMs: null, ...told };
}

interface PageFlaws {
  readonly isTooLong: boolean;
  /** Items could not be read or stored. */
  readonly isFlawed: boolean;
  readonly reply: PageReply;
}

/** What keeps this page from being a whole part of a complete list. */
function findFlaw({ isTooLong, isFlawed, reply }: PageFlaws) {
  if (isTooLong) return 'LIST_TOO_LONG';
  if (isFlawed) return 'ITEM_NOT_STORABLE';
  return reply.isLastPage && !reply.isEndKnown ? 'LIST_END_UNKNOWN' : null;
}

function listOf({ kind, accountId, pass, listFrom }: StepContext['step']) {
  return { kind, accountId, pass, listFrom };
}

async function startOver(context: StepContext): Promise<StepResult> {
  const { transaction, step } = context;
  const isUnstable = step.pass + 1 >= passesLimit;
  await endStep(transaction, {
    ...step,
    state: isUnstable ? 'failed' : 'dropped',
    failureCode: isUnstable ? 'LIST_UNSTABLE' : null,
  });
  if (isUnstable) {
    return { outcome: 'LIST_UNSTABLE', jobs: [], closed: await closeWhenFinished(context), pauseMs: null };
  }
  await forgetPasses(context);
  const jobs = await addSteps(transaction, {
    ...step,
    steps: [{ ...listOf(step), pass: step.pass + 1 }],
  });
  return { outcome: 'started_over', jobs, closed: null, pauseMs: null };
}

/** Seen anew from its first page: what only the former passes had does not count as seen. */
async function forgetPasses(context: StepContext): Promise<void> {
  const { transaction, step } = context;
  const table = listedTableOf(step.kind);
  if (table !== null) await forgetListed(context, table);
  const { kind, entityId, accountId, syncId } = step;
  if (kind === 'accounts') await forgetSeenAccounts(transaction, { entityId, syncId });
  if (kind === 'transactions' && accountId !== null) {
    await forgetSeen(transaction, { entityId, accountId, syncId });
  }
}

interface StoredPage {
  readonly refused: number;
  readonly counts: Partial<RunCounts>;
  readonly following: NewStep[];
  readonly immutableChanged?: number;
  readonly firstBalanceSeconds?: number | null;
}

async function storeRecords(context: StepContext, reply: PageReply): Promise<StoredPage> {
  const { records } = reply;
  switch (records.kind) {
    case 'accounts':
      return storeAccounts(context, reply, records);
    case 'balances':
      return storeBalances(context, reply, records);
    case 'transactions':
      return storeTransactions(context, reply, records);
    case 'identities':
    case 'beneficiaries':
    case 'direct_debits':
    case 'standing_orders':
    case 'scheduled_payments':
      return { ...(await storeListed(context, reply, records)), following: [] };
  }
}

type Of<Kind extends PageRecords['kind']> = Extract<PageRecords, { readonly kind: Kind }>;

async function storeAccounts(
  context: StepContext,
  { refreshedAt }: PageReply,
  { accounts }: Of<'accounts'>,
): Promise<StoredPage> {
  const { transaction, step, keyRing, syncData } = context;
  const following = await stepsAfter(
    context,
    accounts.map(({ accountId }) => accountId),
  );
  if (!syncData.has('accounts')) return { refused: 0, counts: {}, following };
  const stored = await upsertAccounts(transaction, { ...step, refreshedAt, accounts, keyRing });
  const { entityId, customerId, eventKey, syncId } = step;
  const changes = [
    ...stored.inserted.map((accountId) => ({ accountId, inserted: true })),
    ...stored.changed.map((accountId) => ({ accountId, inserted: false })),
  ].map(({ accountId, inserted }) => {
    const details = { syncId, inserted };
    return { change: 'account.updated', entityId, customerId, accountId, eventKey, details } as const;
  });
  await appendChanges(transaction, changes);
  const counts = { accounts: accounts.length - stored.refused };
  return { refused: stored.refused, counts, following };
}

/** What the accounts of a page lead to; every page to the entity's own list too, and adding it twice adds nothing. */
async function stepsAfter(context: StepContext, accountIds: readonly string[]): Promise<NewStep[]> {
  const { step, syncData } = context;
  const isAsked = (data: ReportedData, accountId: string | null) =>
    isWanted({ step, syncData, accountId, data });
  const starts = await listStarts(
    context,
    accountIds.filter((accountId) => isAsked('transactions', accountId)),
  );
  const ofAccounts = accountIds.flatMap((accountId) =>
    kindsOfAccount
      .filter((kind) => isAsked(kind, accountId))
      .map((kind) => {
        const listFrom = kind === 'transactions' ? (starts.get(accountId) ?? null) : null;
        return { kind, accountId, listFrom };
      }),
  );
  return isAsked('identity', null) ? [{ kind: 'identity' }, ...ofAccounts] : ofAccounts;
}

/** Decided once a run, so that all pages of a list are of the same days. */
async function listStarts(
  { database, transaction, step }: StepContext,
  accountIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { entityId, fullHistory } = step;
  return fullHistory ? new Map() : findListStarts(database, transaction, { entityId, accountIds });
}

async function storeBalances(
  context: StepContext,
  { refreshedAt }: PageReply,
  { balances }: Of<'balances'>,
): Promise<StoredPage> {
  const { database, transaction, step, keyRing } = context;
  const accountId = step.accountId ?? '';
  const firstBalanceSeconds =
    step.reason === 'first' && balances.length > 0
      ? await secondsUntilFirstBalance(database, transaction, step.entityId)
      : null;
  const { inserted, changed, refused } = await upsertBalances(transaction, {
    ...step,
    accountId,
    refreshedAt,
    balances,
    keyRing,
  });
  if (inserted + changed > 0) {
    const details = { syncId: step.syncId, inserted, changed };
    await appendChanges(transaction, [{ ...aboutAccount(step), change: 'balances.updated', details }]);
  }
  const counts = { balances: balances.length - refused };
  return { refused, counts, following: [], firstBalanceSeconds };
}

async function storeTransactions(
  context: StepContext,
  { refreshedAt }: PageReply,
  { transactions }: Of<'transactions'>,
): Promise<StoredPage> {
  const { database, transaction, step, keyRing, transactionHistoryDays } = context;
  const accountId = step.accountId ?? '';
  const stored = await upsertTransactions(database, transaction, {
    ...step,
    accountId,
    refreshedAt,
    transactions,
    keyRing,
  });
  const { inserted, changed, immutableChanged, refused } = stored;
  if (inserted + changed > 0) {
    const { startDate, endDate } = askedDays(step, transactionHistoryDays);
    const details = {
      syncId: step.syncId,
      inserted,
      changed,
      superseded: 0,
      ...(immutableChanged > 0 && { immutableChanged }),
      from: startDate,
      to: endDate,
    };
    await appendChanges(transaction, [{ ...aboutAccount(step), change: 'transactions.updated', details }]);
  }
  const counts = { transactions: transactions.length - refused };
  return { refused, counts, following: [], immutableChanged };
}

function aboutAccount({ entityId, customerId, accountId, eventKey }: StepContext['step']) {
  return { entityId, customerId, accountId, eventKey };
}
