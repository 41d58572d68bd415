import { Agent, request } from 'undici';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { testPki, type Identity, type Pki } from '../support/pki.ts';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';

const appToken = 'app-token-of-tests';
const replySchema = z.looseObject({
  status: z.string().optional(),
  results_id: z.string().optional(),
  refreshed_at: z.string().nullish(),
  data: z
    .looseObject({
      transactions: z.array(z.looseObject({ transaction_id: z.string() })).optional(),
      page: z.looseObject({ total_elements: z.int(), total_pages: z.int() }),
    })
    .nullish(),
});

let pki: Pki;
let server: LeanServer;
let entity: SimulatedEntity;
let account: SimulatedAccount;
let agent: Agent;
const pending: string[] = [];
const refreshes: string[] = [];

beforeAll(async () => {
  pki = await testPki();
});

beforeEach(async () => {
  const customers = generateCustomers({ seed: 'server', entities: 2, accounts: 2, transactions: 230 });
  entity = customers.entities[0] ?? missing();
  account = entity.accounts[0] ?? missing();
  server = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: true,
    onResultsPending: (resultsId) => pending.push(resultsId),
    onRefreshStarted: ({ refreshId }) => refreshes.push(refreshId),
  });
  agent = agentOf(pki.application);
  return async () => {
    await agent.destroy();
    await server.close();
  };
});

describe('who may call', () => {
  it.each([
    ['no certificate', () => null, 403, 'INVALID_CERTIFICATE'],
    ["a rogue authority's certificate", () => pki.rogue, 403, 'INVALID_CERTIFICATE'],
    ["another customer's certificate", () => pki.otherCustomer, 401, 'CERTIFICATE_TOKEN_MISMATCH'],
  ])('refuses %s', async (_who, identity, httpStatus, status) => {
    const stranger = agentOf(identity());
    const answer = await call('/banks/v1', { dispatcher: stranger });
    expect(answer).toMatchObject({ httpStatus, body: { status } });
    await stranger.destroy();
  });

  it('refuses our certificate without the app token, or with another', async () => {
    expect(await call('/banks/v1', { token: null })).toMatchObject({ httpStatus: 401 });
    expect(await call('/banks/v1', { token: 'other' })).toMatchObject({ httpStatus: 401 });
  });

  it('asks for no certificate where it plays the plain sandbox', async () => {
    const plain = await startLeanServer({
      pki,
      customers: generateCustomers({ seed: 'server', entities: 1 }),
      appToken,
      requireClientCertificate: false,
    });
    const stranger = agentOf(null);
    expect(await call('/banks/v1', { dispatcher: stranger, url: plain.url })).toMatchObject({
      httpStatus: 200,
    });
    await stranger.destroy();
    await plain.close();
  });
});

describe('data', () => {
  it('serves every transaction page by page, at most 100 on each, and sends the ids of the call', async () => {
    const ids: string[] = [];
    for (const page of [0, 1, 2]) {
      const { body, headers } = await call(`${transactionsPath()}&page=${page}&size=100`);
      expect(body.data?.page).toMatchObject({ total_elements: 230, total_pages: 3 });
      expect(headers['lean-correlation-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers['lean-trace-id']).toMatch(/^[0-9a-f]{32}$/);
      ids.push(...(body.data?.transactions ?? []).map((transaction) => transaction.transaction_id));
    }
    expect(ids).toEqual(account.transactions.map(({ transactionId }) => transactionId));
    expect(await call(`${transactionsPath()}&size=101`)).toMatchObject({ httpStatus: 400 });
  });

  it('serves only the days asked for', async () => {
    const day = account.transactions[100]?.bookingDateTime?.slice(0, 10) ?? '';
    const { body } = await call(`${transactionsPath()}&size=100&start_date=${day}&end_date=${day}`);
    const dated = account.transactions.filter(
      ({ bookingDateTime }) => bookingDateTime?.startsWith(day) ?? true,
    );
    expect(body.data?.page.total_elements).toBe(dated.length);
  });

  it.each([
    ['/data/v2/accounts?entity_id=nobody', 404, 'UNKNOWN_ENTITY'],
    ['/data/v2/results/nothing', 404, 'UNKNOWN_RESULTS_ID'],
    ['/nowhere', 404, 'INVALID_URL'],
  ])('answers %s with %i %s', async (path, httpStatus, status) => {
    expect(await call(path)).toMatchObject({ httpStatus, body: { status } });
  });

  it('tells an account of another entity, a missing permission and a revoked consent', async () => {
    const unknown = await call(`/data/v2/accounts/other/balances?entity_id=${entity.entityId}`);
    expect(unknown).toMatchObject({ httpStatus: 404, body: { status: 'UNKNOWN_ACCOUNT' } });
    entity.permissions = ['accounts'];
    expect(await call(transactionsPath())).toMatchObject({ body: { status: 'INSUFFICIENT_ACCESS_LEVEL' } });
    entity.permissions = [];
    expect(await call(transactionsPath())).toMatchObject({
      httpStatus: 403,
      body: { status: 'CONSENT_EXPIRED' },
    });
  });

  it.each(['entity', 'entities'])('serves the %s of a customer', async (what) => {
    const path = `/customers/v1/${entity.customerId}/entities${what === 'entity' ? `/${entity.entityId}` : ''}`;
    const { text } = await call(path);
    expect(text).toContain(`"id":"${entity.entityId}"`);
  });
});

describe('refreshes', () => {
  it('adds transactions, moves refreshed_at and lists the refresh', async () => {
    const before = await call(transactionsPath());
    const refreshId = server.refresh(entity.entityId);
    const after = await call(transactionsPath());
    expect(after.body.data?.page.total_elements).toBe(233);
    expect(after.body.refreshed_at).not.toBe(before.body.refreshed_at);
    expect((await call(`/data/v2/refreshes?entity_id=${entity.entityId}`)).text).toContain(refreshId);
    expect((await call(`/data/v2/refreshes/${refreshId}`)).body).toMatchObject({ status: 'FINISHED' });
  });

  it('asked for over the API stay pending until they are finished, and a second one is refused', async () => {
    const ask = { method: 'POST', body: JSON.stringify({ entity_id: entity.entityId }) } as const;
    expect(await call('/data/v2/refreshes', ask)).toMatchObject({ httpStatus: 200, body: { status: 'OK' } });
    expect(await call('/data/v2/refreshes', ask)).toMatchObject({ httpStatus: 429 });
    const refreshId = refreshes.at(-1) ?? '';
    expect((await call(`/data/v2/refreshes/${refreshId}`)).body).toMatchObject({ status: 'PENDING' });
    server.finishRefresh(refreshId);
    expect((await call(`/data/v2/refreshes/${refreshId}`)).body).toMatchObject({ status: 'FINISHED' });
  });
});

describe('faults on demand', () => {
  it('moves refreshed_at between two pages', async () => {
    server.faults.add({ fault: { kind: 'refresh' }, path: /page=1/ });
    const first = await call(`${transactionsPath()}&page=0`);
    const second = await call(`${transactionsPath()}&page=1`);
    expect(second.body.refreshed_at).not.toBe(first.body.refreshed_at);
  });

  it('answers 429 with Retry-After so often as asked, then as usual', async () => {
    server.faults.add({ fault: { kind: 'rate-limit', retryAfter: '7' }, path: /banks/, after: 1, times: 2 });
    const statuses: number[] = [];
    while (statuses.length < 4) statuses.push((await call('/banks/v1')).httpStatus);
    expect(statuses).toEqual([200, 429, 429, 200]);
    expect(server.calls.map(({ fault }) => fault)).toEqual([null, 'rate-limit', 'rate-limit', null]);
    expect(server.faults.size).toBe(0);
  });

  it('holds results back until they are finished', async () => {
    server.faults.add({ fault: { kind: 'pending', httpStatus: 202 } });
    const held = await call(transactionsPath());
    expect(held).toMatchObject({ httpStatus: 202, body: { status: 'PENDING', data: null } });
    const resultsId = pending.at(-1) ?? '';
    expect(held.body.results_id).toBe(resultsId);
    expect(await call(`/data/v2/results/${resultsId}`)).toMatchObject({ httpStatus: 404 });
    server.finishResults(resultsId);
    const { body } = await call(`/data/v2/results/${resultsId}`);
    expect(body.data?.page.total_elements).toBe(230);
  });

  it('fails, answers half of the JSON, resets, and never answers', async () => {
    server.faults.add({ fault: { kind: 'failed', granularStatusCode: 'BANK_ISSUE' } });
    server.faults.add({ fault: { kind: 'error', httpStatus: 500, status: 'INTERNAL_SERVER_ERROR' } });
    server.faults.add({ fault: { kind: 'bad-json' } });
    server.faults.add({ fault: { kind: 'reset' } });
    server.faults.add({ fault: { kind: 'half-open' } });
    expect(await call(transactionsPath())).toMatchObject({
      httpStatus: 200,
      body: { status: 'FAILED', data: null },
    });
    expect(await call(transactionsPath())).toMatchObject({ httpStatus: 500 });
    await expect(call(transactionsPath())).rejects.toThrow(SyntaxError);
    await expect(call(transactionsPath())).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(call(transactionsPath(), { timeoutMs: 150 })).rejects.toThrow('timeout');
    expect(server.calls.at(-1)).toMatchObject({ httpStatus: null, fault: 'half-open' });
  });
});

describe('sockets on demand', () => {
  it('cuts an answer off in the middle, and writes one slowly', async () => {
    server.faults.add({ fault: { kind: 'cut' } });
    server.faults.add({ fault: { kind: 'slow', ms: 80 } });
    await expect(call(transactionsPath())).rejects.toMatchObject({
      code: expect.stringMatching(/ECONNRESET|UND_ERR_SOCKET/),
    });
    const startedMs = performance.now();
    expect(await call(transactionsPath())).toMatchObject({ body: { status: 'OK' } });
    expect(performance.now() - startedMs).toBeGreaterThan(60);
  });
});

interface CallOptions {
  dispatcher?: Agent;
  url?: string;
  token?: string | null;
  method?: 'GET' | 'POST';
  body?: string;
  timeoutMs?: number;
}

async function call(path: string, options: CallOptions = {}) {
  const {
    dispatcher = agent,
    url = server.url,
    token = appToken,
    method = 'GET',
    body,
    timeoutMs = 5000,
  } = options;
  const response = await request(`${url}${path}`, {
    dispatcher,
    method,
    body: body ?? null,
    headers: token === null ? {} : { 'lean-app-token': token },
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.body.text();
  const json: unknown = JSON.parse(text);
  return {
    httpStatus: response.statusCode,
    headers: response.headers,
    text,
    body: replySchema.parse(Array.isArray(json) ? {} : json),
  };
}

function agentOf(identity: Identity | null): Agent {
  const ours = identity ? { cert: identity.chainPem, key: identity.keyPem } : {};
  return new Agent({ connect: { ca: pki.leanChainPem, ...ours } });
}

function transactionsPath(): string {
  return `/data/v2/accounts/${account.accountId}/transactions?entity_id=${entity.entityId}`;
}

function missing(): never {
  throw new Error('the generator made too little');
}
