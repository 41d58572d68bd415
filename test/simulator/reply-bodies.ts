// The exact text of Lean's v2 replies, with the keys of the captures and every number as a literal.
// Values in, text out: no clock, no randomness, so equal data give equal bytes.
import type { SimulatedBank, SimulatedEntity, SimulatedRefresh } from './customers.ts';
import {
  accountItem,
  balanceItem,
  entityItem,
  refreshItem,
  transactionItem,
  type AccountOfEntity,
} from './reply-items.ts';
import type { SimulatedTransaction } from './transactions.ts';

/** What every data reply carries. */
export interface ReplyFacts {
  resultsId: string;
  timestamp: string;
  /** When Lean last pulled this list from the bank. */
  refreshedAt: string;
}

export interface PageRequest {
  /** From 0. */
  page: number;
  /** 1 to 100. */
  size: number;
}

export function accountsReply(entity: SimulatedEntity, facts: ReplyFacts & PageRequest): string {
  return listReply('accounts', {
    facts,
    all: entity.accounts,
    item: (account) => accountItem(entity, account),
  });
}

export function balancesReply(owned: AccountOfEntity, facts: ReplyFacts & PageRequest): string {
  const all = owned.account.balances;
  return listReply('balances', { facts, all, item: (balance) => balanceItem(owned, balance) });
}

/** `transactions` default to all of the account; hand in fewer for a date window. */
export function transactionsReply(
  owned: AccountOfEntity,
  facts: ReplyFacts & PageRequest & { transactions?: readonly SimulatedTransaction[] },
): string {
  const all = facts.transactions ?? owned.account.transactions;
  return listReply('transactions', {
    facts,
    all,
    item: (transaction) => transactionItem(owned, transaction),
  });
}

/** PENDING, FAILED, RECONNECT_REQUIRED and the like: a reply without data. */
export function emptyReply(facts: {
  status: string;
  message: string;
  resultsId: string;
  timestamp: string;
  granularStatusCode?: string;
}): string {
  const { status, message, granularStatusCode } = facts;
  return JSON.stringify({
    status,
    results_id: facts.resultsId,
    message,
    meta: null,
    timestamp: facts.timestamp,
    status_detail:
      granularStatusCode === undefined
        ? null
        : { granular_status_code: granularStatusCode, status_additional_info: message },
    data: null,
    type: null,
    refreshed_at: null,
  });
}

export function errorReply(facts: {
  status: string;
  message: string;
  timestamp: string;
  resultsId?: string;
}): string {
  const { status, message, timestamp, resultsId } = facts;
  return JSON.stringify({ results_id: resultsId, timestamp, status, message, metadata: null });
}

export function entityReply(entity: SimulatedEntity): string {
  return JSON.stringify(entityItem(entity));
}

/** The entities of one customer: a bare array. */
export function entitiesReply(entities: readonly SimulatedEntity[]): string {
  return JSON.stringify(entities.map(entityItem));
}

/** Entities of all customers, paged. */
export function entitiesByDateReply(entities: readonly SimulatedEntity[], request: PageRequest): string {
  const { items, page } = cutPage(entities, request);
  const data = items.map((entity) =>
    Object.assign(entityItem(entity), { status: 'ACTIVE', updated_at: entity.refreshedAt }),
  );
  return JSON.stringify({ data, page });
}

export function refreshTriggeredReply(facts: { refreshId: string; timestamp: string }): string {
  return JSON.stringify({
    refresh_id: facts.refreshId,
    status: 'OK',
    message: 'Data refresh triggered successfully',
    timestamp: facts.timestamp,
  });
}

export function refreshesReply(entity: SimulatedEntity, request: PageRequest): string {
  const { items, page } = cutPage(entity.refreshes, request);
  return JSON.stringify({ content: items.map((refresh) => refreshItem(entity, refresh)), page });
}

export function refreshReply(entity: SimulatedEntity, refresh: SimulatedRefresh): string {
  const word = refresh.status === 'PENDING' ? 'PENDING' : 'OK';
  const rest = entity.region === 'sa' ? word : 'UNSUPPORTED';
  return JSON.stringify({
    ...refreshItem(entity, refresh),
    data_status: {
      accounts: word,
      identity: word,
      account_data: entity.accounts.map((account) => ({
        account_id: account.accountId,
        balance: word,
        identity: word,
        transactions: word,
        scheduled_payments: rest,
        direct_debits: rest,
        standing_orders: rest,
        beneficiaries: rest,
        transactionAvailability: {
          start: account.transactions[0]?.localDay ?? null,
          end: entity.refreshedAt.slice(0, 10),
        },
      })),
    },
  });
}

export function banksReply(banks: readonly SimulatedBank[]): string {
  return JSON.stringify(
    banks.map((bank) => ({
      identifier: bank.identifier,
      name: bank.name,
      arabic_name: null,
      logo: bank.logo,
      main_color: bank.mainColor,
      background_color: bank.backgroundColor,
      theme: 'light',
      country_code: bank.countryCode,
      active: true,
      mock: true,
      traits: ['auth-redirect', 'open-finance'],
      supported_account_types: ['CREDIT', 'SAVINGS', 'CURRENT'],
      bank_type: bank.bankType,
      swift_code: bank.swiftCode,
      account_type: bank.accountType,
      availability: { active: { payments: true, data: true }, enabled: { payments: true, data: true } },
    })),
  );
}

function listReply<T>(
  type: 'accounts' | 'balances' | 'transactions',
  list: { facts: ReplyFacts & PageRequest; all: readonly T[]; item: (one: T) => object },
): string {
  const { facts, all, item } = list;
  const { items, page } = cutPage(all, facts);
  return JSON.stringify({
    status: 'OK',
    results_id: facts.resultsId,
    message: 'Data successfully retrieved',
    meta: null,
    timestamp: facts.timestamp,
    status_detail: null,
    refreshed_at: facts.refreshedAt,
    type,
    data: { type, [type]: items.map((one) => item(one)), page },
  });
}

function cutPage<T>(all: readonly T[], { page, size }: PageRequest) {
  return {
    items: all.slice(page * size, (page + 1) * size),
    page: {
      number: page,
      size,
      total_elements: all.length,
      total_pages: Math.ceil(all.length / size),
      sort: null,
    },
  };
}
