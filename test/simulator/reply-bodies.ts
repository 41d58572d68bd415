// The exact text of Lean's v2 replies, with the keys of the captures and every number as a literal.
// Values in, text out: no clock, no randomness, so equal data give equal bytes.
import { availableBank, type BankAvailability, type SimulatedBank } from './banks.ts';
import { consentsOf } from './consents.ts';
import type { SimulatedEntity, SimulatedRefresh } from './customers.ts';
import { refreshWords } from './refresh-words.ts';
import {
  accountItem,
  balanceItem,
  consentItem,
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
  /** True leaves out `data` altogether, as one documented failure does. */
  withoutData?: boolean;
}): string {
  const { status, message, granularStatusCode, withoutData = false } = facts;
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
    ...(withoutData ? {} : { data: null }),
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
    Object.assign(entityItem(entity), { status: entity.status, updated_at: updatedAt(entity) }),
  );
  return JSON.stringify({ data, page });
}

function updatedAt(entity: SimulatedEntity): string {
  const changes = [entity.refreshedAt, ...entity.consents.map(({ statusUpdatedAt }) => statusUpdatedAt)];
  return changes.reduce((latest, at) => (at > latest ? at : latest));
}

/** Every consent of one customer. No body of it is documented: the items are those inside an entity, in a bare array. */
export function consentsReply(entities: readonly SimulatedEntity[]): string {
  return JSON.stringify(
    entities.flatMap((entity) => consentsOf(entity).map((consent) => consentItem(entity, consent))),
  );
}

export function customerReply({ customerId, appUserId }: SimulatedEntity): string {
  return JSON.stringify({ customer_id: customerId, app_user_id: appUserId });
}

/** The answer to a refresh where the bank wants its user first; the refresh id is the reconnect id. */
export function refreshReconnectReply(facts: { reconnectId: string; timestamp: string }): string {
  return JSON.stringify({
    reconnect_id: facts.reconnectId,
    refresh_id: facts.reconnectId,
    status: 'RECONNECT_REQUIRED',
    message: 'User input is required to reconnect with the bank.',
    timestamp: facts.timestamp,
    metadata: null,
  });
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
  const usual = refresh.status === 'PENDING' ? 'PENDING' : 'OK';
  const { dataStatus } = refresh;
  const words = refreshWords(entity, { usual, dataStatus: usual === 'PENDING' ? undefined : dataStatus });
  return JSON.stringify({
    ...refreshItem(entity, refresh),
    data_status: {
      accounts: words.accounts,
      identity: words.identity,
      account_data: entity.accounts.map((account) => ({
        account_id: account.accountId,
        balance: words.balance,
        identity: words.account_identity,
        transactions: words.transactions,
        scheduled_payments: words.scheduled_payments,
        direct_debits: words.direct_debits,
        standing_orders: words.standing_orders,
        beneficiaries: words.beneficiaries,
        transactionAvailability: {
          start: account.transactions[0]?.localDay ?? null,
          end: entity.refreshedAt.slice(0, 10),
        },
      })),
    },
  });
}

/** `availabilityOf` tells how each bank is right now; without it all are well. */
export function banksReply(
  banks: readonly SimulatedBank[],
  availabilityOf: (bank: SimulatedBank) => BankAvailability = availableBank,
): string {
  return JSON.stringify(
    banks.map((bank) => {
      const availability = availabilityOf(bank);
      return {
        identifier: bank.identifier,
        name: bank.name,
        arabic_name: null,
        commercial_name: bank.name,
        commercial_name_arabic: null,
        logo: bank.logo,
        logo_alt: bank.logo,
        main_color: bank.mainColor,
        background_color: bank.backgroundColor,
        theme: 'light',
        country_code: bank.countryCode,
        active: availability.active.data || availability.active.payments,
        mock: true,
        traits: ['auth-redirect', 'open-finance'],
        supported_account_types: ['CREDIT', 'SAVINGS', 'CURRENT'],
        supported_account_sub_types: ['CURRENT', 'SAVINGS', 'CREDIT'],
        bank_type: bank.bankType,
        swift_code: bank.swiftCode,
        transfer_limits: [],
        international_transfer_limits: [],
        international_destinations: [],
        account_type: bank.accountType,
        connection_type: 'OPEN_BANKING',
        availability,
      };
    }),
  );
}

/** Any list in v2's envelope; `key` names the list where that is not its `type`. */
export function listReply<T>(
  type: string,
  list: {
    facts: ReplyFacts & PageRequest;
    all: readonly T[];
    item: (one: T) => object;
    key?: string;
    /** Members of `data` besides the list. */
    extra?: Readonly<Record<string, unknown>>;
  },
): string {
  const { facts, all, item, key = type, extra = {} } = list;
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
    data: { type, ...extra, [key]: items.map((one) => item(one)), page },
  });
}

/** One page of a list, with Lean's totals. */
export function cutPage<T>(all: readonly T[], { page, size }: PageRequest) {
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
