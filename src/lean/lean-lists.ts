// What each operation's reply must hold, and how it is taken out: pages of lists, one entity, the results of an
// earlier request. Null everywhere means "not there", which is never the same as "none".
import type { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import type { LeanOperation, ReplySource } from './lean-reply.ts';
import { readList, type ItemList } from './read-list.ts';
import { wireAccountSchema, type WireAccount } from './wire-account.ts';
import { wireBalanceSchema, type WireBalance } from './wire-balance.ts';
import { wireEntitySchema, type WireEntity } from './wire-entity.ts';
import { wireRefreshSchema } from './wire-refresh.ts';
import { wirePageSchema, type WirePage } from './wire-reply.ts';
import { wireTransactionSchema, type WireTransaction } from './wire-transaction.ts';

/** The largest page Lean serves (its OpenAPI file: 1 to 100). */
export const pageSize = 100;

export interface ListPage<Wire> extends ItemList<Wire> {
  /** As Lean counts: `number` from 0, `total_pages` may be 0. Null where the reply has no page. */
  readonly page: WirePage | null;
  readonly isLastPage: boolean;
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
  refreshes: { operation: 'refreshes', around: [], member: 'content', schema: wireRefreshSchema },
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
  return { ...list, page, isLastPage: isLast(page, list.items.length + list.unreadable.length) };
}

function isLast(page: WirePage | null, itemCount: number): boolean {
  if (page?.total_pages === undefined || page.total_pages === null) return itemCount < pageSize;
  return (page.number ?? 0) + 1 >= page.total_pages;
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
