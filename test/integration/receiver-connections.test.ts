// Too many connections: those that prove nothing give way, and deliveries go on over new and over kept connections.
import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { clientTls, send } from '../support/lean-sender.ts';
import { startListener, type ListenerServer } from '../support/listener-server.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { nodeCommand, startProcess } from '../support/processes.ts';
import { headerV1 } from '../support/proxy-headers.ts';
import { fromLean, startTestServer } from '../support/receiver-server.ts';
import { receiverSettings } from '../support/receiver-settings.ts';

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

async function start(options: Partial<Parameters<typeof startListener>[0]> = {}): Promise<ListenerServer> {
  const server = await startListener({ pki: null, maxConnections: 4, ...options });
  open.push(server);
  return server;
}

interface Stranger {
  readonly socket: net.Socket;
  isOpen(): boolean;
}

/** Connected, and seen by the server when `seen` is its count of connections. */
async function connect(port: number): Promise<Stranger> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.on('error', () => {}).resume();
  open.push({ close: () => socket.destroy() });
  await once(socket, 'connect');
  return { socket, isOpen: () => !socket.destroyed };
}

async function connectMany(port: number, count: number): Promise<Stranger[]> {
  const strangers: Stranger[] = [];
  for (let number = 0; number < count; number += 1) strangers.push(await connect(port));
  return strangers;
}

/** The first line of the answer; nothing when there is none. */
function answered(socket: net.Socket, request: string): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1').split('\r\n', 1)[0] ?? ''));
    socket.once('close', () => resolve(''));
    socket.write(request);
  });
}

const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const openOf = (strangers: readonly Stranger[]) => strangers.map((stranger) => stranger.isOpen());

describe('at the limit', () => {
  it('the oldest connection that has proven nothing gives way to the newcomer', async () => {
    const server = await start();
    const strangers = await connectMany(server.port, 4);
    const newcomer = await connect(server.port);
    expect(await answered(newcomer.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    await expect.poll(() => openOf(strangers)).toEqual([false, true, true, true]);
    expect(server.lines).toMatchObject([{ reason: 'GAVE_WAY', remote_address: '127.0.0.1' }]);
    expect(await server.refused()).toEqual({ GAVE_WAY: 1 });
  });

  it('a connection that brought an authentic delivery stays, however many strangers come', async () => {
    const server = await start();
    const lean = await connect(server.port);
    expect(await answered(lean.socket, ask('/proven'))).toBe('HTTP/1.1 200 OK');
    await connectMany(server.port, 50);
    expect(await answered(lean.socket, ask('/proven'))).toBe('HTTP/1.1 200 OK');
    await expect.poll(() => server.refused()).toEqual({ GAVE_WAY: 47 });
  });

  it('a request in flight is finished, and its connection gives way no sooner than that', async () => {
    const server = await start();
    const busy = await connect(server.port);
    busy.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n');
    await expect.poll(() => server.sources).toHaveLength(1);
    await connectMany(server.port, 10);
    expect(await answered(busy.socket, '{}')).toBe('HTTP/1.1 200 OK');
    await connectMany(server.port, 10);
    await expect.poll(() => busy.isOpen()).toBe(false);
  });

  it('a newcomer is dropped only when all others are at work or have proven themselves', async () => {
    const server = await start();
    const proven = await connectMany(server.port, 4);
    for (const { socket } of proven) await answered(socket, ask('/proven'));
    const newcomer = await connect(server.port);
    await expect.poll(() => newcomer.isOpen()).toBe(false);
    expect(server.reasons()).toEqual(['TOO_MANY_CONNECTIONS']);
    proven[0]?.socket.destroy();
    await expect
      .poll(async () => {
        const { socket } = await connect(server.port);
        return answered(socket, ask('/'));
      })
      .toBe('HTTP/1.1 200 OK');
  });

  it('an idle connection that has proven nothing is let go sooner than one that has', async () => {
    const server = await start({ limits: { unprovenKeepAliveTimeoutMs: 200 } });
    const [stranger, sender] = await connectMany(server.port, 2);
    if (stranger === undefined || sender === undefined) throw new Error('not connected');
    expect(await answered(sender.socket, ask('/proven'))).toBe('HTTP/1.1 200 OK');
    // A second request on a connection without a proof has its whole time, and the patience begins again.
    expect(await answered(stranger.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(await answered(stranger.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    await expect.poll(() => stranger.isOpen()).toBe(false);
    expect(await answered(sender.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(server.lines).toEqual([]);
  });

  it('half a handshake gives way, and is counted once', async () => {
    const server = await start({ pki });
    const halves = await connectMany(server.port, 4);
    for (const { socket } of halves) socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
    expect(await send({ url: server.url, ...leanTls() })).toMatchObject({ status: 200 });
    expect(await server.refused()).toEqual({ GAVE_WAY: 1 });
  });

  it('of many that were refused for one reason the log has some, and says how many it left out', async () => {
    const server = await start();
    await connectMany(server.port, 300);
    await expect.poll(() => server.refused()).toEqual({ GAVE_WAY: 296 });
    expect(server.reasons().length).toBeLessThan(150);
    // Where all of it takes long there are some lines in between, each of which says how many were left out before it.
    const leftOut = () => server.lines.reduce((sum, line) => sum + Number(line['unlogged'] ?? 0), 0);
    await expect
      .poll(
        async () => {
          await connect(server.port);
          return leftOut() + server.lines.length;
        },
        { interval: 200 },
      )
      .toBeGreaterThan(296);
    expect(leftOut()).toBeGreaterThan(100);
  });
});

function leanTls() {
  return { serverCaPem: pki.serverCaPem, identity: pki.lean.webhookClient };
}

const trusted = () => true;

describe('behind a balancer that conveys addresses', () => {
  it('one address has a quarter of the connections, and pushes out its own only', async () => {
    const server = await start({ maxConnections: 16, trusted });
    const flood = await connectMany(server.port, 10);
    for (const { socket } of flood) socket.write(headerV1({ address: '203.0.113.9', port: 1 }));
    await expect.poll(() => openOf(flood).filter(Boolean)).toHaveLength(4);
    const other = await connect(server.port);
    other.socket.write(headerV1({ address: '198.51.100.1', port: 1 }));
    expect(await answered(other.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(await server.refused()).toEqual({ GAVE_WAY: 6 });
    expect(server.lines).toMatchObject(Array.from({ length: 6 }, () => ({ remote_address: '203.0.113.9' })));
  });

  it('one network of IPv6 counts as one sender, whichever of its addresses it uses', async () => {
    const server = await start({ maxConnections: 16, trusted });
    const flood = await connectMany(server.port, 10);
    for (const [index, { socket }] of flood.entries())
      socket.write(headerV1({ address: `2001:db8::${index}:1`, port: 1 }));
    await expect.poll(() => openOf(flood).filter(Boolean)).toHaveLength(4);
    const other = await connect(server.port);
    other.socket.write(headerV1({ address: '2001:db8:0:1::1', port: 1 }));
    expect(await answered(other.socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(await server.refused()).toEqual({ GAVE_WAY: 6 });
  });

  it('connections that wait for their header count and give way like all others', async () => {
    const server = await start({ trusted });
    const silent = await connectMany(server.port, 4);
    const { socket } = await connect(server.port);
    socket.write(headerV1({ address: '198.51.100.1', port: 1 }));
    expect(await answered(socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(openOf(silent)).toEqual([false, true, true, true]);
    expect(await server.refused()).toEqual({ GAVE_WAY: 1 });
  });

  it('without conveyed addresses there is no bound per address', async () => {
    const server = await start({ maxConnections: 16 });
    const all = await connectMany(server.port, 16);
    for (const { socket } of all) expect(await answered(socket, ask('/'))).toBe('HTTP/1.1 200 OK');
    expect(openOf(all)).not.toContain(false);
  });
});

describe('a flood of strangers', () => {
  const idle = 5_000;
  const halves = 500;
  /** Fewer than the system keeps for us to accept: more of them would try again after a second. */
  const atOnce = 500;
  /** What the test and the receiver hold open at most, and something for everything else. */
  const wanted = idle + halves + 512 + 500;
  const limit = openFilesLimit();
  /** A few seconds of a processor, which a busy machine gives slowly. */
  const floodTimeoutMs = 60_000;

  it.skipIf(limit < wanted).each(['certificate', 'signature'] as const)(
    `of ${idle} idle connections and ${halves} half handshakes costs no delivery its 200 (VERIFY=%s)${limit < wanted ? ` (ulimit -n is ${limit}, needs ${wanted})` : ''}`,
    async (mode) => {
      const server = await startTestServer({ mode, pki, inFlightLimit: 128 });
      open.push(server);
      const port = Number(new URL(server.url).port);
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...clientTls(leanTls()) });
      open.push({ close: () => agent.destroy() });
      const statuses: number[] = [];
      const deliver = async (changes: { agent?: https.Agent }) =>
        statuses.push((await send(fromLean(server, pki, changes))).status);
      await deliver({ agent });
      const hello = await clientHello();
      for (let begun = 0; begun < idle + halves; begun += atOnce) {
        const strangers = await connectAtOnce(port, atOnce);
        if (begun < halves) for (const { socket } of strangers) socket.write(hello);
        await Promise.all([deliver({ agent }), deliver({})]);
      }
      for (let number = 0; number < 20; number += 1) await Promise.all([deliver({ agent }), deliver({})]);
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(server.kept).toHaveLength(statuses.length);
      const { values } = await server.metrics.connectionsRefused.get();
      const refused = Object.fromEntries(values.map(({ labels, value }) => [labels['reason'], value]));
      expect(refused['TOO_MANY_CONNECTIONS']).toBeUndefined();
      expect(refused['GAVE_WAY']).toBeGreaterThan(0);
      expect(server.lines.filter(({ msg }) => msg === 'connection_refused').length).toBeLessThan(300);
    },
    floodTimeoutMs,
  );
});

/** Soft limit of this process on open files, which node has raised to the hard one. */
function openFilesLimit(): number {
  const report: { userLimits?: { open_files?: { soft?: number | string } } } = process.report.getReport();
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Infinity;
}

/** The first bytes that a TLS client writes. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = tls.connect({ host: '127.0.0.1', port }).on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [bytes] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

function connectAtOnce(port: number, count: number): Promise<Stranger[]> {
  return Promise.all(Array.from({ length: count }, () => connect(port)));
}

it('no file handle left for a newcomer costs newcomers only, and passes', async () => {
  const settings = await receiverSettings({ LOG_LEVEL: 'info' });
  open.push({ close: () => settings.remove() });
  const [node, ...args] = nodeCommand('src/main-receiver.ts');
  const receiver = startProcess({
    command: ['sh', '-c', 'ulimit -n 120 && exec "$0" "$@"', node, ...args],
    cwd: settings.dir,
    env: settings.env,
  });
  open.push({
    async close() {
      receiver.kill('SIGKILL');
      await receiver.exited;
    },
  });
  const url = new URL(String((await receiver.line('listening'))['url'])).origin;
  const deliver = () => send(fromLean({ url }, settings.pki, { body: '{}' }));
  expect(await deliver()).toMatchObject({ status: 200 });
  const strangers = await connectAtOnce(Number(new URL(url).port), 300);
  await expect.poll(() => openOf(strangers).filter((isOpen) => !isOpen).length).toBeGreaterThan(100);
  for (const { socket } of strangers) socket.destroy();
  await eventually(async () => expect(await deliver()).toMatchObject({ status: 200 }));
});
