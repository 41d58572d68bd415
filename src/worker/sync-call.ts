// One step, one call to Lean: asks what the step says and gives canonical records back. Stores nothing.
import type {
  CanonicalAccount,
  CanonicalBalance,
  CanonicalEntity,
  CanonicalTransaction,
} from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import { unreadableReply } from '../lean/lean-failures.ts';
import { findListEnd } from '../lean/lean-lists.ts';
import type { CallFacts, FailedReply, PendingReply, ReplyAround } from '../lean/lean-reply.ts';
import type { ResultsData } from '../lean/lean-results.ts';
import { normalizeAccounts } from '../lean/normalize-account.ts';
import { normalizeBalances } from '../lean/normalize-balance.ts';
import { normalizeEntity } from '../lean/normalize-entity.ts';
import { normalizeTransactions } from '../lean/normalize-transaction.ts';
import type { SyncStep } from '../store/sync-step-store.ts';
import { askedDays } from './sync-window.ts';

export type PageRecords =
  | { readonly kind: 'accounts'; readonly accounts: readonly CanonicalAccount[] }
  | { readonly kind: 'balances'; readonly balances: readonly CanonicalBalance[] }
  | { readonly kind: 'transactions'; readonly transactions: readonly CanonicalTransaction[] };

export interface PageReply {
  readonly kind: 'page';
  readonly records: PageRecords;
  /** Items that could not be read. */
  readonly unreadable: number;
  readonly isLastPage: boolean;
  /** False where Lean does not say how long the list is. */
  readonly isEndKnown: boolean;
  readonly refreshedAt: Instant | null;
  readonly facts: CallFacts;
}

export interface EntityReply {
  readonly kind: 'entity';
  readonly entity: CanonicalEntity;
  /** When Lean said so, where it says when. */
  readonly at: Instant | null;
  readonly facts: CallFacts;
}

export type StepReply = PageReply | EntityReply | PendingReply | FailedReply;

/** Throws LEAN_CALL_ABORTED when the signal does, and LEAN_ID_INVALID. */
export type CallLean = (step: SyncStep, signal: AbortSignal) => Promise<StepReply>;

export interface CallLeanOptions {
  readonly client: Pick<
    LeanClient,
    'getAccounts' | 'getBalances' | 'getTransactions' | 'getEntity' | 'getResults'
  >;
  /** TRANSACTION_HISTORY_DAYS. */
  readonly transactionHistoryDays: number | undefined;
}

export function createCallLean({ client, transactionHistoryDays }: CallLeanOptions): CallLean {
  return async (step, signal) => {
    const { kind, entityId, page, customerId, resultsId } = step;
    const accountId = step.accountId ?? '';
    if (step.state === 'pending' && resultsId !== null) {
      const reply = await client.getResults({ resultsId, signal });
      return reply.kind === 'ok' ? readResults(step, reply) : reply;
    }
    switch (kind) {
      case 'accounts': {
        const reply = await client.getAccounts({ entityId, page, signal });
        return reply.kind === 'ok' ? readPage({ ...reply, dataType: kind }) : reply;
      }
      case 'balances': {
        const reply = await client.getBalances({ entityId, accountId, page, signal });
        return reply.kind === 'ok' ? readPage({ ...reply, dataType: kind }) : reply;
      }
      case 'transactions': {
        const { startDate, endDate } = askedDays(step, transactionHistoryDays);
        const days = { startDate: startDate ?? undefined, endDate: endDate ?? undefined };
        const reply = await client.getTransactions({ entityId, accountId, page, signal, ...days });
        return reply.kind === 'ok' ? readPage({ ...reply, dataType: kind }) : reply;
      }
      case 'entity': {
        const reply = await client.getEntity({ customerId: customerId ?? '', entityId, signal });
        if (reply.kind !== 'ok') return reply;
        return { kind, entity: normalizeEntity(reply.entity), at: reply.httpDate, facts: reply.facts };
      }
    }
  };
}

type ListData = Extract<ResultsData, { readonly dataType: 'accounts' | 'balances' | 'transactions' }>;

function readPage(reply: ListData & ReplyAround): PageReply {
  const { isLastPage, isEndKnown, refreshedAt, facts } = reply;
  const page = { kind: 'page', isLastPage, isEndKnown, refreshedAt, facts } as const;
  const unreadable = reply.unreadable.length;
  switch (reply.dataType) {
    case 'accounts':
      return { ...page, unreadable, records: { kind: 'accounts', accounts: normalizeAccounts(reply.items) } };
    case 'balances': {
      const { records, unreadable: undated } = normalizeBalances(reply.items, reply);
      const balances = { kind: 'balances', balances: records } as const;
      return { ...page, unreadable: unreadable + undated.length, records: balances };
    }
    case 'transactions': {
      const transactions = normalizeTransactions(reply.items);
      return { ...page, unreadable, records: { kind: 'transactions', transactions } };
    }
  }
}

/** Results say only item by item whose they are, so every item is compared with what the step had asked for. */
function readResults(step: SyncStep, reply: ResultsData & ReplyAround): StepReply {
  const failed = { kind: 'failed', failure: unreadableReply(null), facts: reply.facts } as const;
  const { dataType } = reply;
  if (dataType !== 'accounts' && dataType !== 'balances' && dataType !== 'transactions') return failed;
  if (dataType !== step.kind || (reply.page?.number ?? step.page) !== step.page) return failed;
  if (reply.items.some(({ wire }) => isForeign(step, wire))) return failed;
  // Only the step knows which page was asked for.
  const itemCount = reply.items.length + reply.unreadable.length;
  return readPage({ ...reply, ...findListEnd(reply.page, { askedPage: step.page, itemCount }) });
}

interface Owner {
  readonly entity_id?: unknown;
  readonly account_id?: unknown;
}

function isForeign({ entityId, accountId }: SyncStep, { entity_id, account_id }: Owner): boolean {
  if ((entity_id ?? entityId) !== entityId) return true;
  return accountId !== null && (account_id ?? accountId) !== accountId;
}
