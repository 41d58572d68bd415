// The simulated Lean in both dialects, with everything it can be asked for and everything that becomes of an entity.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { consentsApiError, everyDocumentedFault } from '../simulator/documented-errors.ts';
import { startLeanServer, type LeanServer, type LeanServerOptions } from '../simulator/lean-server.ts';
import { createSimpleClient, type SimpleClient } from '../simulator/simple-client.ts';
import { testPki } from '../support/pki.ts';

const appToken = 'app-token-of-tests';
let server: LeanServer;
let client: SimpleClient;
let entity: SimulatedEntity;
let account: SimulatedAccount;
const pending: string[] = [];

async function open(options: Partial<LeanServerOptions> = {}): Promise<void> {
  const customers = generateCustomers({
    seed: 'dialects',
    entities: 2,
    accounts: 2,
    transactions: 130,
    region: 'sa',
  });
  entity = customers.entities[0] ?? missing();
  account = entity.accounts[0] ?? missing();
  const pki = await testPki();
  server = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: false,
    onResultsPending: (resultsId) => pending.push(resultsId),
    ...options,
  });
  client = createSimpleClient({ url: server.url, ca: pki.leanChainPem, appToken });
}

beforeEach(() => open());
afterEach(close);

async function close(): Promise<void> {
  await client.close();
  await server.close();
}

const v2Path = (list: string) =>
  `/data/v2/accounts/${account.accountId}/${list}?entity_id=${entity.entityId}`;
const v1Body = (more: object = {}) => ({
  entity_id: entity.entityId,
  account_id: account.accountId,
  ...more,
});

describe('v2', () => {
  it.each([
    ['identities', 'identities', 2],
    ['beneficiaries', 'beneficiaries', 4],
    ['direct-debits', 'direct_debits', 3],
    ['standing-orders', 'standing_orders', 3],
    ['scheduled-payments', 'scheduled_payments', 3],
  ])('serves the %s of an account, in pages, all of one reading', async (list, key, count) => {
    const seen: unknown[] = [];
    for (let page = 0; page < count; page += 1) {
      const { text } = await client.call(`${v2Path(list)}&size=1&page=${page}`);
      expect(JSON.parse(text)).toMatchObject({
        type: list,
        refreshed_at: entity.refreshedAt,
        data: { type: list, page: { number: page, total_elements: count, total_pages: count } },
      });
      seen.push(new RegExp(`"${key}":\\[(.*)\\]`).exec(text)?.[1]);
    }
    expect(new Set(seen).size).toBe(count);
  });

  it('serves who gave the consent, and refuses a list of which the entity allows nothing', async () => {
    const path = `/data/v2/identity?entity_id=${entity.entityId}`;
    expect((await client.call(path)).text).toContain(JSON.stringify(entity.identity.fullLegalName));
    entity.permissions = ['accounts'];
    for (const one of [path, v2Path('beneficiaries'), v2Path('identities')]) {
      expect((await client.call(one)).json()).toMatchObject({ status: 'INSUFFICIENT_ACCESS_LEVEL' });
    }
  });

  it('has no page of an empty list', async () => {
    account.orders.beneficiaries = [];
    expect((await client.call(v2Path('beneficiaries'))).json()).toMatchObject({
      data: { beneficiaries: [], page: { total_elements: 0, total_pages: 0 } },
    });
  });

  it('serves a customer, its entities and its consents, and deletes an entity for a reason only', async () => {
    const base = `/customers/v1/${entity.customerId}`;
    expect((await client.call(base)).json()).toEqual({
      customer_id: entity.customerId,
      app_user_id: entity.appUserId,
    });
    expect((await client.call(`${base}/consents`)).json()).toMatchObject([{ consent_status: 'ACTIVE' }]);
    const one = `${base}/entities/${entity.entityId}`;
    expect((await client.call(one, { method: 'DELETE', body: {} })).httpStatus).toBe(400);
    const body = { reason: 'USER_REQUESTED' };
    expect((await client.call(one, { method: 'DELETE', body })).httpStatus).toBe(200);
    expect((await client.call(one)).json()).toMatchObject({ status: 'UNKNOWN_ENTITY' });
    expect((await client.call(`${base}/entities`)).json()).toEqual([]);
    const { text } = await client.call('/customers/v1/entities?page_size=100');
    expect(text).toContain('"status":"DELETED"');
  });

  it('answers PENDING under 202 where async is asked for, and an error at once', async () => {
    const answer = await client.call(`${v2Path('balances')}&async=true`);
    expect([answer.httpStatus, answer.json()]).toMatchObject([202, { status: 'PENDING', data: null }]);
    const resultsId = pending.at(-1) ?? '';
    expect((await client.call(`/data/v2/results/${resultsId}`)).httpStatus).toBe(404);
    server.finishResults(resultsId);
    expect((await client.call(`/data/v2/results/${resultsId}`)).json()).toMatchObject({ type: 'balances' });
    expect((await client.call('/data/v2/accounts?entity_id=nobody&async=true')).httpStatus).toBe(404);
  });
});

describe('v1', () => {
  it('serves identity, accounts, balance and transactions in one payload each', async () => {
    const identity = await client.call('/data/v1/identity', { body: v1Body() });
    expect(identity.json()).toMatchObject({ payload: { full_name: entity.identity.fullLegalName } });
    const accounts = await client.call('/data/v1/accounts', { body: v1Body() });
    expect(accounts.json()).toMatchObject({
      payload: { accounts: entity.accounts.map(({ accountId }) => ({ account_id: accountId })) },
    });
    const balance = await client.call('/data/v1/balance', { body: v1Body() });
    expect(balance.json()).toMatchObject({ payload: { account_id: account.accountId, type: 'balance' } });
    const { text } = await client.call('/data/v1/transactions', { body: v1Body() });
    expect(text.match(/"pending":/g)).toHaveLength(130);
  });

  it('writes money out of the account with a minus, to the last digit', async () => {
    const { text } = await client.call('/data/v1/transactions', { body: v1Body() });
    for (const { transactionId, amount, creditDebitIndicator } of account.transactions) {
      const written = new RegExp(`"id":"${transactionId}".*?"amount":([^,]+),`).exec(text)?.[1];
      const isDebit = creditDebitIndicator === 'DEBIT' && amount !== '0';
      expect(written).toBe(isDebit ? `-${amount}` : amount);
    }
  });

  it('keeps to the days asked for, and gives insights only where asked', async () => {
    const day = account.transactions[60]?.bookingDateTime?.slice(0, 10) ?? '';
    const window = { start_date: day, end_date: day };
    const few = await client.call('/data/v1/transactions', { body: v1Body({ ...window, insights: true }) });
    const expected = account.transactions.filter((one) => one.bookingDateTime?.startsWith(day) ?? true);
    expect(few.text.match(/"pending":/g)).toHaveLength(expected.length);
    const all = await client.call('/data/v1/transactions', { body: v1Body() });
    expect(all.text).not.toContain('description_cleansed');
    const bad = await client.call('/data/v1/transactions', { body: v1Body({ start_date: 'May' }) });
    expect(bad.httpStatus).toBe(400);
  });

  it('answers PENDING under 200 where async is asked for, and the whole result later', async () => {
    const answer = await client.call('/data/v1/accounts', { body: v1Body({ async: true }) });
    expect(answer.httpStatus).toBe(200);
    expect(Object.keys(Object(answer.json()))).toEqual(['status', 'results_id', 'message', 'timestamp']);
    const resultsId = pending.at(-1) ?? '';
    expect((await client.call(`/v1/results/${resultsId}`)).json()).toMatchObject({
      status: 'UNKNOWN_RESULTS_ID',
    });
    server.finishResults(resultsId);
    expect((await client.call(`/v1/results/${resultsId}`)).text).toContain(account.accountId);
  });

  it('alone has no v2, and an entity without consents', async () => {
    await close();
    await open({ dialect: 'v1' });
    expect((await client.call(`/data/v2/accounts?entity_id=${entity.entityId}`)).httpStatus).toBe(404);
    const { text } = await client.call(`/customers/v1/${entity.customerId}/entities/${entity.entityId}`);
    expect(Object.keys(JSON.parse(text))).toEqual(['id', 'customer_id', 'bank_identifier', 'permissions']);
  });
});

describe('what becomes of an entity', () => {
  it('needs a reconnect: every data call and refresh says so, until it is done and the results are there', async () => {
    const reconnectId = server.requireReconnect(entity.entityId);
    expect((await client.call(v2Path('transactions'))).json()).toMatchObject({
      status: 'RECONNECT_REQUIRED',
      results_id: reconnectId,
      data: null,
    });
    expect((await client.call('/data/v1/accounts', { body: v1Body() })).json()).toMatchObject({
      status: 'RECONNECT_REQUIRED',
      payload: { reconnect_id: reconnectId },
    });
    const refresh = await client.call('/data/v2/refreshes', { body: { entity_id: entity.entityId } });
    expect(refresh.json()).toMatchObject({ status: 'RECONNECT_REQUIRED', reconnect_id: reconnectId });
    expect(server.reconnect(entity.entityId)).toBe(reconnectId);
    expect((await client.call(v2Path('transactions'))).json()).toMatchObject({ status: 'OK' });
    const results = await client.call(`/data/v2/results/${reconnectId}`);
    expect(results.json()).toMatchObject({ status: 'OK', type: 'transactions' });
  });

  it.each(['expireConsent', 'revokeConsent'] as const)(
    '%s: data and refreshes end with 403',
    async (change) => {
      server[change](entity.entityId);
      const expired = { httpStatus: 403, status: 'CONSENT_EXPIRED' };
      for (const answer of [
        await client.call(v2Path('balances')),
        await client.call('/data/v1/balance', { body: v1Body() }),
        await client.call('/data/v2/refreshes', { body: { entity_id: entity.entityId } }),
      ]) {
        expect({ httpStatus: answer.httpStatus, ...Object(answer.json()) }).toMatchObject(expired);
      }
      server.renewConsent(entity.entityId);
      expect((await client.call(v2Path('balances'))).httpStatus).toBe(200);
      const { text } = await client.call(`/customers/v1/${entity.customerId}/entities/${entity.entityId}`);
      expect([...text.matchAll(/"consent_status":"(\w+)"/g)].map(([, status]) => status)).toEqual([
        'ACTIVE',
        'REVOKED',
      ]);
    },
  );

  it('has a bank that is out: its entities fail under 200, GET /banks says so, and it comes back', async () => {
    const { identifier } = entity.bank;
    server.startOutage(identifier, { granularStatusCode: 'DISABLED_BY_LEAN' });
    expect((await client.call(v2Path('balances'))).json()).toMatchObject({
      status: 'FAILED',
      status_detail: { granular_status_code: 'DISABLED_BY_LEAN' },
    });
    expect(server.availabilityOf(entity.bank).active.data).toBe(false);
    expect((await client.call('/banks/v1')).text).toContain('"active":{"payments":false,"data":false}');
    server.endOutage(identifier);
    expect((await client.call(v2Path('balances'))).json()).toMatchObject({ status: 'OK' });
  });

  it('is refreshed in part: the words of the kinds, and a kind that failed keeps its reading', async () => {
    const before = entity.refreshedAt;
    const dataStatus = { transactions: 'FAILED', standing_orders: 'UNSUPPORTED' };
    const refreshId = server.refresh(entity.entityId, { dataStatus });
    const refresh = await client.call(`/data/v2/refreshes/${refreshId}`);
    expect(refresh.json()).toMatchObject({
      status: 'FINISHED',
      data_status: {
        accounts: 'OK',
        account_data: [
          { transactions: 'FAILED', standing_orders: 'UNSUPPORTED', balance: 'OK' },
          { transactions: 'FAILED' },
        ],
      },
    });
    expect((await client.call(v2Path('transactions'))).json()).toMatchObject({ refreshed_at: before });
    expect((await client.call(v2Path('balances'))).json()).toMatchObject({
      refreshed_at: entity.refreshedAt,
    });
    expect(entity.refreshedAt).not.toBe(before);
  });
});

describe('every documented error, on demand', () => {
  const gateways = everyDocumentedFault.filter(({ fault }) => fault.kind === 'gateway');
  const inJson = everyDocumentedFault.filter(({ fault }) => fault.kind !== 'gateway');

  it.each(inJson)('$name', async ({ name, fault }) => {
    server.faults.add({ fault });
    const answer = await client.call(v2Path('balances'));
    const withoutData = name.endsWith('without data');
    const [httpStatus, status, granular] = name.replace(/ without data$/, ' BANK_ISSUE').split(' ');
    const detail = granular === undefined ? {} : { status_detail: { granular_status_code: granular } };
    expect(answer.httpStatus).toBe(Number(httpStatus));
    expect(answer.json()).toMatchObject({ status, ...detail });
    expect('data' in Object(answer.json())).toBe(answer.httpStatus < 300 && !withoutData);
    expect((await client.call(v2Path('balances'))).json()).toMatchObject({ status: 'OK' });
  });

  it.each(gateways)('$name of the network in front of Lean, in HTML', async ({ name, fault }) => {
    server.faults.add({ fault });
    const answer = await client.call(v2Path('balances'));
    expect([answer.httpStatus, answer.headers['content-type']]).toEqual([
      Number(name),
      'text/html; charset=UTF-8',
    ]);
  });

  it('in the words of the consents API', async () => {
    server.faults.add({ fault: consentsApiError(404, 'Consent not found') });
    const answer = await client.call(`/customers/v1/${entity.customerId}/consents`);
    expect(answer.json()).toEqual({ status_code: 404, message: 'Consent not found' });
  });

  it('in the forms of v1', async () => {
    server.faults.add({ fault: { kind: 'failed', granularStatusCode: 'BANK_ISSUE' }, body: /entity_id/ });
    server.faults.add({ fault: { kind: 'reconnect-required' }, path: /v1.balance/ });
    const failed = await client.call('/data/v1/accounts', { body: v1Body() });
    expect(failed.json()).toMatchObject({ status: 'FAILED', status_detail: {} });
    expect('data' in Object(failed.json())).toBe(false);
    const reconnect = await client.call('/data/v1/balance', { body: v1Body() });
    expect(reconnect.json()).toMatchObject({ payload: { type: 'reconnect' } });
  });
});

function missing(): never {
  throw new Error('the generator made too little');
}
