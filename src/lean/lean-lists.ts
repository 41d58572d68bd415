// What each operation's reply must hold, and how it is taken out: pages of lists, one entity, the results of an
// earlier request. Null everywhere means "not there", which is never the same as "none".
import type { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import type { LeanOperation, ReplySource } from './lean-reply.ts';
import { readList, type ItemList } from './read-list.ts';
import { wireAccountSchema, type WireAccount } from './wire-account.ts';
import { wireBalanceSchema, type WireBalance } from './wire-balance.ts';
import { wireEntitySchema, type WireEntity } from './wire-entity.ts';
import { wirePageSchema, type WirePage } from './wire-reply.ts';
import { wireTransactionSchema, type WireTransaction } from './wire-transaction.ts';

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
  readonly member: string;
  readonly schema: Schema;
}

export const listKinds = {
  accounts: { operation: 'accounts', around: ['data'], member: 'accounts', schema: wireAccountSchema },
  balances: { operation: 'balances', around: ['data'], member: 'balances', schema: wireBalanceSchema },
  transactions: {
    operation: 'transactions',
    around: ['data'],
    member: 'transactions',
    schema: wireTransactionSchema,
  },
} as const satisfies Record<string, ListKind<z.ZodType>>;

interface PageAsked {
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
    path: [...kind.around, kind.member],
    schema: kind.schema,
    belongsTo: asked.belongsTo,
  });
  if (!list) return null;
  const around = kind.around.reduce((at: unknown, key) => (isJsonObject(at) ? at[key] : undefined), body);
  const parsed = wirePageSchema.safeParse(isJsonObject(around) ? around['page'] : undefined);
  const page = parsed.success ? parsed.data : null;
  const number = page?.number ?? null;
  if (number !== null && asked.page !== null && number !== asked.page) return null;
  const itemCount = list.items.length + list.unreadable.length;
  return { ...list, page, ...findListEnd(page, { askedPage: asked.page ?? 0, itemCount }) };
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

export interface EntityData {
  readonly entity: WireEntity;
}

export function readEntity({ body }: ReplySource, entityId: string): EntityData | null {
  const parsed = wireEntitySchema.safeParse(body);
  return parsed.success && parsed.data.id === entityId ? { entity: parsed.data } : null;
}

/**
 * What a request that was PENDING has come to. The reply does not say whose it is but item by item: the caller
 * compares `entity_id` with what it asked for.
 */
export type ResultsData =
  | ({ readonly dataType: 'accounts' } & ListPage<WireAccount>)
  | ({ readonly dataType: 'balances' } & ListPage<WireBalance>)
  | ({ readonly dataType: 'transactions' } & ListPage<WireTransaction>)
  | { readonly dataType: 'other'; readonly leanType: string | null };

const anyPage: PageAsked = { page: null, belongsTo: {} };

export function readResults(source: ReplySource): ResultsData | null {
  const accounts = readPage(source, listKinds.accounts, anyPage);
  if (accounts) return { dataType: 'accounts', ...accounts };
  const balances = readPage(source, listKinds.balances, anyPage);
  if (balances) return { dataType: 'balances', ...balances };
  const transactions = readPage(source, listKinds.transactions, anyPage);
  if (transactions) return { dataType: 'transactions', ...transactions };
  return isJsonObject(source.reply.data) ? { dataType: 'other', leanType: source.reply.type } : null;
}
