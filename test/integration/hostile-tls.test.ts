// Below HTTP: hands that are never shaken, hellos that are none, keys that shall be changed midway, sessions that shall
// be taken up again. Whatever is tried costs that one connection, and the next caller is served.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../support/engines-binaries.ts';
import { expectInTime } from '../support/eventually.ts';
import { clientTls, connectRaw } from '../support/lean-sender.ts';
import { testPki, writePki, type Pki } from '../support/pki.ts';
import {
  converse,
  deliveryHead,
  expectServed,
  hostileServers,
  wholeDelivery,
} from '../support/raw-socket.ts';
import { fromLean, type TestServer } from '../support/receiver-server.ts';

let pki: Pki;
const start = hostileServers({ mode: 'certificate+signature' });
const openssl = findProgram('openssl');
const opensslNote = 'openssl is not installed';

beforeAll(async () => {
  pki = await testPki();
});

/** The way to the same port without TLS. */
const below = ({ url }: TestServer) => ({ url: url.replace('https:', 'http:') });

/** What a client of TLS says first, as it stands on the wire. */
function helloOf(options: tls.ConnectionOptions = {}): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read: () => {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    tls.connect({ socket: wire, ...options }).on('error', () => {});
  });
}

/** A finished handshake, and the wire under it on which anything may be written past the cipher. */
async function handshakeOver(
  server: TestServer,
): Promise<{ secure: tls.TLSSocket; wire: net.Socket; closed: Promise<string> }> {
  const { socket: wire, received } = await connectRaw(below(server));
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => void wire.write(chunk, () => done()),
  });
  wire.on('data', (chunk: Buffer) => duplex.push(chunk)).once('close', () => duplex.push(null));
  const secure = tls.connect({ socket: duplex, ...clientTls(fromLean(server, pki)) });
  await new Promise((resolve, reject) => {
    secure.once('secureConnect', resolve).once('error', reject);
  });
  secure.on('error', () => {});
  return { secure, wire, closed: received };
}

describe.concurrent('half a handshake is closed at its bound of 5 seconds', () => {
  it.each<[string, (hello: Buffer) => Buffer]>([
    ['not a byte', () => Buffer.alloc(0)],
    ['one byte', (hello) => hello.subarray(0, 1)],
    ['all of a hello but its last byte', (hello) => hello.subarray(0, -1)],
    ['a hello, and then no word', (hello) => hello],
  ])('%s', async (_name, cut) => {
    const server = await start({ pki });
    const { socket, received } = await connectRaw(below(server));
    const startedMs = performance.now();
    socket.write(cut(await helloOf()));
    await expectServed(server, fromLean(server, pki));
    expect(await received).not.toContain('HTTP/');
    expectInTime(performance.now() - startedMs, 8_000);
    expect(server.kept).toEqual([]);
    await expectServed(server, fromLean(server, pki));
  });

  it('100 of them at once, and every delivery meanwhile is answered', async () => {
    const server = await start({ pki });
    const hello = await helloOf();
    const halves = await Promise.all(Array.from({ length: 100 }, () => connectRaw(below(server))));
    for (const { socket } of halves) socket.write(hello.subarray(0, 40));
    for (let count = 0; count < 20; count += 1) await expectServed(server, fromLean(server, pki));
    const ends = await Promise.all(halves.map(({ received }) => received));
    expect(ends.join('')).not.toContain('HTTP/');
  });
});

describe('a hello that is none is closed at once, without a word of HTTP', () => {
  it.each<[string, () => Promise<Buffer> | Buffer]>([
    ['plain HTTP', () => wholeDelivery('{}')],
    [
      'the hello of SSLv2',
      () =>
        Buffer.from(
          `802e0100020015000000100100800700c0030080060040020080040080000005${'7'.repeat(32)}`,
          'hex',
        ),
    ],
    [
      'SSLv3',
      async () =>
        Buffer.from(await helloOf())
          .fill(0, 2, 3)
          .fill(0, 10, 11),
    ],
    ['zeros', () => Buffer.alloc(4_096)],
    ['an alert', () => Buffer.from('15030100020228', 'hex')],
    ['application data before the hello', () => Buffer.from('170303000548454c4c4f', 'hex')],
    [
      'a record longer than allowed',
      () => Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(65_535)]),
    ],
    ['a hello with a wrong length inside', async () => Buffer.from(await helloOf()).fill(0xff, 6, 9)],
    ['a heartbeat', () => Buffer.from('1803010003014000', 'hex')],
    [
      'a PROXY header that is not expected',
      async () => Buffer.concat([Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'), await helloOf()]),
    ],
  ])('%s', async (_name, bytes) => {
    const server = await start({ pki });
    const startedMs = performance.now();
    const { socket, received } = await connectRaw(below(server));
    socket.write(await bytes());
    expect(await received).not.toContain('HTTP/');
    expectInTime(performance.now() - startedMs, 4_500);
    expect(server.kept).toEqual([]);
    await expect
      .poll(() => server.lines)
      .toMatchObject([{ msg: 'connection_refused', reason: /^HANDSHAKE_FAILED / }]);
    await expectServed(server, fromLean(server, pki));
  });
});

describe('after the handshake', () => {
  it.each<[string, string]>([
    ['before a request', ''],
    ['within a head', deliveryHead],
    ['within a body', `${deliveryHead}Content-Length: 10\r\n\r\nab`],
  ])('bytes past the cipher end the connection unanswered: %s', async (_name, bytes) => {
    const server = await start({ pki });
    const { secure, wire, closed } = await handshakeOver(server);
    if (bytes !== '') await new Promise((resolve) => secure.write(bytes, resolve));
    let heard = '';
    secure.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    wire.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 7)]));
    await closed;
    expect(heard).toBe('');
    expect(server.kept).toEqual([]);
    await expectServed(server, fromLean(server, pki));
  });

  it('10,000 empty records cost that one connection at most', async () => {
    const server = await start({ pki });
    const { secure, wire } = await handshakeOver(server);
    wire.write(Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from('1703030000', 'hex'))));
    await expectServed(server, fromLean(server, pki));
    expect(server.kept).toEqual([]);
    secure.destroy();
    wire.destroy();
  });

  it('one byte of TLS records at a time is read as one delivery', async () => {
    const server = await start({ pki });
    const whole = wholeDelivery('{"a":1}', { lines: 'Connection: close\r\n' });
    const writes = Array.from(whole, (byte) => Buffer.of(byte));
    expect((await converse(fromLean(server, pki), { writes })).statuses).toEqual([200]);
    expect(server.kept.map(({ body }) => Buffer.from(body).toString())).toEqual(['{"a":1}']);
  });
});

/** Runs `openssl s_client` as Lean and writes one line once it has shaken hands; ends with all it said. */
async function sClient(
  server: TestServer,
  { args, line }: { args: readonly string[]; line: string },
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 's-client-'));
  const files = await writePki(pki, folder);
  const { host } = new URL(server.url);
  const identity = [
    '-cert',
    files.webhookClientCert,
    '-key',
    files.webhookClientKey,
    '-cert_chain',
    files.webhookClientCert,
  ];
  const child = spawn(openssl ?? 'openssl', ['s_client', '-connect', host, ...identity, ...args]);
  const stop = setTimeout(() => child.kill('SIGKILL'), 10_000);
  let said = '';
  let asked = false;
  const hear = (chunk: Buffer): void => {
    said += chunk.toString();
    if (asked || !/Verify return code|read R BLOCK/.test(said)) return;
    asked = true;
    child.stdin.write(line);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  child.stdin.on('error', () => {});
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(stop);
  await rm(folder, { recursive: true });
  return said;
}

describe('openssl s_client', () => {
  it('asks for a renegotiation in TLS 1.2 and is refused', async ({ skip }) => {
    skip(openssl === undefined, opensslNote);
    const server = await start({ pki });
    const said = await sClient(server, { args: ['-tls1_2'], line: 'R\n' });
    expect(said).toContain('RENEGOTIATING');
    expect(said).toMatch(/no renegotiation|handshake failure/i);
    await expectServed(server, fromLean(server, pki));
  });

  it.for(['-tls1_2', '-tls1_3'])(
    'comes back five times under %s and never takes its session up again',
    async (version, { skip }) => {
      skip(openssl === undefined, opensslNote);
      const server = await start({ pki });
      const said = await sClient(server, { args: [version, '-reconnect'], line: 'Q\n' });
      expect(said.match(/^New, TLSv1/gm)?.length).toBeGreaterThanOrEqual(version === '-tls1_2' ? 6 : 1);
      expect(said).not.toMatch(/^Reused, /m);
      await expectServed(server, fromLean(server, pki));
    },
  );
});
