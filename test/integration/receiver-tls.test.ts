// How the receiver speaks TLS, and that replaced certificates are used for the next handshake.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clientTls, connectRaw, send } from '../support/lean-sender.ts';
import { createPki, testPki, type Pki } from '../support/pki.ts';
import { createExpiredCrossCertificate } from '../support/cross-certificate.ts';
import { createRevocationList } from '../support/revocation-list.ts';
import {
  anchorsOf,
  crlsOf,
  fromLean,
  startTestServer,
  tlsMaterialOf,
  type TestServer,
} from '../support/receiver-server.ts';

let pki: Pki;
const open: TestServer[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(options: Partial<Parameters<typeof startTestServer>[0]> = {}): Promise<TestServer> {
  const server = await startTestServer({ mode: 'certificate', pki, ...options });
  open.push(server);
  return server;
}

/** Ends a handshake under these options; resolves with the socket or rejects with why there is none. */
function handshake(server: TestServer, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const identity = clientTls(fromLean(server, pki));
    const socket = tls.connect({ host: hostname, port: Number(port), ...identity, ...options }, () =>
      resolve(socket),
    );
    socket.once('error', reject);
  });
}

describe('the handshake', () => {
  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s', async (version) => {
    const server = await start();
    const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' };
    await expect(handshake(server, options)).rejects.toThrow(/alert|version|protocol/i);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s and never resumes a session', async (version) => {
    const server = await start();
    const options = { minVersion: version, maxVersion: version };
    const first = await handshake(server, options);
    const sessions: Buffer[] = [];
    first.on('session', (session) => sessions.push(session));
    first.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume();
    await new Promise((resolve) => first.once('close', resolve));
    const session = sessions.at(-1) ?? first.getSession();
    const second = await handshake(server, { ...options, ...(session && { session }) });
    expect(second.getProtocol()).toBe(version);
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it('offers HTTP/1.1 and nothing else', async () => {
    const server = await start();
    const socket = await handshake(server, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
    await expect(handshake(server, { ALPNProtocols: ['h2'] })).rejects.toThrow(/./);
  });

  it('refuses to renegotiate', async () => {
    const server = await start();
    const socket = await handshake(server, { maxVersion: 'TLSv1.2' });
    const failure = new Promise((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, resolve);
    });
    expect(await failure).toBeInstanceOf(Error);
    socket.destroy();
  });
});

/**
 * The way to a server on which a handshake stops halfway: the server has begun its part, and what the sender says next is
 * held until `release`.
 */
async function haltHandshakes(server: TestServer) {
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const way = net.createServer((client) => {
    const target = net.connect({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    let halted = false;
    client.on('data', (bytes) => {
      const pass = () => void target.write(bytes);
      if (halted) void released.promise.then(pass);
      else pass();
    });
    target.on('data', (bytes) => {
      halted = true;
      client.write(bytes);
      begun.resolve();
    });
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const)
      one.on('error', () => {}).once('close', () => other.destroy());
  });
  way.listen(0, '127.0.0.1');
  await once(way, 'listening');
  const address = way.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `https://127.0.0.1:${port}`,
    begun: begun.promise,
    release: () => released.resolve(),
    close: () => way.close(),
  };
}

describe('the chain', () => {
  it('may have an expired cross-certificate in it beside the path that was verified', async () => {
    const server = await start();
    const { webhookClient } = pki.lean;
    const cross = await createExpiredCrossCertificate(pki.issuers.leanRoot);
    const identity = { ...webhookClient, chainPem: webhookClient.chainPem + cross };
    expect(await send(fromLean(server, pki, { identity }))).toMatchObject({ status: 200 });
  });

  it('is verified anew when a connection has reached its greatest age', async () => {
    const server = await start({ listenerLimits: { maxConnectionAgeMs: 1_000 } });
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...clientTls(fromLean(server, pki)) });
    const ask = () => send(fromLean(server, pki, { agent }));
    expect(await ask()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
    await expect
      .poll(ask, { timeout: 5_000 })
      .toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(await ask()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
    agent.destroy();
  });
});

describe('replaced material', () => {
  it('is used for the next handshake, and connections of before go on when only our certificate changed', async () => {
    const server = await start();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...clientTls(fromLean(server, pki)) });
    expect(await send(fromLean(server, pki, { agent }))).toMatchObject({ status: 200 });
    const next = await createPki();
    server.server.replaceMaterial({
      ...tlsMaterialOf(next, 'certificate'),
      clients: tlsMaterialOf(pki, 'certificate').clients,
    });
    expect(await send(fromLean(server, pki, { agent }))).toMatchObject({ status: 200 });
    await expect(send(fromLean(server, pki))).rejects.toThrow(/certificate|signature/);
    expect(await send(fromLean(server, pki, { serverCaPem: next.serverCaPem }))).toMatchObject({
      status: 200,
    });
    agent.destroy();
  });

  it("ends connections of before when Lean's chain changed, after the answer they wait for", async () => {
    const gate = Promise.withResolvers<number>();
    const server = await start({ journal: { append: () => gate.promise } });
    const idle = await connectRaw(fromLean(server, pki));
    const busy = send(fromLean(server, pki));
    await expect.poll(async () => (await server.metrics.inFlight.get()).values[0]?.value).toBe(1);
    const next = await createPki();
    const { pair } = tlsMaterialOf(pki, 'certificate');
    server.server.replaceMaterial({ pair, clients: { anchors: anchorsOf(next.leanChainPem), crls: null } });
    gate.resolve(1);
    expect(await busy).toMatchObject({ status: 200, headers: { connection: 'close' } });
    // What was on its way over an idle connection is not cut off, but judged like any other.
    idle.socket.write(wholeDelivery);
    const [head, body] = (await idle.received).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 401 [^]*\r\nconnection: close/i);
    expect(body).toBe('{"code":"CERTIFICATE_INVALID"}');
    await expect(send(fromLean(server, pki))).rejects.toThrow(/./);
    const identity = next.lean.webhookClient;
    expect(await send(fromLean(server, pki, { identity }))).toMatchObject({ status: 200 });
  });

  const wholeDelivery = 'POST /webhooks/lean HTTP/1.1\r\nHost: receiver\r\nContent-Length: 2\r\n\r\n{}';

  it("ends a handshake that began before Lean's chain changed", async () => {
    const server = await start();
    const way = await haltHandshakes(server);
    const reply = send(fromLean({ url: way.url }, pki)).catch(() => 'refused');
    await way.begun;
    const next = await createPki();
    const { pair } = tlsMaterialOf(pki, 'certificate');
    server.server.replaceMaterial({ pair, clients: { anchors: anchorsOf(next.leanChainPem), crls: null } });
    way.release();
    expect(await reply).toBe('refused');
    expect(server.kept).toEqual([]);
    way.close();
  });

  it('lets a handshake go on that began before our own certificate changed', async () => {
    const server = await start();
    const way = await haltHandshakes(server);
    const reply = send(fromLean({ url: way.url }, pki));
    await way.begun;
    const { pair } = tlsMaterialOf(await createPki(), 'certificate');
    server.server.replaceMaterial({ pair, clients: tlsMaterialOf(pki, 'certificate').clients });
    way.release();
    expect(await reply).toMatchObject({ status: 200 });
    way.close();
  });
});

it('revocation lists refuse a revoked certificate, let the others in, and refuse everybody while one is missing', async () => {
  const server = await start();
  const { leanRoot, leanIntermediate } = pki.issuers;
  const { pair } = tlsMaterialOf(pki, 'certificate');
  const replaceLists = (...crls: string[]) =>
    server.server.replaceMaterial({
      pair,
      clients: { anchors: anchorsOf(pki.leanChainPem), crls: crlsOf(...crls) },
    });
  const ofRoot = await createRevocationList(leanRoot);
  replaceLists(await createRevocationList(leanIntermediate), ofRoot);
  expect(await send(fromLean(server, pki))).toMatchObject({ status: 200 });
  const { serialNumber } = new X509Certificate(pki.lean.webhookClient.certPem);
  replaceLists(await createRevocationList(leanIntermediate, [serialNumber]), ofRoot);
  await expect(send(fromLean(server, pki))).rejects.toThrow(/./);
  const identity = pki.otherCustomer;
  expect(await send(fromLean(server, pki, { identity }))).toMatchObject({ status: 403 });
  replaceLists(ofRoot);
  await expect(send(fromLean(server, pki, { identity }))).rejects.toThrow(/./);
});
