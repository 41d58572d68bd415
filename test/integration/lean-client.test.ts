import https from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLeanClient, type LeanClient, type LeanClientOptions } from '../../src/lean/lean-client.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { eventually } from '../support/eventually.ts';
import { createPki, issueLeaf, type Identity, type Pki } from '../support/pki.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const entityId = '14eb95ba-2b9d-41cb-82fe-7b1b3079021e';
const accountId = 'fe672591-bc88-4cec-96e7-9101bde496ce';
const accountsQuery = { entityId, page: 0 };

let pki: Pki;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  pki = await createPki();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Lean as a TLS server that trusts only its root, so that our intermediates must be presented. */
async function startLean(answer: Answer) {
  const requests: { url: string; appToken: unknown; subject: string }[] = [];
  const server = https.createServer(
    {
      cert: pki.leanServer.chainPem,
      key: pki.leanServer.keyPem,
      ca: pki.issuers.leanRoot.certificate.toString('pem'),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      requests.push({
        url: request.url ?? '',
        appToken: request.headers['lean-app-token'],
        subject: peerSerial(request),
      });
      answer(request, response);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { requests, apiUrl: `https://127.0.0.1:${port}` };
}

function peerSerial(request: IncomingMessage): string {
  return request.socket instanceof TLSSocket ? request.socket.getPeerCertificate().serialNumber : '';
}

function materialOf(identity: Identity) {
  return { certPem: identity.certPem, keyPem: identity.keyPem, caPem: pki.leanChainPem };
}

function openClient(apiUrl: string, options: Partial<LeanClientOptions> = {}): LeanClient {
  const material = materialOf(pki.application);
  const client = createLeanClient({ apiUrl, appToken: 'app-token', material, ...options });
  cleanups.push(() => client.close());
  return client;
}

function reply(body: string, status = 200, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
}

const accountsBody = () => readLeanFixture('v2-uae-response-accounts').bodyText;

describe('the connection', () => {
  it('presents our certificate with its chain and sends the app token on every call', async () => {
    const lean = await startLean(reply(accountsBody()));
    const client = openClient(lean.apiUrl);
    expect(await client.getAccounts(accountsQuery)).toMatchObject({ kind: 'ok' });
    await client.getEntity({ customerId: 'c', entityId });
    expect(lean.requests.map(({ appToken }) => appToken)).toEqual(['app-token', 'app-token']);
    expect(lean.requests[0]?.url).toBe(`/data/v2/accounts?entity_id=${entityId}&page=0&size=100`);
  });

  it('gets nowhere without a certificate, and says that Lean could not be reached', async () => {
    const lean = await startLean(reply(accountsBody()));
    const client = openClient(lean.apiUrl, { material: { caPem: pki.leanChainPem } });
    const answer = await client.getAccounts(accountsQuery);
    expect(answer).toMatchObject({ kind: 'failed', failure: { code: 'LEAN_UNREACHABLE', action: 'retry' } });
    expect(lean.requests).toEqual([]);
  });

  it('does not talk to a server that nobody vouches for', async () => {
    const lean = await startLean(reply(accountsBody()));
    const { certPem, keyPem } = pki.application;
    const client = openClient(lean.apiUrl, { material: { certPem, keyPem } });
    const answer = await client.getAccounts(accountsQuery);
    expect(answer).toMatchObject({ kind: 'failed', failure: { code: 'LEAN_UNREACHABLE' } });
    expect(lean.requests).toEqual([]);
  });

  it('does not talk to it either where NODE_TLS_REJECT_UNAUTHORIZED=0 would have Node do so', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    try {
      const lean = await startLean(reply(accountsBody()));
      const { certPem, keyPem } = pki.application;
      const client = openClient(lean.apiUrl, { material: { certPem, keyPem } });
      const answer = await client.getAccounts(accountsQuery);
      expect(answer).toMatchObject({ kind: 'failed', failure: { code: 'LEAN_UNREACHABLE' } });
      expect(lean.requests).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('uses new material for new calls, ends calls under way on the old, and refuses a broken pair', async () => {
    const held: ServerResponse[] = [];
    const lean = await startLean((_request, response) => void held.push(response));
    const client = openClient(lean.apiUrl);
    const underWay = client.getAccounts(accountsQuery);
    await eventually(() => expect(held).toHaveLength(1));

    const mixed = { ...materialOf(pki.application), keyPem: pki.rogue.keyPem };
    expect(() => client.replaceMaterial(mixed)).toThrow(
      expect.objectContaining({ code: 'LEAN_MATERIAL_INVALID' }),
    );
    const renewed = await issueLeaf({
      issuer: pki.issuers.leanIntermediate,
      sans: ['dns:renewed.example'],
      eku: ['clientAuth'],
    });
    client.replaceMaterial(materialOf(renewed));
    const afterwards = client.getAccounts(accountsQuery);
    await eventually(() => expect(held).toHaveLength(2));
    for (const response of held) response.end(accountsBody());

    expect(await underWay).toMatchObject({ kind: 'ok' });
    expect(await afterwards).toMatchObject({ kind: 'ok' });
    expect(new Set(lean.requests.map(({ subject }) => subject)).size).toBe(2);
  });
});

describe('replies', () => {
  it('hands out items with their own text, the times around them and the ids for the log', async () => {
    const headers = { 'lean-correlation-id': 'corr-1', 'lean-trace-id': 'trace-1' };
    const lean = await startLean(
      reply(readLeanFixture('v2-uae-response-transactions').bodyText, 200, headers),
    );
    const answer = await openClient(lean.apiUrl).getTransactions({
      entityId,
      accountId,
      page: 0,
      startDate: '2025-09-01',
      endDate: undefined,
    });
    expect(answer).toMatchObject({
      kind: 'ok',
      isLastPage: false,
      refreshedAt: { text: '2026-05-13T19:39:20.378Z' },
      httpDate: { at: expect.any(String) },
      unreadable: [],
      items: [{ raw: expect.stringContaining('"amount": 439.85') }, {}, {}],
      facts: {
        operation: 'transactions',
        httpStatus: 200,
        correlationId: 'corr-1',
        traceId: 'trace-1',
        resultsId: '86101aad-b3c1-4645-8c0e-2796ad3249ab',
        networkError: null,
      },
    });
    expect(lean.requests[0]?.url).toBe(
      `/data/v2/accounts/${accountId}/transactions?entity_id=${entityId}&start_date=2025-09-01&page=0&size=100`,
    );
  });

  it("never takes another entity's item for the one asked for", async () => {
    const lean = await startLean(reply(accountsBody()));
    const answer = await openClient(lean.apiUrl).getAccounts({ entityId: 'another', page: 0 });
    expect(answer).toMatchObject({ kind: 'ok', items: [], unreadable: [{}, {}, {}] });
  });

  it('reads an entity, which comes without an envelope', async () => {
    const entity = readLeanFixture('v2-uae-response-entity').bodyText;
    const lean = await startLean(reply(entity));
    const client = openClient(lean.apiUrl);
    expect(await client.getEntity({ customerId: 'c-1', entityId })).toMatchObject({
      kind: 'ok',
      entity: { id: entityId },
    });
    expect(lean.requests[0]?.url).toBe(`/customers/v1/c-1/entities/${entityId}`);
  });

  it('tells a failed bank call with HTTP 200 from an empty list', async () => {
    const lean = await startLean(reply(readLeanFixture('v2-response-failed-bank-issue-200').bodyText));
    const answer = await openClient(lean.apiUrl).getBalances({ entityId, accountId, page: 0 });
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { code: 'LEAN_BANK_ISSUE', action: 'retry', granularStatus: 'BANK_ISSUE' },
    });
  });

  it('tells pending results with their id', async () => {
    const lean = await startLean(reply(readLeanFixture('v2-response-pending-202').bodyText, 202));
    const answer = await openClient(lean.apiUrl).getResults({ resultsId: 'r-1' });
    expect(answer).toMatchObject({ kind: 'pending', resultsId: 'df73d596-7138-46df-af96-cbcbe9a8af59' });
  });

  it.each([
    ['seconds', { 'retry-after': '7' }, 7000],
    [
      'a date',
      { 'retry-after': 'Wed, 13 May 2026 19:43:00 GMT', date: 'Wed, 13 May 2026 19:42:30 GMT' },
      30_000,
    ],
  ])('hands on Retry-After given as %s', async (_form, headers, retryAfterMs) => {
    const lean = await startLean(reply('{"status":"RATE_LIMIT_EXCEEDED"}', 429, headers));
    const answer = await openClient(lean.apiUrl).getAccounts(accountsQuery);
    expect(answer).toMatchObject({ kind: 'failed', failure: { code: 'LEAN_RATE_LIMITED', retryAfterMs } });
  });

  it.each([
    ['a page of HTML', '<html>', 200, 'LEAN_REPLY_UNREADABLE'],
    ['JSON nested without end', '['.repeat(5000), 200, 'LEAN_REPLY_UNREADABLE'],
    ['a gateway error', '<html>', 502, 'LEAN_SERVER_ERROR'],
    ['a redirect, which is not followed', '', 302, 'LEAN_REQUEST_REFUSED'],
  ])('makes a failure of %s', async (_what, body, status, code) => {
    const lean = await startLean(reply(body, status, { location: '/elsewhere' }));
    const answer = await openClient(lean.apiUrl).getAccounts(accountsQuery);
    expect(answer).toMatchObject({ kind: 'failed', failure: { code } });
    expect(lean.requests).toHaveLength(1);
  });
});

describe('limits', () => {
  it('gives up on a server that accepts and never answers, or stops in the middle', async () => {
    const lean = await startLean((request, response) => {
      if (request.url?.includes('balances') === true) response.write('{"status":');
    });
    const client = openClient(lean.apiUrl, { limits: { replyTimeoutMs: 300 } });
    const timedOut = { kind: 'failed', failure: { code: 'LEAN_TIMEOUT', retryClass: 'lean_timeout' } };
    const answers = [client.getAccounts(accountsQuery), client.getBalances({ entityId, accountId, page: 0 })];
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject(timedOut);
  });

  it('bounds the whole call, however busily the server drips', async () => {
    const lean = await startLean((_request, response) => {
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    const client = openClient(lean.apiUrl, { limits: { callTimeoutMs: 300 } });
    expect(await client.getAccounts(accountsQuery)).toMatchObject({
      failure: { code: 'LEAN_TIMEOUT' },
      facts: { networkError: 'CALL_DEADLINE' },
    });
  });

  it('reads no reply beyond the limit', async () => {
    const lean = await startLean(reply(' '.repeat(5000)));
    const client = openClient(lean.apiUrl, { limits: { replyBytes: 1000 } });
    expect(await client.getAccounts(accountsQuery)).toMatchObject({
      failure: { code: 'LEAN_REPLY_TOO_LARGE', action: 'give_up' },
    });
  });

  it('ends a call at once when it is aborted, and says so', async () => {
    const lean = await startLean(() => {});
    const client = openClient(lean.apiUrl);
    const controller = new AbortController();
    const call = client.getAccounts({ ...accountsQuery, signal: controller.signal });
    const failed: Promise<unknown> = call.catch((error: unknown) => error);
    await eventually(() => expect(lean.requests).toHaveLength(1));
    controller.abort();
    expect(await failed).toMatchObject({ code: 'LEAN_CALL_ABORTED' });
  });

  it.each(['', '..', 'a/b', 'a?b', 'a b', 'é', 'x'.repeat(201), '%2e'])(
    'sends nothing for the id %j',
    async (id) => {
      const lean = await startLean(reply('{}'));
      const client = openClient(lean.apiUrl);
      const refusal = { code: 'LEAN_ID_INVALID' };
      await expect(client.getBalances({ entityId, accountId: id, page: 0 })).rejects.toMatchObject(refusal);
      await expect(client.getAccounts({ entityId: id, page: 0 })).rejects.toMatchObject(refusal);
      await expect(client.getEntity({ customerId: id, entityId })).rejects.toMatchObject(refusal);
      await expect(client.getResults({ resultsId: id })).rejects.toMatchObject(refusal);
      expect(lean.requests).toEqual([]);
    },
  );
});
