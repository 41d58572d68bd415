// The v1 dialect of the data calls: POST with a JSON body, the answer under `payload`, whole lists without pages. What
// v1 does not have is answered here, as unsupported, and never asked.
import { urlId } from './url-id.ts';
import type { CallOptions, LeanCaller } from './lean-caller.ts';
import type { DataCalls } from './lean-data-v2.ts';
import { unsupportedCall } from './lean-failures.ts';
import { noFacts, type FailedReply, type LeanOperation } from './lean-reply.ts';
import {
  readAccountsV1,
  readBalanceV1,
  readIdentityV1,
  readResultsV1,
  readTransactionsV1,
} from './lean-v1-replies.ts';
import { wireTransactionV1Schema } from './wire-v1.ts';

/** `zone`: where the bank's days are. */
export function createDataCallsV1(caller: LeanCaller, zone: string): DataCalls {
  const transactionSchema = wireTransactionV1Schema(zone);
  return {
    getAccounts: async ({ entityId, signal }) =>
      caller.call({
        operation: 'accounts',
        path: '/data/v1/accounts',
        body: bodyOf(entityId),
        isEnveloped: true,
        read: readAccountsV1,
        signal,
      }),
    getBalances: async ({ entityId, accountId, signal }) =>
      caller.call({
        operation: 'balances',
        path: '/data/v1/balance',
        body: bodyOf(entityId, accountId),
        isEnveloped: true,
        read: (source) => readBalanceV1(source, accountId),
        signal,
      }),
    getTransactions: async ({ entityId, accountId, startDate, endDate, signal }) =>
      caller.call({
        operation: 'transactions',
        path: '/data/v1/transactions',
        body: {
          ...bodyOf(entityId, accountId),
          insights: true,
          start_date: startDate,
          end_date: endDate,
        },
        isEnveloped: true,
        read: (source) => readTransactionsV1(source, transactionSchema),
        signal,
      }),
    getIdentity: async ({ entityId, signal }) =>
      caller.call({
        operation: 'identity',
        path: '/data/v1/identity',
        body: bodyOf(entityId),
        isEnveloped: true,
        read: readIdentityV1,
        signal,
      }),
    getResults: async ({ resultsId, signal }) =>
      caller.call({
        operation: 'results',
        path: `/v1/results/${urlId(resultsId)}`,
        isEnveloped: true,
        read: (source) => readResultsV1(source, transactionSchema),
        signal,
      }),
    getAccountIdentities: unsupported('account_identities'),
    getBeneficiaries: unsupported('beneficiaries'),
    getDirectDebits: unsupported('direct_debits'),
    getStandingOrders: unsupported('standing_orders'),
    getScheduledPayments: unsupported('scheduled_payments'),
    getRefreshes: unsupported('refreshes'),
    getRefresh: unsupported('refresh'),
    startRefresh: unsupported('start_refresh'),
  };
}

/** Synchronously: an answer that takes Lean too long is PENDING all the same. */
function bodyOf(entityId: string, accountId?: string) {
  return {
    entity_id: urlId(entityId),
    account_id: accountId === undefined ? undefined : urlId(accountId),
    async: false,
  };
}

function unsupported(operation: LeanOperation): (query: CallOptions) => Promise<FailedReply> {
  const facts = { ...noFacts, operation, durationMs: 0 };
  return () => Promise.resolve({ kind: 'failed', failure: unsupportedCall(), facts });
}
