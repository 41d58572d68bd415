// The public socket below the requests: what goes wrong there costs that one connection and nothing else.
import type { ServerResponse } from 'node:http';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createConnectionErrors } from '../../src/receiver/connection-errors.ts';
import { createListener } from '../../src/receiver/listener.ts';
import { expectInTime } from '../support/eventually.ts';
import { connectRaw, send } from '../support/lean-sender.ts';
import { startListener, type ListenerServer } from '../support/listener-server.ts';
import { testPki } from '../support/pki.ts';
import { headerV1, headerV2 } from '../support/proxy-headers.ts';
import { collectLines } from '../support/receiver-server.ts';

const open: ListenerServer[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

it('a connection that cannot be accepted is logged and counted, and the others go on', async () => {
  const { logger, lines } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const listener = createListener({
    tls: null,
    judgePeer: null,
    proxyProtocol: null,
    maxConnections: 16,
    limits: {},
    errors: createConnectionErrors({ logger, metrics }),
    handle: (_request, response) => response.end(),
  });
  const port = await listener.listen({ host: '127.0.0.1', port: 0 });
  // What node:net does when the system has no file handle or no buffer left.
  const failure = Object.assign(new Error('accept ENFILE'), { code: 'ENFILE', syscall: 'accept' });
  expect(listener.server.emit('error', failure)).toBe(true);
  expect(await send({ url: `http://127.0.0.1:${port}` })).toMatchObject({ status: 200 });
  expect(lines).toMatchObject([
    { msg: 'connection_refused', level: 'error', reason: 'ACCEPT_FAILED ENFILE' },
  ]);
  const refused = await metrics.connectionsRefused.get();
  expect(refused.values).toMatchObject([{ labels: { reason: 'ACCEPT_FAILED' }, value: 1 }]);
  await listener.drain({ timeoutMs: 1_000 });
});

async function start(options: Partial<Parameters<typeof startListener>[0]> = {}): Promise<ListenerServer> {
  const server = await startListener({ pki: null, ...options });
  open.push(server);
  return server;
}

/** Everything that came back once the other side has closed. */
async function exchange(server: ListenerServer, bytes: string): Promise<string> {
  const { socket, received } = await connectRaw(server);
  socket.write(bytes);
  return received;
}

/** However it ends. */
function closeOf(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

const request = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';
const connectRequest = 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n';
const statusesOf = (answers: string) =>
  [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

describe('every request has one answer at most, and none is forgotten', () => {
  it('CONNECT is answered 400 with our code, counted, and the end of its connection', async () => {
    const server = await start();
    const answer = await exchange(server, connectRequest + request);
    expect(statusesOf(answer)).toEqual([400]);
    expect(answer).toMatch(/\{"code":"BAD_REQUEST"\}$/);
    expect(await server.refused()).toEqual({ BAD_REQUEST: 1 });
    expect(server.sources).toEqual([]);
  });

  it('whole requests before a CONNECT are answered, and then the connection ends', async () => {
    const server = await start();
    expect(statusesOf(await exchange(server, request + request + connectRequest))).toEqual([200, 200]);
    expect(await server.refused()).toEqual({ BAD_REQUEST: 1 });
  });

  it('a sender that goes away after a CONNECT leaves no request open behind it', async () => {
    const held: ServerResponse[] = [];
    const server = await start({ answers: (response) => held.push(response) });
    const closed = new Set<ServerResponse>();
    const { socket } = await connectRaw(server);
    socket.write(request + request + connectRequest);
    await expect.poll(() => held).toHaveLength(2);
    for (const response of held) response.once('close', () => closed.add(response));
    socket.resetAndDestroy();
    // The second has no socket of its own yet, and node:http has stopped watching the connection.
    await expect.poll(() => closed.size).toBe(2);
  });

  it('a sender that does not read its answers is cut, and nothing of it stays in flight', async () => {
    const server = await start({
      limits: { exchangeTimeoutMs: 300 },
      answers: (response) => response.end('x'.repeat(1_000_000)),
    });
    const { socket } = await connectRaw(server);
    socket.pause();
    socket.write(request.repeat(50));
    await expect.poll(() => server.sources.length).toBeGreaterThan(0);
    const startedMs = performance.now();
    await server.listener.drain({ timeoutMs: 5_000 });
    expectInTime(performance.now() - startedMs, 4_500);
  });

  it.each([
    ['at once', ''],
    ['behind a whole request', request],
  ])('bytes that go on after they could not be read are not answered twice, %s', async (_name, before) => {
    const server = await start();
    const { socket, received } = await connectRaw(server);
    for (let number = 0; number < 20; number += 1) {
      if (socket.writable) socket.write(number === 0 ? `${before}NOT HTTP\r\n\r\n` : 'NOT HTTP\r\n\r\n');
      await new Promise(setImmediate);
    }
    expect(statusesOf(await received)).toEqual(before === '' ? [400] : [200]);
    expect(await server.refused()).toEqual({ BAD_REQUEST: 1 });
  });
});

describe.each([
  ['HTTP', false],
  ['TLS', true],
])('over %s', (_name, secure) => {
  it('a connection that comes and goes without a byte, as health checks do, leaves no line', async () => {
    const server = await start({ pki: secure ? await testPki() : null });
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const socket = net.connect({ host: '127.0.0.1', port: server.port });
      const closed = closeOf(socket.on('error', () => {}).resume());
      socket.once('connect', () => socket[leave]());
      await closed;
    }
    await server.listener.drain({ timeoutMs: 1_000 });
    expect(server.lines).toEqual([]);
    expect(await server.refused()).toEqual({});
  });

  it('one that goes after its first bytes does', async () => {
    const server = await start({ pki: secure ? await testPki() : null });
    const socket = net.connect({ host: '127.0.0.1', port: server.port });
    const closed = closeOf(socket.on('error', () => {}).resume());
    socket.end(secure ? Buffer.from('1603010100', 'hex') : 'POST / HT');
    await closed;
    const reason = secure ? 'HANDSHAKE_FAILED' : 'BAD_REQUEST';
    await expect.poll(() => server.refused()).toEqual({ [reason]: 1 });
  });
});

describe('a PROXY header that nobody asked for', () => {
  it.each([
    ['over TLS', true, 'HANDSHAKE_FAILED ERR_SSL_WRONG_VERSION_NUMBER'],
    ['where a proxy ends TLS', false, 'BAD_REQUEST'],
  ])('is refused with a code and a line: %s', async (_name, secure, reason) => {
    for (const header of [headerV1, headerV2]) {
      const server = await start({ pki: secure ? await testPki() : null });
      const socket = net.connect({ host: '127.0.0.1', port: server.port });
      const closed = closeOf(socket.on('error', () => {}).resume());
      socket.write(header({ address: '203.0.113.7', port: 41_234 }));
      await closed;
      const [failure_code] = reason.split(' ');
      expect(server.lines).toMatchObject([
        { msg: 'connection_refused', level: 'warn', reason, failure_code },
      ]);
    }
  });
});

describe('slow senders are let go in time', () => {
  it('a handshake that trickles in', async () => {
    const server = await start({ pki: await testPki() });
    const socket = net.connect({ host: '127.0.0.1', port: server.port });
    socket.on('error', () => {}).resume();
    const hello = Buffer.from('16030101000100', 'hex');
    let sent = 0;
    const timer = setInterval(() => {
      sent += 1;
      if (socket.writable)
        socket.write(hello.subarray((sent - 1) % hello.length, ((sent - 1) % hello.length) + 1));
    }, 50);
    const startedMs = performance.now();
    await closeOf(socket);
    clearInterval(timer);
    expectInTime(performance.now() - startedMs, 8_000);
    await expect.poll(() => server.refused()).toEqual({ HANDSHAKE_FAILED: 1 });
  });
});
