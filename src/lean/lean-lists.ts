// What the replies with lists must hold, and how a page is taken out of them. Null means "not there", which is never
// the same as "none".
import type { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import type { LeanOperation, ReplySource } from './lean-reply.ts';
import { readList, type ItemList } from './read-list.ts';
import { wireAccountSchema } from './wire-account.ts';
import { wireBalanceSchema } from './wire-balance.ts';
import { wireBankSchema } from './wire-bank.ts';
import { wireConsentSchema } from './wire-consent.ts';
import { wireEntitySchema } from './wire-entity.ts';
import { wireEventSchema } from './wire-event.ts';
import { wireIdentitySchema } from './wire-identity.ts';
import {
  wireBeneficiarySchema,
  wireDirectDebitSchema,
  wireScheduledPaymentSchema,
  wireStandingOrderSchema,
} from './wire-orders.ts';
import { wireRefreshSchema } from './wire-refresh.ts';
import { wirePageSchema, type WirePage } from './wire-reply.ts';
import { wireTransactionSchema } from './wire-transaction.ts';

/** The largest page Lean serves (its OpenAPI file: 1 to 100). */
export const pageSize = 100;

export interface ListPage<Wire> extends ItemList<Wire>, ListEnd {
  /** As Lean counts: `number` from 0, `total_pages` may be 0. Null where the reply has no page. */
  readonly page: WirePage | null;
}

export interface ListEnd {
  readonly isLastPage: boolean;
  /** False where the reply does not say how much there is: what it lacks must not be taken for gone. */
  readonly isEndKnown: boolean;
}

export interface ListKind<Schema extends z.ZodType> {
  readonly operation: LeanOperation;
  /** The object that holds the list and its page. */
  readonly around: readonly string[];
  /** Null = the reply is the list. */
  readonly member: string | null;
  readonly schema: Schema;
}

function dataList<Schema extends z.ZodType>(operation: LeanOperation, member: string, schema: Schema) {
  return { operation, around: ['data'], member, schema };
}

function bareList<Schema extends z.ZodType>(operation: LeanOperation, member: string | null, schema: Schema) {
  return { operation, around: [], member, schema };
}

export const listKinds = {
  accounts: dataList('accounts', 'accounts', wireAccountSchema),
  balances: dataList('balances', 'balances', wireBalanceSchema),
  transactions: dataList('transactions', 'transactions', wireTransactionSchema),
  identity: dataList('identity', 'identities', wireIdentitySchema),
  accountIdentities: dataList('account_identities', 'identities', wireIdentitySchema),
  beneficiaries: dataList('beneficiaries', 'beneficiaries', wireBeneficiarySchema),
  directDebits: dataList('direct_debits', 'direct_debits', wireDirectDebitSchema),
  standingOrders: dataList('standing_orders', 'standing_orders', wireStandingOrderSchema),
  scheduledPayments: dataList('scheduled_payments', 'scheduled_payments', wireScheduledPaymentSchema),
  refreshes: bareList('refreshes', 'content', wireRefreshSchema),
  entities: bareList('entities', null, wireEntitySchema),
  entitiesByDate: bareList('entities_by_date', 'data', wireEntitySchema),
  consents: bareList('consents', null, wireConsentSchema),
  /** No example of a list of consents is documented; other lists of the same API come like this. */
  consentPages: bareList('consents', 'data', wireConsentSchema),
  banks: bareList('banks', null, wireBankSchema),
  events: bareList('events', 'data', wireEventSchema),
} as const satisfies Record<string, ListKind<z.ZodType>>;

export interface PageAsked {
  /** Null = whichever comes. */
  readonly page: number | null;
  /** Members that must hold these ids where an item has them. */
  readonly belongsTo: Readonly<Record<string, string>>;
}

/** Null without the list, and where the page is not the one asked for: reading on would never end. */
export function readPage<Schema extends z.ZodType>(
  source: ReplySource,
  kind: ListKind<Schema>,
  asked: PageAsked,
): ListPage<z.output<Schema>> | null {
  const { bodyText, body } = source;
  const list = readList({
    bodyText,
    body,
    path: kind.member === null ? kind.around : [...kind.around, kind.member],
    schema: kind.schema,
    belongsTo: asked.belongsTo,
  });
  if (!list) return null;
  if (kind.member === null) return wholeList(list);
  const around = kind.around.reduce((at: unknown, key) => (isJsonObject(at) ? at[key] : undefined), body);
  const parsed = wirePageSchema.safeParse(isJsonObject(around) ? around['page'] : undefined);
  const page = parsed.success ? parsed.data : null;
  const number = page?.number ?? null;
  if (number !== null && asked.page !== null && number !== asked.page) return null;
  const itemCount = list.items.length + list.unreadable.length;
  return { ...list, page, ...findListEnd(page, { askedPage: asked.page ?? 0, itemCount }) };
}

/** A list that Lean gives in one piece. */
export function wholeList<Wire>(list: ItemList<Wire>): ListPage<Wire> {
  return { ...list, page: null, isLastPage: true, isEndKnown: true };
}

interface PageFacts {
  /** From 0; counts where the reply does not say which page it is. */
  readonly askedPage: number;
  /** Unreadable items included. */
  readonly itemCount: number;
}

/** By the pages there are, else by the items there are, else by whether the page is full. */
export function findListEnd(page: WirePage | null, { askedPage, itemCount }: PageFacts): ListEnd {
  const number = page?.number ?? askedPage;
  const size = page?.size ?? pageSize;
  const totalPages = page?.total_pages ?? null;
  if (totalPages !== null) return { isLastPage: number + 1 >= totalPages, isEndKnown: true };
  const totalElements = page?.total_elements ?? null;
  if (totalElements !== null) {
    return { isLastPage: itemCount === 0 || number * size + itemCount >= totalElements, isEndKnown: true };
  }
  const isSizeKnown = (page?.size ?? null) !== null;
  return { isLastPage: itemCount < size, isEndKnown: isSizeKnown || itemCount === 0 };
}
