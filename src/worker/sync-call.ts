// One step, one call to Lean: asks what the step says and gives canonical records back. Stores nothing.
import type { CanonicalAccount, CanonicalBalance, CanonicalTransaction } from '../core/canonical.ts';
import type {
  CanonicalBeneficiary,
  CanonicalDirectDebit,
  CanonicalScheduledPayment,
  CanonicalStandingOrder,
} from '../core/canonical-orders.ts';
import type { CanonicalIdentity } from '../core/canonical-people.ts';
import { AppError } from '../core/app-error.ts';
import type { Instant } from '../core/instant.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import { unreadableReply } from '../lean/lean-failures.ts';
import { findListEnd } from '../lean/lean-lists.ts';
import type { CallFacts, FailedReply, LeanReply, PendingReply, ReplyAround } from '../lean/lean-reply.ts';
import type { ResultsData } from '../lean/lean-results.ts';
import { normalizeAccounts } from '../lean/normalize-account.ts';
import { normalizeBalances } from '../lean/normalize-balance.ts';
import { normalizeBeneficiaries } from '../lean/normalize-beneficiary.ts';
import { normalizeDirectDebits } from '../lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../lean/normalize-standing-order.ts';
import { normalizeTransactions } from '../lean/normalize-transaction.ts';
import type { StepKind } from '../store/sync-priority.ts';
import type { SyncStep } from '../store/sync-step-store.ts';
import { readListed, type ListedEntity } from './listed-entity.ts';
import { askedDays } from './sync-window.ts';

export type PageRecords =
  | { readonly kind: 'accounts'; readonly accounts: readonly CanonicalAccount[] }
  | { readonly kind: 'balances'; readonly balances: readonly CanonicalBalance[] }
  | { readonly kind: 'transactions'; readonly transactions: readonly CanonicalTransaction[] }
  | ListedRecords;

/** Stored in the table of that name. */
export type ListedRecords =
  | { readonly kind: 'identities'; readonly items: readonly CanonicalIdentity[] }
  | { readonly kind: 'beneficiaries'; readonly items: readonly CanonicalBeneficiary[] }
  | { readonly kind: 'direct_debits'; readonly items: readonly CanonicalDirectDebit[] }
  | { readonly kind: 'standing_orders'; readonly items: readonly CanonicalStandingOrder[] }
  | { readonly kind: 'scheduled_payments'; readonly items: readonly CanonicalScheduledPayment[] };

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
  /** With its consents. */
  readonly listed: ListedEntity;
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
    | 'getAccounts'
    | 'getBalances'
    | 'getTransactions'
    | 'getIdentity'
    | 'getAccountIdentities'
    | 'getBeneficiaries'
    | 'getDirectDebits'
    | 'getStandingOrders'
    | 'getScheduledPayments'
    | 'getEntity'
    | 'getResults'
  >;
  /** TRANSACTION_HISTORY_DAYS. */
  readonly transactionHistoryDays: number | undefined;
}

export function createCallLean({ client, transactionHistoryDays }: CallLeanOptions): CallLean {
  return async (step, signal) => {
    const { entityId, customerId, resultsId } = step;
    if (step.state === 'pending' && resultsId !== null) {
      const reply = await client.getResults({ resultsId, signal });
      return reply.kind === 'ok' ? readResults(step, reply) : reply;
    }
    if (step.kind === 'entity') {
      const reply = await client.getEntity({ customerId: customerId ?? '', entityId, signal });
      if (reply.kind !== 'ok') return reply;
      return {
        kind: step.kind,
        listed: readListed({ wire: reply.entity, raw: reply.bodyText }),
        at: reply.httpDate,
        facts: reply.facts,
      };
    }
    const reply = await askList(client, { step, transactionHistoryDays, signal });
    return reply.kind === 'ok' ? readPage(reply) : reply;
  };
}

type ListData = Extract<ResultsData, { readonly items: unknown }>;
type ListReply = ({ readonly kind: 'ok' } & ReplyAround & ListData) | PendingReply | FailedReply;

interface AskList {
  readonly step: SyncStep;
  readonly transactionHistoryDays: number | undefined;
  readonly signal: AbortSignal;
}

async function askList(
  client: CallLeanOptions['client'],
  { step, transactionHistoryDays, signal }: AskList,
): Promise<ListReply> {
  const { kind, entityId, page } = step;
  const query = { entityId, accountId: step.accountId ?? '', page, signal };
  switch (kind) {
    case 'accounts':
      return named(kind, await client.getAccounts(query));
    case 'balances':
      return named(kind, await client.getBalances(query));
    case 'transactions': {
      const { startDate, endDate } = askedDays(step, transactionHistoryDays);
      const days = { startDate: startDate ?? undefined, endDate: endDate ?? undefined };
      return named(kind, await client.getTransactions({ ...query, ...days }));
    }
    case 'identity':
      return named('identities', await client.getIdentity(query));
    case 'account_identities':
      return named('identities', await client.getAccountIdentities(query));
    case 'beneficiaries':
      return named(kind, await client.getBeneficiaries(query));
    case 'direct_debits':
      return named(kind, await client.getDirectDebits(query));
    case 'standing_orders':
      return named(kind, await client.getStandingOrders(query));
    case 'scheduled_payments':
      return named(kind, await client.getScheduledPayments(query));
    case 'entity':
      throw new AppError('JOB_MALFORMED', 'an entity is no list');
  }
}

/** Says which list a reply holds. */
function named<DataType extends string, Page>(dataType: DataType, reply: LeanReply<Page>) {
  return reply.kind === 'ok' ? { ...reply, dataType } : reply;
}

function readPage(reply: ListData & ReplyAround): PageReply {
  const { isLastPage, isEndKnown, refreshedAt, facts } = reply;
  const page = { kind: 'page', isLastPage, isEndKnown, refreshedAt, facts } as const;
  const unreadable = reply.unreadable.length;
  if (reply.dataType !== 'balances') return { ...page, unreadable, records: readRecords(reply) };
  const { records, unreadable: undated } = normalizeBalances(reply.items, reply);
  const balances = { kind: 'balances', balances: records } as const;
  return { ...page, unreadable: unreadable + undated.length, records: balances };
}

function readRecords(list: Exclude<ListData, { readonly dataType: 'balances' }>): PageRecords {
  switch (list.dataType) {
    case 'accounts':
      return { kind: list.dataType, accounts: normalizeAccounts(list.items) };
    case 'transactions':
      return { kind: list.dataType, transactions: normalizeTransactions(list.items) };
    case 'identities':
      return { kind: list.dataType, items: normalizeIdentities(list.items) };
    case 'beneficiaries':
      return { kind: list.dataType, items: normalizeBeneficiaries(list.items) };
    case 'direct_debits':
      return { kind: list.dataType, items: normalizeDirectDebits(list.items) };
    case 'standing_orders':
      return { kind: list.dataType, items: normalizeStandingOrders(list.items) };
    case 'scheduled_payments':
      return { kind: list.dataType, items: normalizeScheduledPayments(list.items) };
  }
}

/** What results of each step hold; of an entity they never come. */
const dataTypeOf: Readonly<Record<StepKind, ListData['dataType'] | null>> = {
  entity: null,
  accounts: 'accounts',
  balances: 'balances',
  transactions: 'transactions',
  identity: 'identities',
  account_identities: 'identities',
  beneficiaries: 'beneficiaries',
  direct_debits: 'direct_debits',
  standing_orders: 'standing_orders',
  scheduled_payments: 'scheduled_payments',
};

/** Results say only item by item whose they are, so every item is compared with what the step had asked for. */
function readResults(step: SyncStep, reply: ResultsData & ReplyAround): StepReply {
  const failed = { kind: 'failed', failure: unreadableReply(null), facts: reply.facts } as const;
  if (reply.dataType === 'other' || reply.dataType !== dataTypeOf[step.kind]) return failed;
  if ((reply.page?.number ?? step.page) !== step.page) return failed;
  if (reply.items.some(({ wire }) => isForeign(step, wire))) return failed;
  const isWhole = reply.page === null && reply.isEndKnown;
  if (isWhole) return readPage(reply);
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
