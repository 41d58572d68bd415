// The v2 dialect of the data calls: GET with pages, and the refreshes. What the calls are is the same in v1.
import type { z } from 'zod';
import type { CallOptions, LeanCaller } from './lean-caller.ts';
import { listKinds, pageSize, readPage, type ListKind, type ListPage } from './lean-lists.ts';
import type {
  AccountListQuery,
  EntityListQuery,
  EntityOnlyQuery,
  IdentityQuery,
  RefreshQuery,
  ResultsQuery,
  TransactionsQuery,
} from './lean-queries.ts';
import type { LeanReply } from './lean-reply.ts';
import { readResults, type ResultsData } from './lean-results.ts';
import { readRefresh, readStartedRefresh, type RefreshData, type StartedRefresh } from './lean-things.ts';
import { urlId } from './url-id.ts';
import type { WireAccount } from './wire-account.ts';
import type { WireBalance } from './wire-balance.ts';
import type { WireIdentity } from './wire-identity.ts';
import type {
  WireBeneficiary,
  WireDirectDebit,
  WireScheduledPayment,
  WireStandingOrder,
} from './wire-orders.ts';
import type { WireRefresh } from './wire-refresh.ts';
import type { WireTransaction } from './wire-transaction.ts';

export interface DataCalls {
  getAccounts(query: EntityListQuery): Promise<LeanReply<ListPage<WireAccount>>>;
  getBalances(query: AccountListQuery): Promise<LeanReply<ListPage<WireBalance>>>;
  getTransactions(query: TransactionsQuery): Promise<LeanReply<ListPage<WireTransaction>>>;
  /** Of whoever gave the consent. */
  getIdentity(query: IdentityQuery): Promise<LeanReply<ListPage<WireIdentity>>>;
  /** Of all who hold the account or may act on it. */
  getAccountIdentities(query: AccountListQuery): Promise<LeanReply<ListPage<WireIdentity>>>;
  getBeneficiaries(query: AccountListQuery): Promise<LeanReply<ListPage<WireBeneficiary>>>;
  getDirectDebits(query: AccountListQuery): Promise<LeanReply<ListPage<WireDirectDebit>>>;
  getStandingOrders(query: AccountListQuery): Promise<LeanReply<ListPage<WireStandingOrder>>>;
  getScheduledPayments(query: AccountListQuery): Promise<LeanReply<ListPage<WireScheduledPayment>>>;
  getResults(query: ResultsQuery): Promise<LeanReply<ResultsData>>;
  getRefreshes(query: EntityListQuery): Promise<LeanReply<ListPage<WireRefresh>>>;
  getRefresh(query: RefreshQuery): Promise<LeanReply<RefreshData>>;
  startRefresh(query: EntityOnlyQuery): Promise<LeanReply<StartedRefresh>>;
}

export function createDataCalls(caller: LeanCaller): DataCalls {
  const getList = async <Schema extends z.ZodType>(
    kind: ListKind<Schema>,
    { path, query, belongsTo, page, signal }: ListCall,
  ): Promise<LeanReply<ListPage<z.output<Schema>>>> =>
    caller.call({
      operation: kind.operation,
      path,
      query: { ...query, page: String(page), size: String(pageSize) },
      isEnveloped: true,
      read: (source) => readPage(source, kind, { page, belongsTo }),
      signal,
    });
  return {
    getAccounts: async (query) => getList(listKinds.accounts, ofEntity(query, '/data/v2/accounts')),
    getBalances: async (query) => getList(listKinds.balances, ofAccount(query, 'balances')),
    async getTransactions(query) {
      const listCall = ofAccount(query, 'transactions');
      const days = { start_date: query.startDate, end_date: query.endDate };
      return getList(listKinds.transactions, { ...listCall, query: { ...listCall.query, ...days } });
    },
    getIdentity: async (query) =>
      getList(listKinds.identity, ofEntity({ ...query, page: query.page ?? 0 }, '/data/v2/identity')),
    getAccountIdentities: async (query) =>
      getList(listKinds.accountIdentities, ofAccount(query, 'identities')),
    getBeneficiaries: async (query) => getList(listKinds.beneficiaries, ofAccount(query, 'beneficiaries')),
    getDirectDebits: async (query) => getList(listKinds.directDebits, ofAccount(query, 'direct-debits')),
    getStandingOrders: async (query) =>
      getList(listKinds.standingOrders, ofAccount(query, 'standing-orders')),
    getScheduledPayments: async (query) =>
      getList(listKinds.scheduledPayments, ofAccount(query, 'scheduled-payments')),
    getResults: async ({ resultsId, signal }) =>
      caller.call({
        operation: 'results',
        path: `/data/v2/results/${urlId(resultsId)}`,
        isEnveloped: true,
        read: readResults,
        signal,
      }),
    ...createRefreshCalls(caller),
  };
}

type RefreshCalls = Pick<DataCalls, 'getRefreshes' | 'getRefresh' | 'startRefresh'>;

function createRefreshCalls(caller: LeanCaller): RefreshCalls {
  return {
    async getRefreshes(query) {
      const { path, belongsTo, page, signal, query: ids } = ofEntity(query, '/data/v2/refreshes');
      return caller.call({
        operation: 'refreshes',
        path,
        query: { ...ids, page: String(page), size: String(pageSize) },
        isEnveloped: false,
        read: (source) => readPage(source, listKinds.refreshes, { page, belongsTo }),
        signal,
      });
    },
    getRefresh: async ({ refreshId, entityId, signal }) =>
      caller.call({
        operation: 'refresh',
        path: `/data/v2/refreshes/${urlId(refreshId)}`,
        isEnveloped: false,
        read: (source) => readRefresh(source, { refreshId, entityId }),
        signal,
      }),
    startRefresh: async ({ entityId, signal }) =>
      caller.call({
        operation: 'start_refresh',
        path: '/data/v2/refreshes',
        body: { entity_id: urlId(entityId) },
        isEnveloped: true,
        read: readStartedRefresh,
        signal,
      }),
  };
}

interface ListCall extends CallOptions {
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly belongsTo: Readonly<Record<string, string>>;
  readonly page: number;
}

function ofEntity({ entityId, page, signal }: EntityListQuery, path: string): ListCall {
  return { path, query: { entity_id: urlId(entityId) }, belongsTo: { entity_id: entityId }, page, signal };
}

function ofAccount({ entityId, accountId, page, signal }: AccountListQuery, list: string): ListCall {
  return {
    path: `/data/v2/accounts/${urlId(accountId)}/${list}`,
    query: { entity_id: urlId(entityId) },
    belongsTo: { entity_id: entityId, account_id: accountId },
    page,
    signal,
  };
}
