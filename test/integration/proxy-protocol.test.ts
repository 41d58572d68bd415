// PROXY_PROTOCOL=on, over real sockets: who is let in with which header, and that nobody else gets a byte.
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findBalancer, startBalancer } from '../support/balancers.ts';
import { expectInTime } from '../support/eventually.ts';
import { clientTls } from '../support/lean-sender.ts';
import { startListener, type ListenerServer } from '../support/listener-server.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { binaryHeader, headerV1, headerV2, tlv } from '../support/proxy-headers.ts';
import { anchorsOf, startTestServer, tlsMaterialOf } from '../support/receiver-server.ts';

let pki: Pki;
interface Closable {
  close(): unknown;
}
const open: Closable[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  for (const opened of open.splice(0).toReversed()) await opened.close();
});

const ipv4 = { address: '203.0.113.7', port: 41_234 };
const ipv6 = { address: '2001:db8::7', port: 41_234 };
const request = 'POST /proven HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}';

async function start(options: Partial<Parameters<typeof startListener>[0]> = {}): Promise<ListenerServer> {
  const server = await startListener({
    pki: null,
    trusted: (address) => address === '127.0.0.1',
    ...options,
  });
  open.push(server);
  return server;
}

function connect(server: { port: number }): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port: server.port });
  // However it ends: what came before is what counts.
  socket.on('error', () => {});
  open.push({ close: () => socket.destroy() });
  return socket;
}

/** All that arrives until the other side ends it. */
function answerOf(socket: net.Socket): Promise<string> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** Writes to the socket and gives what came back in the end. */
function exchange(server: { port: number }, ...writes: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = connect(server);
  const answer = answerOf(socket);
  for (const bytes of writes) socket.write(bytes);
  return answer;
}

/** Speaks TLS behind the header, as Lean; resolves with the answer. */
function exchangeOverTls(server: { port: number }, header: Uint8Array): Promise<string> {
  return speakTls(connect(server), header);
}

function speakTls(socket: net.Socket, header: Uint8Array, asked = request): Promise<string> {
  socket.on('error', () => {}).write(header);
  const identity = clientTls({ serverCaPem: pki.serverCaPem, identity: pki.lean.webhookClient });
  const secure = tls.connect({ socket, ...identity }, () => secure.write(asked));
  secure.on('error', () => {});
  return answerOf(secure);
}

const headers: [string, Buffer, string][] = [
  ['version 1 and IPv4', headerV1(ipv4), ipv4.address],
  ['version 1 and IPv6', headerV1(ipv6), ipv6.address],
  ['version 1 and UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
  ['version 2 and IPv4', headerV2(ipv4), ipv4.address],
  ['version 2 and IPv6', headerV2(ipv6), ipv6.address],
  ['version 2 and TLVs', headerV2(ipv4, tlv(0x20, Buffer.alloc(100))), ipv4.address],
  ['version 2 and LOCAL', binaryHeader({ command: 0x20, family: 0, payload: Buffer.alloc(0) }), '127.0.0.1'],
];

describe('a trusted peer with a header', () => {
  it.each(headers)('of %s is served over HTTP, and lines name the address', async (_name, header, source) => {
    const server = await start();
    expect(await exchange(server, header, request)).toMatch(/^HTTP\/1.1 200 /);
    expect(server.sources).toEqual([source]);
    expect(server.lines).toEqual([]);
  });

  it.each(headers)('of %s is served over TLS, and lines name the address', async (_name, header, source) => {
    const server = await start({ pki });
    expect(await exchangeOverTls(server, header)).toMatch(/^HTTP\/1.1 200 /);
    expect(server.sources).toEqual([source]);
    expect(server.lines).toEqual([]);
  });

  it.each(headers)('of %s may send it and its request one byte at a time', async (_name, header, source) => {
    const server = await start();
    const socket = connect(server).setNoDelay();
    const answer = answerOf(socket);
    for (const byte of Buffer.concat([header, Buffer.from(request)])) {
      await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
      await new Promise(setImmediate);
    }
    expect(await answer).toMatch(/^HTTP\/1.1 200 /);
    expect(server.sources).toEqual([source]);
  });

  it.each(headers)('of %s may send header, request and its end at once', async (_name, header) => {
    const server = await start();
    const socket = connect(server);
    const answer = answerOf(socket);
    socket.end(Buffer.concat([header, Buffer.from(request)]));
    expect(await answer).toMatch(/^HTTP\/1.1 200 /);
  });

  it.each([1, 2, 28, 29, 40, 200])('may cut the ClientHello off at byte %i of the stream', async (cut) => {
    const server = await start({ pki });
    const way = net.createServer((client) => {
      const target = net.connect({ host: '127.0.0.1', port: server.port });
      let held = headerV2(ipv4);
      client.once('data', (hello: Buffer) => {
        held = Buffer.concat([held, hello]);
        target.write(held.subarray(0, cut), () => setImmediate(() => target.write(held.subarray(cut))));
        client.pipe(target);
      });
      target.pipe(client).on('error', () => {});
      target.on('error', () => client.destroy());
    });
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => way.close() });
    const address = way.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await exchangeOverTls({ port }, new Uint8Array())).toMatch(/^HTTP\/1.1 200 /);
    expect(server.sources).toEqual([ipv4.address]);
  });

  it('keeps its connection for further requests, which have the same address', async () => {
    const server = await start();
    const kept = request.replace('close', 'keep-alive');
    const answer = await exchange(server, Buffer.concat([headerV2(ipv4), Buffer.from(kept + request)]));
    expect(answer.match(/HTTP\/1.1 200 /g)).toHaveLength(2);
    expect(server.sources).toEqual([ipv4.address, ipv4.address]);
  });

  it('is bound by the limits of a head when nothing follows', async () => {
    const server = await start({ limits: { headersTimeoutMs: 300, checkingIntervalMs: 50 } });
    expect(await exchange(server, headerV1(ipv4))).toMatch(/^HTTP\/1.1 408 /);
    expect(server.lines).toMatchObject([{ reason: 'REQUEST_TIMEOUT', remote_address: ipv4.address }]);
  });

  it('is named by its address when its handshake fails', async () => {
    const server = await start({ pki });
    await exchange(server, headerV1(ipv4), request);
    const [line] = server.lines;
    expect(line).toMatchObject({ msg: 'connection_refused', remote_address: ipv4.address });
    expect(line?.['reason']).toMatch(/^HANDSHAKE_FAILED /);
  });

  it('cannot give itself a second address by a second header', async () => {
    const server = await start();
    const answer = await exchange(server, headerV1(ipv4), headerV1(ipv6), request);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(server.sources).toEqual([]);
  });
});

describe('a delivery of Lean behind a balancer', () => {
  const trusting = { isTrusted: (address: string | undefined) => address === '127.0.0.1' };

  it('is accepted over mutual TLS, and its line names the conveyed address', async () => {
    const server = await startTestServer({ mode: 'certificate', pki, proxyProtocol: trusting });
    open.push(server);
    const socket = connect({ port: Number(new URL(server.url).port) });
    const delivery = request.replace('/proven', '/webhooks/lean');
    expect(await speakTls(socket, headerV2(ipv4), delivery)).toMatch(/^HTTP\/1.1 200 /);
    expect(server.lines).toMatchObject([
      { msg: 'delivery', outcome: 'accepted', remote_address: ipv4.address },
    ]);
  });

  it('is refused without a certificate whatever address the header conveys', async () => {
    const server = await startTestServer({ mode: 'certificate', pki, proxyProtocol: trusting });
    open.push(server);
    const socket = connect({ port: Number(new URL(server.url).port) });
    socket.write(headerV2({ address: '127.0.0.1', port: 1 }));
    const secure = tls.connect({ socket, ca: pki.serverCaPem }, () => secure.write(request));
    secure.on('error', () => {});
    expect(await answerOf(secure)).toBe('');
    await expect.poll(() => server.lines).toMatchObject([{ failure_code: 'CERTIFICATE_REQUIRED' }]);
  });
});

describe('without a header nobody is answered a byte', () => {
  const hello = Buffer.from('160301020001000100', 'hex');
  it.each([
    ['a plain request', Buffer.from(request), false],
    ['a request where TLS is spoken', Buffer.from(request), true],
    ['a ClientHello', hello, true],
    ['a ClientHello where none is expected', hello, false],
    ['garbage', Buffer.from('\0\x01\x02garbage'), false],
    ['a line without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(200)}`), false],
    ['a header that is too long', binaryHeader({ payload: Buffer.alloc(600) }), true],
    ['an address that is none', Buffer.from(`PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n${request}`), false],
  ])('%s', async (_name, bytes, secure) => {
    const server = await start({ pki: secure ? pki : null });
    expect(await exchange(server, bytes)).toBe('');
    const code = 'PROXY_HEADER_INVALID';
    const line = { msg: 'connection_refused', level: 'error', reason: code, failure_code: code };
    expect(server.lines).toMatchObject([{ ...line, remote_address: '127.0.0.1' }]);
    expect(await server.refused()).toEqual({ PROXY_HEADER_INVALID: 1 });
    expect(server.sources).toEqual([]);
  });

  it('a header that is cut off by the end of the connection', async () => {
    const server = await start();
    const socket = connect(server);
    const answer = answerOf(socket);
    socket.end(headerV2(ipv4).subarray(0, 20));
    expect(await answer).toBe('');
    expect(await server.refused()).toEqual({ PROXY_HEADER_INVALID: 1 });
  });

  it.each([
    ['silence', Buffer.alloc(0)],
    ['half a header', headerV2(ipv4).subarray(0, 20)],
  ])('%s until the time is up', async (_name, bytes) => {
    const server = await start({ pki, limits: { proxyHeaderTimeoutMs: 200 } });
    expect(await exchange(server, bytes)).toBe('');
    expect(await server.refused()).toEqual({ PROXY_HEADER_TIMEOUT: 1 });
  });

  it('a header byte by byte that takes longer than the time there is', async () => {
    const server = await start({ limits: { proxyHeaderTimeoutMs: 300 } });
    const socket = connect(server);
    const answer = answerOf(socket);
    const bytes = headerV1(ipv4)[Symbol.iterator]();
    const timer = setInterval(
      () => socket.writable && socket.write(Buffer.from([bytes.next().value ?? 0])),
      50,
    );
    expect(await answer).toBe('');
    clearInterval(timer);
    expect(await server.refused()).toEqual({ PROXY_HEADER_TIMEOUT: 1 });
  });

  it.each([
    ['a good header', headerV2(ipv4)],
    ['no header', Buffer.from(request)],
    ['silence', Buffer.alloc(0)],
  ])('%s from a peer that is not trusted', async (_name, bytes) => {
    const server = await start({ trusted: () => false, limits: { proxyHeaderTimeoutMs: 200 } });
    expect(await exchange(server, bytes)).toBe('');
    expect(server.lines).toMatchObject([{ reason: 'PROXY_NOT_TRUSTED', remote_address: '127.0.0.1' }]);
    expect(await server.refused()).toEqual({ PROXY_NOT_TRUSTED: 1 });
  });
});

describe('a health check', () => {
  it.each([
    ['that connects and goes', Buffer.alloc(0)],
    ['that sends its header and goes', binaryHeader({ command: 0x20, family: 0, payload: Buffer.alloc(0) })],
  ])('%s leaves no line, over HTTP and over TLS', async (_name, bytes) => {
    for (const spoken of [null, pki]) {
      const server = await start({ pki: spoken });
      const ended = connect(server);
      const answer = answerOf(ended);
      ended.end(bytes);
      expect(await answer).toBe('');
      const reset = connect(server);
      await new Promise((resolve) => reset.write(bytes, resolve));
      reset.resetAndDestroy();
      // Whoever comes later is served later, so nothing is outstanding of those before.
      const last = spoken
        ? exchangeOverTls(server, headerV1(ipv4))
        : exchange(server, headerV1(ipv4), request);
      expect(await last).toMatch(/^HTTP\/1.1 200 /);
      expect(server.lines).toEqual([]);
    }
  });
});

it('a header that is outstanding does not hold up the end', async () => {
  const server = await start({ pki });
  const silent = answerOf(connect(server));
  const half = exchange(server, headerV1(ipv4).subarray(0, 9));
  expect(await exchangeOverTls(server, headerV1(ipv4))).toMatch(/^HTTP\/1.1 200 /);
  const startedMs = performance.now();
  await server.listener.drain({ timeoutMs: 5_000 });
  expectInTime(performance.now() - startedMs, 4_000);
  expect(await Promise.all([silent, half])).toEqual(['', '']);
  expect(server.lines).toEqual([]);
});

it('replaced anchors do not cost a connection whose header is outstanding', async () => {
  const server = await start({ pki });
  const socket = connect(server);
  await new Promise((resolve) => socket.write(headerV1(ipv4).subarray(0, 9), resolve));
  // Whoever came later was served, so that beginning has arrived.
  expect(await exchangeOverTls(server, headerV1(ipv4))).toMatch(/^HTTP\/1.1 200 /);
  const { pair } = tlsMaterialOf(pki, 'certificate');
  const anchors = anchorsOf(pki.leanChainPem + pki.serverCaPem);
  server.listener.replaceTls({ pair, clients: { anchors, crls: null } });
  expect(await exchangeOverTls({ port: server.port }, headerV1(ipv4))).toMatch(/^HTTP\/1.1 200 /);
  expect(await speakTls(socket, headerV1(ipv4).subarray(9))).toMatch(/^HTTP\/1.1 200 /);
});

const haproxy = findBalancer('haproxy-tcp');

describe.skipIf(haproxy === undefined)(
  `HAProxy itself${haproxy ? '' : ' (no haproxy on this machine)'}`,
  () => {
    it.each(['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl', 'send-proxy-v2 check inter 50ms'])(
      'passes TLS through with the configuration of the README and %s, and lines name its client',
      async (option) => {
        const server = await start({ pki });
        const changes = [['send-proxy-v2', option]] as const;
        const balancer = await startBalancer({
          kind: 'haproxy-tcp',
          pki,
          receiverPort: server.port,
          changes,
        });
        open.push(balancer);
        // Its client is on another address of this machine than HAProxy, which connects from 127.0.0.1.
        const port = Number(new URL(balancer.url).port);
        const socket = net.connect({ host: '127.0.0.1', port, localAddress: '127.0.0.9' });
        expect(await speakTls(socket, new Uint8Array())).toMatch(/^HTTP\/1.1 200 /);
        expect(server.sources).toEqual(['127.0.0.9']);
        expect(server.lines).toEqual([]);
      },
    );
  },
);
