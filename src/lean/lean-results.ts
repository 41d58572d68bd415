// What a request that was PENDING has come to. The reply does not say whose it is but item by item: the caller
// compares `entity_id` and `account_id` with what it had asked for.
import type { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import { listKinds, readPage, type ListKind, type ListPage, type PageAsked } from './lean-lists.ts';
import type { ReplySource } from './lean-reply.ts';
import type { WireAccount } from './wire-account.ts';
import type { WireBalance } from './wire-balance.ts';
import type { WireIdentity } from './wire-identity.ts';
import type {
  WireBeneficiary,
  WireDirectDebit,
  WireScheduledPayment,
  WireStandingOrder,
} from './wire-orders.ts';
import type { WireTransaction } from './wire-transaction.ts';

export type ResultsData =
  | ({ readonly dataType: 'accounts' } & ListPage<WireAccount>)
  | ({ readonly dataType: 'balances' } & ListPage<WireBalance>)
  | ({ readonly dataType: 'transactions' } & ListPage<WireTransaction>)
  /** Of an entity or of an account: the reply may not say which. */
  | ({ readonly dataType: 'identities' } & ListPage<WireIdentity>)
  | ({ readonly dataType: 'beneficiaries' } & ListPage<WireBeneficiary>)
  | ({ readonly dataType: 'direct_debits' } & ListPage<WireDirectDebit>)
  | ({ readonly dataType: 'standing_orders' } & ListPage<WireStandingOrder>)
  | ({ readonly dataType: 'scheduled_payments' } & ListPage<WireScheduledPayment>)
  | { readonly dataType: 'other'; readonly leanType: string | null };

const anyPage: PageAsked = { page: null, belongsTo: {} };

function reader<DataType extends string, Schema extends z.ZodType>(
  dataType: DataType,
  kind: ListKind<Schema>,
) {
  return (source: ReplySource) => {
    const page = readPage(source, kind, anyPage);
    return page && { dataType, ...page };
  };
}

/** Told apart by the list they hold: `type` is spelled in more than one way. */
const readers: readonly ((source: ReplySource) => ResultsData | null)[] = [
  reader('accounts', listKinds.accounts),
  reader('balances', listKinds.balances),
  reader('transactions', listKinds.transactions),
  reader('identities', listKinds.identity),
  reader('beneficiaries', listKinds.beneficiaries),
  reader('direct_debits', listKinds.directDebits),
  reader('standing_orders', listKinds.standingOrders),
  reader('scheduled_payments', listKinds.scheduledPayments),
];

export function readResults(source: ReplySource): ResultsData | null {
  for (const read of readers) {
    const results = read(source);
    if (results) return results;
  }
  return isJsonObject(source.reply.data) ? { dataType: 'other', leanType: source.reply.type } : null;
}
