// The calls into Lean's v2 data API. One method is one HTTP request; nothing here waits, repeats or pages by itself,
// and no id goes into a URL unchecked.
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { createAgent, defaultLimits, exchange, type LeanLimits, type LeanMaterial } from './lean-http.ts';
import {
  listKinds,
  pageSize,
  readEntity,
  readPage,
  readResults,
  type EntityData,
  type ListKind,
  type ListPage,
  type ResultsData,
} from './lean-lists.ts';
import { judgeReply, type Judgement, type LeanReply } from './lean-reply.ts';
import type { WireAccount } from './wire-account.ts';
import type { WireBalance } from './wire-balance.ts';
import type { WireTransaction } from './wire-transaction.ts';

interface CallOptions {
  /** Ends the call with LEAN_CALL_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

export interface EntityListQuery extends CallOptions {
  readonly entityId: string;
  /** From 0. */
  readonly page: number;
}

export interface AccountListQuery extends EntityListQuery {
  readonly accountId: string;
}

export interface TransactionsQuery extends AccountListQuery {
  /** Days `YYYY-MM-DD` in UTC. */
  readonly startDate?: string | undefined;
  readonly endDate?: string | undefined;
}

export interface EntityQuery extends CallOptions {
  readonly customerId: string;
  readonly entityId: string;
}

export interface ResultsQuery extends CallOptions {
  readonly resultsId: string;
}

/** Every method rejects with LEAN_ID_INVALID (nothing was sent) or LEAN_CALL_ABORTED; all else is in the reply. */
export interface LeanClient {
  getAccounts(query: EntityListQuery): Promise<LeanReply<ListPage<WireAccount>>>;
  getBalances(query: AccountListQuery): Promise<LeanReply<ListPage<WireBalance>>>;
  getTransactions(query: TransactionsQuery): Promise<LeanReply<ListPage<WireTransaction>>>;
  getEntity(query: EntityQuery): Promise<LeanReply<EntityData>>;
  getResults(query: ResultsQuery): Promise<LeanReply<ResultsData>>;
  /** New calls use it; calls under way end on the old. Throws LEAN_MATERIAL_INVALID and then keeps the old. */
  replaceMaterial(material: LeanMaterial): void;
  /** Ends when the calls under way have ended; abort them first to be quick. */
  close(): Promise<void>;
}

export interface LeanClientOptions {
  /** As `leanApiUrl` gives it. */
  readonly apiUrl: string;
  readonly appToken: string;
  readonly material: LeanMaterial;
  readonly limits?: Partial<LeanLimits> | undefined;
}

/** Throws LEAN_MATERIAL_INVALID. */
export function createLeanClient(options: LeanClientOptions): LeanClient {
  const caller = createCaller(options);

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
    getEntity: async ({ customerId, entityId, signal }) =>
      caller.call({
        operation: 'entity',
        path: `/customers/v1/${urlId(customerId)}/entities/${urlId(entityId)}`,
        isEnveloped: false,
        read: (source) => readEntity(source, entityId),
        signal,
      }),
    getResults: async ({ resultsId, signal }) =>
      caller.call({
        operation: 'results',
        path: `/data/v2/results/${urlId(resultsId)}`,
        isEnveloped: true,
        read: readResults,
        signal,
      }),
    replaceMaterial: (material) => caller.replaceMaterial(material),
    close: () => caller.close(),
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

/** Ids come from webhooks. Only characters that mean nothing in a URL pass, and no `.` or `..` alone. */
function urlId(id: string): string {
  if (!/^[A-Za-z0-9._~-]{1,200}$/.test(id) || /^\.+$/.test(id)) {
    throw new AppError('LEAN_ID_INVALID', `an id of ${id.length} characters does not fit into a URL`);
  }
  return encodeURIComponent(id);
}

interface Call<Data> extends Pick<Judgement<Data>, 'operation' | 'isEnveloped' | 'read'>, CallOptions {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
}

function createCaller(options: LeanClientOptions) {
  const limits = { ...defaultLimits, ...options.limits };
  let agent = createAgent(options.material, limits);
  const closing = new Set<Promise<void>>();

  return {
    async call<Data>(request: Call<Data>): Promise<LeanReply<Data>> {
      const { operation, path, query = {}, isEnveloped, read, signal } = request;
      const startedMs = performance.now();
      const result = await exchange({
        agent,
        url: `${options.apiUrl}${path}${queryString(query)}`,
        headers: { 'lean-app-token': options.appToken, accept: 'application/json' },
        callTimeoutMs: limits.callTimeoutMs,
        signal,
      });
      const durationMs = Math.round(performance.now() - startedMs);
      return judgeReply({ operation, result, durationMs, nowMs: Date.now(), isEnveloped, read });
    },
    replaceMaterial(material: LeanMaterial) {
      const replacement = createAgent(material, limits);
      const old = agent;
      agent = replacement;
      const forget = () => void closing.delete(closed);
      const closed: Promise<void> = old.close().then(forget, forget);
      closing.add(closed);
    },
    async close() {
      await Promise.all([agent.close(), ...closing]);
    },
  };
}

function queryString(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
