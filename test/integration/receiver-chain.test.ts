// The chain of a caller is judged at every request: what changed since the handshake counts from the next request on.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import https from 'node:https';
import type { Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createChainCache } from '../../src/tls/chain-cache.ts';
import { verifyClientChain } from '../../src/tls/certificate-chain.ts';
import type { LeafPin } from '../../src/tls/leaf-pins.ts';
import type { ClientTrust } from '../../src/tls/tls-server.ts';
import { clientTls, connectRaw, send, type Sending } from '../support/lean-sender.ts';
import { createPki, issueLeaf, spkiPin, testPki, type Identity, type Pki } from '../support/pki.ts';
import {
  anchorsOf,
  crlsOf,
  fromLean,
  leanPins,
  startTestServer,
  tlsMaterialOf,
  type TestServer,
} from '../support/receiver-server.ts';
import { createRevocationList } from '../support/revocation-list.ts';

type Options = Partial<Parameters<typeof startTestServer>[0]>;

let pki: Pki;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((part) => part.close()));
});

async function start(options: Options = {}): Promise<TestServer> {
  const server = await startTestServer({ mode: 'certificate', pki, ...options });
  open.push(server);
  return server;
}

/** One connection that stays open; `ask` sends one delivery on it. */
function keepOpen(server: TestServer, changes: Partial<Sending> = {}) {
  const sending = fromLean(server, pki, changes);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...clientTls(sending) });
  const ports = new Set<number | undefined>();
  agent.on('free', (socket: Socket) => ports.add(socket.localPort));
  open.push({ close: async () => agent.destroy() });
  return { ask: () => send({ ...sending, agent }), ports };
}

const invalid = { status: 401, body: '{"code":"CERTIFICATE_INVALID"}' };
const notLean = { status: 403, body: '{"code":"CERTIFICATE_NOT_LEAN"}' };

async function refusals(server: TestServer): Promise<Record<string, number>> {
  const { values } = await server.metrics.certificatesRefused.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.reason), value]));
}

const linesOf = (server: TestServer, msg: string) => server.lines.filter((line) => line['msg'] === msg);

describe('on an open connection', () => {
  it('an authority that expires refuses from then on, while the leaf is still valid', async () => {
    let now = new Date();
    const server = await start({ now: () => now });
    const intermediate = new X509Certificate(pki.issuers.leanIntermediate.certificate.toString('pem'));
    const lateLeaf = await issueLeaf({
      issuer: pki.issuers.leanIntermediate,
      sans: ['dns:webhooks.leantech.me'],
      eku: ['clientAuth'],
      notAfter: new Date(intermediate.validToDate.getTime() + 86_400_000),
    });
    const { ask, ports } = keepOpen(server, { identity: lateLeaf });
    expect(await ask()).toMatchObject({ status: 200 });
    now = new Date(intermediate.validToDate.getTime() - 1_000);
    expect(await ask()).toMatchObject({ status: 200 });
    now = intermediate.validToDate;
    expect(await ask()).toMatchObject(invalid);
    expect(ports.size).toBe(1);
    await expect.poll(() => refusals(server)).toEqual({ EXPIRED: 1 });
    expect(linesOf(server, 'delivery')).toContainEqual(
      expect.objectContaining({ outcome: 'CERTIFICATE_INVALID', certificate_reason: 'EXPIRED' }),
    );
  });

  it.each<[string, () => Promise<ClientTrust>, string]>([
    [
      "a list that revokes Lean's certificate refuses the next request",
      async () => {
        const { leanRoot, leanIntermediate } = pki.issuers;
        const { serialNumber } = new X509Certificate(pki.lean.webhookClient.certPem);
        const lists = [
          await createRevocationList(leanIntermediate, [serialNumber]),
          await createRevocationList(leanRoot),
        ];
        return { anchors: anchorsOf(pki.leanChainPem), crls: crlsOf(...lists) };
      },
      'REVOKED',
    ],
    [
      "a bundle without Lean's authority refuses the next request",
      async () => ({ anchors: anchorsOf((await createPki()).leanChainPem), crls: null }),
      'ISSUER_NOT_FOUND',
    ],
  ])('%s', async (_name, clients, reason) => {
    const server = await start();
    const { socket, received } = await connectRaw(fromLean(server, pki));
    const head = 'POST /webhooks/lean HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n';
    // The next head begins in the same record, so that with the answer it is known to have arrived: a connection
    // between two requests would be closed by the change itself.
    socket.write(`${head}\r\n{}${head}`);
    await once(socket, 'data');
    const { pair } = tlsMaterialOf(pki, 'certificate');
    server.server.replaceMaterial({ pair, clients: await clients() });
    socket.write('\r\n{}');
    expect((await received).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401']);
    await expect.poll(() => refusals(server)).toEqual({ [reason]: 1 });
    expect(server.kept).toHaveLength(1);
  });
});

describe('a verdict', () => {
  it('is remembered over requests and connections, and not past an expiry', async () => {
    let now = new Date();
    let judged = 0;
    const chains = createChainCache({
      judge(question) {
        judged += 1;
        return verifyClientChain(question);
      },
    });
    const server = await start({ now: () => now, chains });
    const identity = await leanLeaf({ notAfter: new Date(now.getTime() + 120_000) });
    const first = keepOpen(server, { identity });
    const second = keepOpen(server, { identity });
    for (const { ask } of [first, first, second]) expect(await ask()).toMatchObject({ status: 200 });
    expect(judged).toBe(1);
    now = new X509Certificate(identity.certPem).validToDate;
    expect(await first.ask()).toMatchObject(invalid);
    expect(judged).toBe(2);
  });

  it('that the chain stands does not let another customer in, nor our own application', async () => {
    const server = await start();
    for (const identity of [pki.otherCustomer, pki.application])
      expect(await send(fromLean(server, pki, { identity }))).toMatchObject(notLean);
    await expect.poll(() => refusals(server)).toEqual({ NOT_ON_LIST: 2 });
  });
});

describe('LEAN_CLIENT_PURPOSE=serverAuth', () => {
  let identity: Identity;
  let keyPin: { kind: 'spki'; value: string };
  beforeAll(async () => {
    identity = await leanLeaf({ eku: ['serverAuth'] });
    keyPin = { kind: 'spki', value: spkiPin(identity.certPem).slice('sha256/'.length) };
  });

  it('lets a certificate for servers in whose key is pinned, and judges it at every request', async () => {
    let now = new Date();
    const keyPins = [keyPin.value];
    const clientPolicy = { purpose: 'serverAuth', keyPins } as const;
    const server = await start({ pins: [keyPin], clientPolicy, now: () => now });
    const { ask, ports } = keepOpen(server, { identity });
    expect(await ask()).toMatchObject({ status: 200 });
    now = new X509Certificate(identity.certPem).validToDate;
    expect(await ask()).toMatchObject(invalid);
    expect(ports.size).toBe(1);
  });

  it.each<[string, () => Promise<Identity | undefined>, () => LeafPin[], string]>([
    ['nobody is pinned', async () => identity, () => [], 'KEY_PIN_REQUIRED'],
    ['another key is pinned', () => leanLeaf({ eku: ['serverAuth'] }), () => [keyPin], 'KEY_PIN_REQUIRED'],
    ['only its name is pinned', async () => identity, () => [...leanPins], 'KEY_PIN_REQUIRED'],
    ['another authority issued it', copyOfAnotherAuthority, () => [keyPin], 'ISSUER_NOT_FOUND'],
    [
      'it has expired',
      async () => {
        identity = await leanLeaf({ eku: ['serverAuth'], notAfter: new Date(Date.now() - 1_000) });
        return identity;
      },
      () => [{ kind: 'spki', value: spkiPin(identity.certPem).slice('sha256/'.length) }],
      'EXPIRED',
    ],
    ['none is presented', async () => undefined, () => [keyPin], 'NOT_PRESENTED'],
  ])('ends the connection before its first request when %s', async (_when, presented, pins, reason) => {
    const caller = await presented();
    const server = await startForServers(pins());
    await expect(send(fromLean(server, pki, { identity: caller }))).rejects.toThrow(/./);
    expect(await refusals(server)).toEqual({ [reason]: 1 });
    expect(linesOf(server, 'connection_refused')).toHaveLength(1);
    expect(linesOf(server, 'delivery')).toEqual([]);
    expect(server.kept).toEqual([]);
  });
});

it('a chain of more certificates than are looked at is refused', async () => {
  const server = await start();
  const { webhookClient } = pki.lean;
  const chainPem = webhookClient.certPem + pki.issuers.leanIntermediate.presentedPem.repeat(11);
  expect(await send(fromLean(server, pki, { identity: { ...webhookClient, chainPem } }))).toMatchObject(
    invalid,
  );
  await expect.poll(() => refusals(server)).toEqual({ TOO_MANY_INTERMEDIATES: 1 });
});

describe('a verifier that fails', () => {
  const chains = createChainCache({
    judge() {
      throw new TypeError('of the test');
    },
  });

  it('lets nobody in', async () => {
    const server = await start({ chains });
    expect(await send(fromLean(server, pki))).toMatchObject({ status: 503 });
    expect(server.kept).toEqual([]);
  });

  it('ends the connection, and not the process, where it decides at the handshake', async () => {
    const server = await start({ chains, clientPolicy: { purpose: 'serverAuth', keyPins: [] } });
    await expect(send(fromLean(server, pki))).rejects.toThrow(/./);
    await expect.poll(() => linesOf(server, 'connection_refused')).toHaveLength(1);
    expect(server.kept).toEqual([]);
  });
});

function leanLeaf(leaf: Partial<Parameters<typeof issueLeaf>[0]> = {}): Promise<Identity> {
  const { leanIntermediate: issuer } = pki.issuers;
  return issueLeaf({ issuer, sans: ['dns:webhooks.leantech.me'], eku: ['clientAuth'], ...leaf });
}

/** By the name of Lean's authority, so that only its signature gives it away. */
function copyOfAnotherAuthority(): Promise<Identity> {
  return leanLeaf({ issuer: pki.issuers.rogueIntermediate, eku: ['serverAuth'] });
}

function startForServers(pins: readonly LeafPin[]): Promise<TestServer> {
  const keyPins = pins.filter(({ kind }) => kind === 'spki').map(({ value }) => value);
  return start({ pins, clientPolicy: { purpose: 'serverAuth', keyPins } });
}
