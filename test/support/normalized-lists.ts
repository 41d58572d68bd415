// Every kind of list Lean has, closed over its schema and its normalizer, and what the simulator's customers hold of
// it as the texts of the items; for tests that treat all kinds alike.
import type { z } from 'zod';
import { sliceItems, sliceValue } from '../../src/core/json-slices.ts';
import { readInstant } from '../../src/core/local-date.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { normalizeAccounts } from '../../src/lean/normalize-account.ts';
import { normalizeBalances } from '../../src/lean/normalize-balance.ts';
import { normalizeBanks } from '../../src/lean/normalize-bank.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeConsents } from '../../src/lean/normalize-consent.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../../src/lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import { normalizeTransactions } from '../../src/lean/normalize-transaction.ts';
import { readList, type WireItem } from '../../src/lean/read-list.ts';
import { wireAccountSchema } from '../../src/lean/wire-account.ts';
import { wireBalanceSchema } from '../../src/lean/wire-balance.ts';
import { wireBankSchema } from '../../src/lean/wire-bank.ts';
import { wireConsentSchema } from '../../src/lean/wire-consent.ts';
import { wireIdentitySchema } from '../../src/lean/wire-identity.ts';
import {
  wireBeneficiarySchema,
  wireDirectDebitSchema,
  wireScheduledPaymentSchema,
  wireStandingOrderSchema,
} from '../../src/lean/wire-orders.ts';
import { wireTransactionSchema } from '../../src/lean/wire-transaction.ts';
import { wireAccountV1Schema, wireBalanceV1Schema, wireTransactionV1Schema } from '../../src/lean/wire-v1.ts';
import { simulatedBanks, type SimulatedEntity } from '../simulator/customers.ts';
import {
  accountIdentitiesReply,
  beneficiariesReply,
  directDebitsReply,
  scheduledPaymentsReply,
  standingOrdersReply,
} from '../simulator/reply-arrangements.ts';
import {
  accountsReply,
  balancesReply,
  banksReply,
  consentsReply,
  transactionsReply,
} from '../simulator/reply-bodies.ts';
import {
  v1AccountsReply,
  v1BalanceReply,
  v1IdentityReply,
  v1TransactionsReply,
} from '../simulator/reply-v1.ts';

interface Item {
  readonly raw: string;
  readonly warnings: readonly string[];
}

export interface NormalizedList {
  readonly records: readonly { readonly key: string; readonly record: Item }[];
  readonly unreadable: number;
}

interface Closed<Schema extends z.ZodType, Canonical> {
  readonly schema: Schema;
  readonly normalize: (items: readonly WireItem<z.output<Schema>>[]) => readonly Canonical[];
  readonly keyOf: (record: Canonical) => string;
}

function closed<Schema extends z.ZodType, Canonical extends Item>({
  schema,
  normalize,
  keyOf,
}: Closed<Schema, Canonical>) {
  return (texts: readonly string[]): NormalizedList => {
    const bodyText = `{"items":[${texts.join(',')}]}`;
    const list = readList({ bodyText, body: parseLossless(bodyText), path: ['items'], schema });
    const records = normalize(list?.items ?? []).map((record) => ({ key: keyOf(record), record }));
    return { records, unreadable: list?.unreadable.length ?? 0 };
  };
}

const times = { refreshedAt: readInstant('2026-05-13T19:39:19.75Z'), timestamp: null, httpDate: null };
const accounts = { normalize: normalizeAccounts, keyOf: ({ accountId }: { accountId: string }) => accountId };
const balances = {
  normalize: (items: Parameters<typeof normalizeBalances>[0]) => normalizeBalances(items, times).records,
  keyOf: (one: ReturnType<typeof normalizeBalances>['records'][number]) =>
    JSON.stringify([one.balanceType, one.currency, one.reportedAt.at]),
};
const transactions = {
  normalize: normalizeTransactions,
  keyOf: ({ transactionId }: { transactionId: string }) => transactionId,
};
const people = {
  schema: wireIdentitySchema,
  normalize: normalizeIdentities,
  keyOf: ({ partyKey }: { partyKey: string }) => partyKey,
};

const facts = {
  resultsId: 'r',
  timestamp: '2026-05-13T20:00:00Z',
  refreshedAt: '2026-05-13T19:39:19.75Z',
  page: 0,
  size: 100,
};
type OfAccount = Parameters<typeof balancesReply>[0];

const perAccount = (entity: SimulatedEntity, textsOf: (owned: OfAccount) => readonly string[]) =>
  entity.accounts.flatMap((account) => textsOf({ entity, account }));

const arranged =
  (member: string, reply: (owned: OfAccount, facts_: typeof facts) => string) => (entity: SimulatedEntity) =>
    perAccount(entity, (owned) => sliceItems(reply(owned, facts), ['data', member]));

const payloadOf = (text: string) => [sliceValue(text, ['payload']) ?? ''];

export interface ListKindOfLean {
  readonly name: string;
  readonly normalize: (texts: readonly string[]) => NormalizedList;
  /** Item by item; keys may repeat between accounts. */
  readonly textsOf: (entity: SimulatedEntity) => readonly string[];
}

export const listKindsOfLean: readonly ListKindOfLean[] = [
  {
    name: 'accounts',
    normalize: closed({ schema: wireAccountSchema, ...accounts }),
    textsOf: (entity) => sliceItems(accountsReply(entity, facts), ['data', 'accounts']),
  },
  {
    name: 'balances',
    normalize: closed({ schema: wireBalanceSchema, ...balances }),
    textsOf: arranged('balances', balancesReply),
  },
  {
    name: 'transactions',
    normalize: closed({ schema: wireTransactionSchema, ...transactions }),
    textsOf: arranged('transactions', transactionsReply),
  },
  { name: 'people', normalize: closed(people), textsOf: arranged('identities', accountIdentitiesReply) },
  {
    name: 'beneficiaries',
    normalize: closed({
      schema: wireBeneficiarySchema,
      normalize: normalizeBeneficiaries,
      keyOf: ({ beneficiaryId }) => beneficiaryId,
    }),
    textsOf: arranged('beneficiaries', beneficiariesReply),
  },
  {
    name: 'direct debits',
    normalize: closed({
      schema: wireDirectDebitSchema,
      normalize: normalizeDirectDebits,
      keyOf: ({ directDebitId }) => directDebitId,
    }),
    textsOf: arranged('direct_debits', directDebitsReply),
  },
  {
    name: 'standing orders',
    normalize: closed({
      schema: wireStandingOrderSchema,
      normalize: normalizeStandingOrders,
      keyOf: ({ standingOrderId }) => standingOrderId,
    }),
    textsOf: arranged('standing_orders', standingOrdersReply),
  },
  {
    name: 'scheduled payments',
    normalize: closed({
      schema: wireScheduledPaymentSchema,
      normalize: normalizeScheduledPayments,
      keyOf: ({ scheduledPaymentId }) => scheduledPaymentId,
    }),
    textsOf: arranged('scheduled_payments', scheduledPaymentsReply),
  },
  {
    name: 'consents',
    normalize: closed({
      schema: wireConsentSchema,
      normalize: normalizeConsents,
      keyOf: ({ consentId }) => consentId,
    }),
    textsOf: (entity) => sliceItems(consentsReply([entity]), []),
  },
  {
    name: 'banks',
    normalize: closed({
      schema: wireBankSchema,
      normalize: normalizeBanks,
      keyOf: ({ bankIdentifier }) => bankIdentifier,
    }),
    textsOf: () => sliceItems(banksReply(simulatedBanks), []),
  },
  {
    name: 'v1 accounts',
    normalize: closed({ schema: wireAccountV1Schema, ...accounts }),
    textsOf: (entity) => sliceItems(v1AccountsReply(entity, facts), ['payload', 'accounts']),
  },
  {
    name: 'v1 balances',
    normalize: closed({ schema: wireBalanceV1Schema, ...balances }),
    textsOf: (entity) => perAccount(entity, ({ account }) => payloadOf(v1BalanceReply(account, facts))),
  },
  {
    name: 'v1 transactions',
    normalize: closed({ schema: wireTransactionV1Schema('Asia/Dubai'), ...transactions }),
    textsOf: (entity) =>
      perAccount(entity, ({ account }) =>
        sliceItems(v1TransactionsReply(account, facts), ['payload', 'transactions']),
      ),
  },
  {
    name: 'v1 people',
    normalize: closed(people),
    textsOf: (entity) => payloadOf(v1IdentityReply(entity, facts)),
  },
];
