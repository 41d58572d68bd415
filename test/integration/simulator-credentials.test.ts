// The simulated Lean's credentials: the token endpoint, what a call must carry, and the Events API that takes a token.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer, type LeanServerOptions } from '../simulator/lean-server.ts';
import { createSimpleClient, type SimpleClient } from '../simulator/simple-client.ts';
import { entityCreated, paymentCreated, refreshUpdated } from '../simulator/webhook-bodies.ts';
import { testPki } from '../support/pki.ts';

const appToken = 'app-token-of-tests';
const clientSecret = 'client-secret-of-tests';
const customers = generateCustomers({ seed: 'credentials', entities: 2, accounts: 1, transactions: 5 });
const opened: (() => Promise<void>)[] = [];
let nowMs = 0;

beforeEach(() => {
  nowMs = Date.parse('2026-06-01T00:00:00Z');
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

async function open(
  options: Partial<LeanServerOptions> = {},
): Promise<{ server: LeanServer; client: SimpleClient }> {
  const pki = await testPki();
  const server = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: false,
    oauth: { clientSecret },
    now: () => nowMs,
    ...options,
  });
  const client = createSimpleClient({ url: server.url, ca: pki.leanChainPem, appToken });
  opened.push(
    () => client.close(),
    () => server.close(),
  );
  return { server, client };
}

function form(changes: Record<string, string> = {}): string {
  const members = { client_id: appToken, client_secret: clientSecret, grant_type: 'client_credentials' };
  return new URLSearchParams({ ...members, scope: 'api', ...changes }).toString();
}

describe('the token endpoint', () => {
  it('gives a token of the scope that is asked for, and keeps a record of its own', async () => {
    const { server, client } = await open();
    const answer = await client.call('/oauth2/token', { form: form(), headers: {} });
    expect(answer.json()).toMatchObject({ scope: 'api', token_type: 'Bearer', expires_in: 3599 });
    expect(server.tokenCalls.map(({ httpStatus }) => httpStatus)).toEqual([200]);
    expect(server.calls).toEqual([]);
  });

  it.each([
    ['a wrong secret', { client_secret: 'other' }, 401, 'invalid_client'],
    ['another client', { client_id: 'other' }, 401, 'invalid_client'],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['an unknown scope', { scope: 'everything' }, 400, 'invalid_scope'],
  ])('refuses %s', async (_what, changes, httpStatus, error) => {
    const { client } = await open();
    const answer = await client.call('/oauth2/token', { form: form(changes), headers: {} });
    expect([answer.httpStatus, answer.json()]).toEqual([httpStatus, { error }]);
  });

  it('is slow, fails and hangs on demand, without touching other calls', async () => {
    const { server, client } = await open();
    server.tokenFaults.add({ fault: { kind: 'gateway', httpStatus: 503 } });
    server.tokenFaults.add({ fault: { kind: 'delay', ms: 60 } });
    server.tokenFaults.add({ fault: { kind: 'half-open' } });
    const ask = (timeoutMs = 5000) =>
      client.call('/oauth2/token', { form: form(), headers: {}, timeoutMs }).then((one) => one.httpStatus);
    expect((await client.call('/banks/v1')).httpStatus).toBe(200);
    expect(await ask()).toBe(503);
    const startedMs = performance.now();
    expect(await ask()).toBe(200);
    expect(performance.now() - startedMs).toBeGreaterThan(50);
    await expect(ask(150)).rejects.toThrow('timeout');
  });

  it('is not there for a server without OAuth', async () => {
    const pki = await testPki();
    const server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: false });
    const client = createSimpleClient({ url: server.url, ca: pki.leanChainPem, appToken });
    opened.push(
      () => client.close(),
      () => server.close(),
    );
    expect((await client.call('/oauth2/token', { form: form() })).httpStatus).toBe(404);
  });
});

describe('what a call must carry', () => {
  it.each([
    ['app-token', { none: 401, appToken: 200, bearer: 401, both: 200 }],
    ['bearer', { none: 401, appToken: 401, bearer: 200, both: 200 }],
    ['either', { none: 401, appToken: 200, bearer: 200, both: 200 }],
    ['both', { none: 401, appToken: 401, bearer: 401, both: 200 }],
  ] as const)('with %s', async (accepts, expected) => {
    const { server, client } = await open({ accepts });
    const token = await client.bearer(clientSecret);
    const status = async (headers: Record<string, string>) =>
      (await client.call('/banks/v1', { headers })).httpStatus;
    expect({
      none: await status({}),
      appToken: await status({ 'lean-app-token': appToken }),
      bearer: await status(headersOf(token, false)),
      both: await status(headersOf(token, true)),
    }).toEqual(expected);
    expect(server.calls.map(({ credentials }) => credentials)).toEqual([
      'none',
      'app-token',
      'bearer',
      'both',
    ]);
  });

  it('refuses a token that is over, was called back, was never given, or is a customer’s, even beside the app token', async () => {
    const { server, client } = await open({ oauth: { clientSecret, expiresInSeconds: 60 } });
    const status = async (authorization: string) =>
      (await client.call('/banks/v1', { headers: headersOf(authorization, true) })).httpStatus;
    const first = await client.bearer(clientSecret);
    expect(await status(first)).toBe(200);
    nowMs += 60_000;
    expect(await status(first)).toBe(401);
    const second = await client.bearer(clientSecret);
    server.expireTokens();
    expect(await status(second)).toBe(401);
    expect(await status('Bearer made-up')).toBe(401);
    const scoped = await client.call('/oauth2/token', { form: form({ scope: 'customer.abc' }), headers: {} });
    const token = /"access_token":"([^"]+)"/.exec(scoped.text)?.[1] ?? '';
    expect(await status(`Bearer ${token}`)).toBe(403);
  });
});

describe('the Events API', () => {
  const entity = customers.entities[0] ?? missing();
  const payment = paymentCreated(entity, {
    ...envelope(2, '2026-05-14T00:00:00.123456Z'),
    paymentId: 'p',
    intentId: 'i',
    destinationId: 'd',
    amount: '1234567890123456.70',
    status: 'ACCEPTED_BY_BANK',
  });
  const events = [
    entityCreated(entity, envelope(0, '2026-03-02T23:59:59.000000Z')),
    entityCreated(entity, envelope(1, '2026-05-13T00:00:00.000000Z')),
    payment,
    refreshUpdated(entity, { ...envelope(3, '2026-05-15T00:00:00.000000Z'), refreshId: 'r', status: 'OK' }),
  ];

  it('lists what was to be sent in the last ninety days, newest first, but no refreshes, each event once', async () => {
    const { server, client } = await open();
    server.recordEvents(events);
    server.recordEvents(events);
    const headers = { authorization: await client.bearer(clientSecret) };
    const pages = [];
    for (const page of [0, 1, 2]) {
      pages.push(await client.call(`/events/v1?page=${page}&size=1`, { headers }));
    }
    expect(pages.map(({ text }) => idsOf(text))).toEqual([['event-2'], ['event-1'], []]);
    expect(pages[0]?.json()).toMatchObject({
      page: { total_elements: 2, total_pages: 2, number: 0, size: 1 },
    });
  });

  it('tells a payload in the very text that was pushed', async () => {
    const { server, client } = await open();
    server.recordEvents([payment]);
    const headers = { authorization: await client.bearer(clientSecret) };
    const { text } = await client.call('/events/v1?page=0&size=10&type=payment.created', { headers });
    const payload = /"payload":(\{.*?\}),"event_id"/.exec(payment.body)?.[1] ?? missing();
    expect(text).toContain(`{"payload":${payload},"type":"payment.created"`);
  });

  it('keeps to from, to and type, and wants page, size and a bearer token', async () => {
    const { server, client } = await open();
    server.recordEvents(events);
    const headers = { authorization: await client.bearer(clientSecret) };
    const ids = async (query: string) =>
      idsOf((await client.call(`/events/v1?page=0&size=9&${query}`, { headers })).text);
    expect(await ids('from=2026-05-13T12:00:00Z')).toEqual(['event-2']);
    expect(await ids('to=2026-05-13T12:00:00Z')).toEqual(['event-1']);
    expect(await ids('type=entity.created')).toEqual(['event-1']);
    expect((await client.call('/events/v1?page=0', { headers })).httpStatus).toBe(400);
    expect((await client.call('/events/v1?page=0&size=9&from=now', { headers })).httpStatus).toBe(400);
    expect((await client.call('/events/v1?page=0&size=9')).httpStatus).toBe(401);
  });

  it('is not there in Saudi Arabia', async () => {
    const { client } = await open({ hasEventsApi: false });
    const headers = { authorization: await client.bearer(clientSecret) };
    expect((await client.call('/events/v1?page=0&size=9', { headers })).httpStatus).toBe(404);
  });
});

function headersOf(token: string, withAppToken: boolean): Record<string, string> {
  return { authorization: token, ...(withAppToken ? { 'lean-app-token': appToken } : {}) };
}

function envelope(n: number, timestamp: string) {
  return { eventId: `event-${n}`, timestamp };
}

function idsOf(text: string): (string | undefined)[] {
  return [...text.matchAll(/"event_id":"([^"]+)"/g)].map(([, id]) => id);
}

function missing(): never {
  throw new Error('the test has too little');
}
