import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient, type LeanClientOptions } from '../../src/lean/lean-client.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { sendJson, startLeanTls, type LeanTls } from '../support/lean-tls.ts';
import { createPki, type Pki } from '../support/pki.ts';

let pki: Pki;
let lean: LeanTls;
let answer: { body: string; status: number };
const clients: LeanClient[] = [];

beforeAll(async () => {
  pki = await createPki();
  lean = await startLeanTls(pki, (_asked, response) => sendJson(response, answer.body, answer.status));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  lean.asked.length = 0;
});

afterAll(() => lean.close());

function openClient(options: Partial<LeanClientOptions> = {}): LeanClient {
  const material = { caPem: pki.leanChainPem };
  const client = createLeanClient({ apiUrl: lean.url, appToken: 'app-token', material, ...options });
  clients.push(client);
  return client;
}

function lastAsked() {
  const { method, url, body } = lean.asked.at(-1) ?? { method: '', url: '', body: '' };
  return body === '' ? `${method} ${url}` : `${method} ${url} ${body}`;
}

const entityId = 'e-1';
const customerId = 'cu-1';
const account = { entityId, accountId: 'a-1', page: 2 };

describe('the v2 calls', () => {
  it.each<[string, (client: LeanClient) => Promise<unknown>, string]>([
    [
      'accounts',
      (c) => c.getAccounts({ entityId, page: 0 }),
      'GET /data/v2/accounts?entity_id=e-1&page=0&size=100',
    ],
    [
      'balances',
      (c) => c.getBalances(account),
      'GET /data/v2/accounts/a-1/balances?entity_id=e-1&page=2&size=100',
    ],
    [
      'transactions',
      (c) => c.getTransactions({ ...account, startDate: '2026-01-01', endDate: '2026-02-01' }),
      'GET /data/v2/accounts/a-1/transactions?entity_id=e-1&start_date=2026-01-01&end_date=2026-02-01&page=2&size=100',
    ],
    ['identity', (c) => c.getIdentity({ entityId }), 'GET /data/v2/identity?entity_id=e-1&page=0&size=100'],
    [
      'identities of an account',
      (c) => c.getAccountIdentities(account),
      'GET /data/v2/accounts/a-1/identities?entity_id=e-1&page=2&size=100',
    ],
    [
      'beneficiaries',
      (c) => c.getBeneficiaries(account),
      'GET /data/v2/accounts/a-1/beneficiaries?entity_id=e-1&page=2&size=100',
    ],
    [
      'direct debits',
      (c) => c.getDirectDebits(account),
      'GET /data/v2/accounts/a-1/direct-debits?entity_id=e-1&page=2&size=100',
    ],
    [
      'standing orders',
      (c) => c.getStandingOrders(account),
      'GET /data/v2/accounts/a-1/standing-orders?entity_id=e-1&page=2&size=100',
    ],
    [
      'scheduled payments',
      (c) => c.getScheduledPayments(account),
      'GET /data/v2/accounts/a-1/scheduled-payments?entity_id=e-1&page=2&size=100',
    ],
    ['results', (c) => c.getResults({ resultsId: 'r-1' }), 'GET /data/v2/results/r-1'],
    [
      'refreshes',
      (c) => c.getRefreshes({ entityId, page: 1 }),
      'GET /data/v2/refreshes?entity_id=e-1&page=1&size=100',
    ],
    ['a refresh', (c) => c.getRefresh({ refreshId: 'f-1', entityId }), 'GET /data/v2/refreshes/f-1'],
    [
      'the start of a refresh',
      (c) => c.startRefresh({ entityId }),
      'POST /data/v2/refreshes {"entity_id":"e-1"}',
    ],
    ['an entity', (c) => c.getEntity({ customerId, entityId }), 'GET /customers/v1/cu-1/entities/e-1'],
    ['entities of a customer', (c) => c.getEntities({ customerId }), 'GET /customers/v1/cu-1/entities'],
    [
      'entities by date',
      (c) => c.getEntitiesByDate({ from: '2026-01-01', to: '2026-01-31', page: 3 }),
      'GET /customers/v1/entities?start_date=2026-01-01&end_date=2026-01-31&page_number=3&page_size=100',
    ],
    ['consents', (c) => c.getConsents({ customerId }), 'GET /customers/v1/cu-1/consents'],
    ['banks', (c) => c.getBanks(), 'GET /banks/v1'],
    [
      'events',
      (c) => c.getEvents({ from: '2026-01-01T00:00:00Z', to: undefined, page: 0 }),
      'GET /events/v1?page=0&size=100&from=2026-01-01T00%3A00%3A00Z',
    ],
  ])('ask for %s', async (_what, call, asked) => {
    answer = { body: '{}', status: 500 };
    expect(await call(openClient())).toMatchObject({ failure: { code: 'LEAN_SERVER_ERROR' } });
    expect(lastAsked()).toBe(asked);
  });

  it('send nothing for an id that could mean something in a URL', async () => {
    const client = openClient();
    const id = '../x';
    const calls = [
      client.getIdentity({ entityId: id }),
      client.getAccountIdentities({ ...account, accountId: id }),
      client.getBeneficiaries({ ...account, accountId: id }),
      client.getDirectDebits({ ...account, entityId: id }),
      client.getStandingOrders({ ...account, accountId: id }),
      client.getScheduledPayments({ ...account, accountId: id }),
      client.getRefreshes({ entityId: id, page: 0 }),
      client.getRefresh({ refreshId: id, entityId }),
      client.startRefresh({ entityId: id }),
      client.getEntities({ customerId: id }),
      client.getConsents({ customerId: id }),
      openClient({ apiVersion: 'v1' }).getAccounts({ entityId: id, page: 0 }),
      openClient({ apiVersion: 'v1' }).getBalances({ ...account, accountId: id }),
      openClient({ apiVersion: 'v1' }).getResults({ resultsId: id }),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'LEAN_ID_INVALID' } });
    }
    expect(lean.asked).toEqual([]);
  });
});

describe('the v1 calls', () => {
  it.each<[string, (client: LeanClient) => Promise<unknown>, string]>([
    [
      'accounts',
      (c) => c.getAccounts({ entityId, page: 0 }),
      'POST /data/v1/accounts {"entity_id":"e-1","async":false}',
    ],
    [
      'balance',
      (c) => c.getBalances(account),
      'POST /data/v1/balance {"entity_id":"e-1","account_id":"a-1","async":false}',
    ],
    [
      'transactions',
      (c) => c.getTransactions({ ...account, startDate: '2026-01-01' }),
      'POST /data/v1/transactions {"entity_id":"e-1","account_id":"a-1","async":false,"insights":true,"start_date":"2026-01-01"}',
    ],
    [
      'identity',
      (c) => c.getIdentity({ entityId }),
      'POST /data/v1/identity {"entity_id":"e-1","async":false}',
    ],
    ['results', (c) => c.getResults({ resultsId: 'r-1' }), 'GET /v1/results/r-1'],
    [
      'an entity, as in v2',
      (c) => c.getEntity({ customerId, entityId }),
      'GET /customers/v1/cu-1/entities/e-1',
    ],
  ])('ask for %s', async (_what, call, asked) => {
    answer = { body: '{}', status: 500 };
    await call(openClient({ apiVersion: 'v1' }));
    expect(lastAsked()).toBe(asked);
    const type = asked.startsWith('POST') ? 'application/json' : undefined;
    expect(lean.asked.at(-1)?.headers['content-type']).toBe(type);
  });

  it('do not exist for the other kinds, and nothing is sent for these', async () => {
    const client = openClient({ apiVersion: 'v1' });
    const calls = [
      client.getAccountIdentities(account),
      client.getBeneficiaries(account),
      client.getDirectDebits(account),
      client.getStandingOrders(account),
      client.getScheduledPayments(account),
      client.getRefreshes({ entityId, page: 0 }),
      client.getRefresh({ refreshId: 'f-1', entityId }),
      client.startRefresh({ entityId }),
    ];
    for (const reply of await Promise.all(calls)) {
      expect(reply).toMatchObject({ failure: { code: 'LEAN_CALL_UNSUPPORTED', action: 'give_up' } });
    }
    expect(lean.asked).toEqual([]);
  });

  it('hand out accounts and pending results like those of v2', async () => {
    const client = openClient({ apiVersion: 'v1', region: 'sa' });
    answer = { body: readLeanFixture('v1-response-accounts-partial').bodyText, status: 200 };
    expect(await client.getAccounts({ entityId, page: 0 })).toMatchObject({
      kind: 'ok',
      isLastPage: true,
      items: [{ wire: { account_id: '3d586d40-04d9-4657-80b7-65bb8cce1e9a', currency: 'SAR' } }, {}],
    });
    answer = { body: readLeanFixture('v1-response-pending').bodyText, status: 200 };
    expect(await client.getIdentity({ entityId })).toMatchObject({
      kind: 'pending',
      resultsId: '6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4',
    });
  });
});
