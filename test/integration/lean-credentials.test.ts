import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient, type LeanClientOptions } from '../../src/lean/lean-client.ts';
import { createLeanCredentials } from '../../src/lean/lean-credentials.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { eventually } from '../support/eventually.ts';
import { sendJson, startLeanTls, type AskedOfLean, type LeanTls } from '../support/lean-tls.ts';
import { createPki, type Pki } from '../support/pki.ts';

let pki: Pki;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  pki = await createPki();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const accountsQuery = { entityId: '14eb95ba-2b9d-41cb-82fe-7b1b3079021e', page: 0 };
const accountsBody = readLeanFixture('v2-uae-response-accounts').bodyText;
const appToken = '2c9a80897169b1dd01716a0339e30003';
const clientSecret = 'secret-of-the-application&=+';

/** Hands out `token-1`, `token-2`, … and takes only those of `valid`; null = all. */
async function startLean(world: {
  readonly valid?: ReadonlySet<string> | null;
  readonly answerToken?: (count: number, response: ServerResponse) => void;
  readonly body401?: string;
}) {
  const { valid = null, answerToken = sendToken, body401 = '{"status":"UNAUTHORIZED"}' } = world;
  const auth = await startLeanTls(pki, (_asked, response) => answerToken(auth.asked.length, response));
  const api = await startLeanTls(pki, ({ headers }, response) => {
    const isValid = valid === null || valid.has(headers.authorization?.replace('Bearer ', '') ?? '');
    if (isValid) sendJson(response, accountsBody);
    else sendJson(response, body401, 401);
  });
  cleanups.push(
    () => auth.close(),
    () => api.close(),
  );
  return { auth, api };
}

function sendToken(count: number, response: ServerResponse): void {
  sendJson(
    response,
    `{"access_token":"token-${count}","scope":"api","token_type":"Bearer","expires_in":3599}`,
  );
}

function openClient(
  hosts: { api: LeanTls; auth: LeanTls },
  options: Partial<LeanClientOptions> = {},
): LeanClient {
  const client = createLeanClient({
    apiUrl: hosts.api.url,
    authUrl: hosts.auth.url,
    appToken,
    clientSecret,
    material: { caPem: pki.leanChainPem },
    ...options,
  });
  cleanups.push(() => client.close());
  return client;
}

const bearers = (asked: readonly AskedOfLean[]) => asked.map(({ headers }) => headers.authorization);

describe('the app token', () => {
  it('goes alone with every call where there is no client secret', async () => {
    const lean = await startLean({});
    const client = openClient(lean, { clientSecret: undefined });
    expect(await client.getAccounts(accountsQuery)).toMatchObject({ kind: 'ok' });
    expect(lean.api.asked[0]?.headers).toMatchObject({ 'lean-app-token': appToken });
    expect(bearers(lean.api.asked)).toEqual([undefined]);
    expect(lean.auth.asked).toEqual([]);
  });
});

describe('client credentials', () => {
  it('ask for a token as Lean documents it, and send it beside the app token', async () => {
    const lean = await startLean({});
    expect(await openClient(lean).getAccounts(accountsQuery)).toMatchObject({ kind: 'ok' });
    const [asked] = lean.auth.asked;
    expect(asked).toMatchObject({
      method: 'POST',
      url: '/oauth2/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
      client_id: appToken,
      client_secret: clientSecret,
      grant_type: 'client_credentials',
      scope: 'api',
    });
    expect(lean.api.asked[0]?.headers).toMatchObject({
      'lean-app-token': appToken,
      authorization: 'Bearer token-1',
    });
  });

  it('ask once for any number of calls, however many start together', async () => {
    const lean = await startLean({});
    const client = openClient(lean);
    const calls = Array.from({ length: 12 }, () => client.getAccounts(accountsQuery));
    for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ kind: 'ok' });
    expect(await client.getAccounts(accountsQuery)).toMatchObject({ kind: 'ok' });
    expect(lean.auth.asked).toHaveLength(1);
    expect(new Set(bearers(lean.api.asked))).toEqual(new Set(['Bearer token-1']));
  });

  it('are renewed once after a 401, and the call is made again', async () => {
    const lean = await startLean({ valid: new Set(['token-2']) });
    const client = openClient(lean);
    const calls = Array.from({ length: 6 }, () => client.getAccounts(accountsQuery));
    for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ kind: 'ok' });
    expect(lean.auth.asked).toHaveLength(2);
    expect(new Set(bearers(lean.api.asked))).toEqual(new Set(['Bearer token-1', 'Bearer token-2']));
  });

  it('are not renewed again and again where every token is refused', async () => {
    const lean = await startLean({ valid: new Set() });
    const client = openClient(lean);
    const denied = { kind: 'failed', failure: { code: 'LEAN_ACCESS_DENIED', action: 'stop_alert' } };
    for (let call = 0; call < 3; call += 1) {
      expect(await client.getAccounts(accountsQuery)).toMatchObject(denied);
    }
    expect(lean.auth.asked).toHaveLength(2);
    expect(lean.api.asked).toHaveLength(4);
  });

  it('are not renewed where the certificate is the one that does not fit', async () => {
    const lean = await startLean({ valid: new Set(), body401: '{"status":"CERTIFICATE_TOKEN_MISMATCH"}' });
    expect(await openClient(lean).getAccounts(accountsQuery)).toMatchObject({
      failure: { code: 'CERTIFICATE_TOKEN_MISMATCH', action: 'stop_alert' },
    });
    expect([lean.auth.asked.length, lean.api.asked.length]).toEqual([1, 1]);
  });

  it.each([
    ['a secret that is refused', 401, '{"error":"invalid_client"}', 'LEAN_TOKEN_REFUSED', 'stop_alert'],
    ['a form that is refused', 400, '{"error":"invalid_scope"}', 'LEAN_TOKEN_REFUSED', 'stop_alert'],
    ['an auth host in trouble', 503, '<html>', 'LEAN_SERVER_ERROR', 'retry'],
    ['too many requests', 429, '', 'LEAN_RATE_LIMITED', 'retry'],
    ['a reply without a token', 200, '{"token_type":"Bearer"}', 'LEAN_REPLY_UNREADABLE', 'retry'],
    [
      'a token that fits no header',
      200,
      '{"access_token":"a\\r\\nx-y: z"}',
      'LEAN_REPLY_UNREADABLE',
      'retry',
    ],
  ])('make %s a failure of the call, which is not sent', async (_what, status, body, code, action) => {
    const lean = await startLean({ answerToken: (_count, response) => sendJson(response, body, status) });
    const answer = await openClient(lean).getAccounts(accountsQuery);
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { code, action },
      facts: { operation: 'accounts', httpStatus: status },
    });
    expect(lean.api.asked).toEqual([]);
  });

  it('make an auth host that does not answer a failure like any other network failure', async () => {
    const lean = await startLean({});
    await lean.auth.close();
    cleanups.splice(0, 1);
    expect(await openClient(lean).getAccounts(accountsQuery)).toMatchObject({
      failure: { code: 'LEAN_UNREACHABLE', action: 'retry' },
      facts: { httpStatus: null, networkError: 'ECONNREFUSED' },
    });
  });

  it('rest after a refusal, until there is another secret', async () => {
    const lean = await startLean({
      answerToken: (count, response) =>
        count === 1 ? sendJson(response, '{"error":"invalid_client"}', 401) : sendToken(count, response),
    });
    const client = openClient(lean);
    const refused = { failure: { code: 'LEAN_TOKEN_REFUSED' } };
    expect(await client.getAccounts(accountsQuery)).toMatchObject(refused);
    expect(await client.getAccounts(accountsQuery)).toMatchObject(refused);
    expect(lean.auth.asked).toHaveLength(1);
    client.replaceClientSecret('renewed');
    expect(await client.getAccounts(accountsQuery)).toMatchObject({ kind: 'ok' });
    expect(new URLSearchParams(lean.auth.asked[1]?.body).get('client_secret')).toBe('renewed');
  });

  it('let one call be given up while the others go on waiting for the token', async () => {
    const held: ServerResponse[] = [];
    const lean = await startLean({ answerToken: (_count, response) => void held.push(response) });
    const client = openClient(lean);
    const controller = new AbortController();
    const given = client
      .getAccounts({ ...accountsQuery, signal: controller.signal })
      .catch((error: unknown) => error);
    const kept = client.getAccounts(accountsQuery);
    await eventually(() => expect(held).toHaveLength(1));
    controller.abort();
    expect(await given).toMatchObject({ code: 'LEAN_CALL_ABORTED' });
    for (const response of held) sendToken(1, response);
    expect(await kept).toMatchObject({ kind: 'ok' });
    expect(lean.auth.asked).toHaveLength(1);
  });

  it('show neither secret nor token in what a failed call hands back', async () => {
    const lean = await startLean({ valid: new Set(), body401: `{"status":"${clientSecret} token-1"}` });
    const answer = await openClient(lean).getAccounts(accountsQuery);
    expect(answer.kind).toBe('failed');
    expect(inspect(answer, { depth: null })).not.toMatch(/secret-of-the|token-1|2c9a80897169/);
  });
});

/** Credentials on a clock of the test's own, and an auth host that answers at once. */
function credentials(lifeSeconds: string) {
  const now = { ms: 0 };
  const forms: string[] = [];
  const created = createLeanCredentials({
    appToken,
    clientSecret,
    nowMs: () => now.ms,
    requestToken(form) {
      forms.push(form);
      const bodyText = `{"access_token":"token-${forms.length}"${lifeSeconds}}`;
      return Promise.resolve({ kind: 'reply', httpStatus: 200, headers: {}, bodyText });
    },
  });
  const tokenAt = async (ms: number) => {
    now.ms = ms;
    const shown = await created.headers();
    return shown.kind === 'ready' ? shown.token : shown.failure.code;
  };
  return { tokenAt };
}

describe('a token', () => {
  it('is kept until a minute before its end', async () => {
    const { tokenAt } = credentials(',"expires_in":3599');
    const tokens = [await tokenAt(0), await tokenAt(3_538_999), await tokenAt(3_539_000)];
    expect(tokens).toEqual(['token-1', 'token-1', 'token-2']);
  });

  it('of a short life is kept for nine tenths of it', async () => {
    const { tokenAt } = credentials(',"expires_in":10');
    expect([await tokenAt(0), await tokenAt(8_999), await tokenAt(9_000)]).toEqual([
      'token-1',
      'token-1',
      'token-2',
    ]);
  });

  it.each(['', ',"expires_in":null', ',"expires_in":"soon"', ',"expires_in":-1'])(
    'of a life that is not told (%s) is kept for minutes, not for ever',
    async (life) => {
      const { tokenAt } = credentials(life);
      expect([await tokenAt(0), await tokenAt(200_000), await tokenAt(300_000)]).toEqual([
        'token-1',
        'token-1',
        'token-2',
      ]);
    },
  );

  it.each(['v2-response-oauth-token-api', 'v2-response-oauth-token-customer'])('%s is read', async (name) => {
    const { bodyText } = readLeanFixture(name);
    const created = createLeanCredentials({
      appToken,
      clientSecret,
      requestToken: () => Promise.resolve({ kind: 'reply', httpStatus: 200, headers: {}, bodyText }),
    });
    expect(await created.headers()).toEqual({
      kind: 'ready',
      headers: { 'lean-app-token': appToken, authorization: 'Bearer PLACEHOLDER_JWT_NOT_COPIED' },
      token: 'PLACEHOLDER_JWT_NOT_COPIED',
    });
  });
});
