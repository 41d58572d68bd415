// Senders that take their time or send without end: each is cut at a bound that has a name, is answered at most once,
// and nobody else waits for it.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectInTime } from '../support/eventually.ts';
import {
  converse,
  deliveryHead,
  expectNoneInFlight,
  expectRefused,
  expectServed,
  hostileServers,
  meanwhile,
  wholeDelivery,
} from '../support/raw-socket.ts';

/** Tight, but wide enough for a good delivery on a busy machine. */
const limits = {
  headersTimeoutMs: 800,
  requestTimeoutMs: 1_200,
  checkingIntervalMs: 50,
};
/** Beyond a bound: the interval at which it is looked at, and the machine's own slowness. */
const slackMs = 5_000;
const start = hostileServers({ listenerLimits: limits });
const inChunks = `${deliveryHead}Transfer-Encoding: chunked\r\n\r\n`;

describe.concurrent('408 at the bound, however diligently the sender trickles', () => {
  const { headersTimeoutMs, requestTimeoutMs } = limits;
  it.each<[string, string, string, number]>([
    ['a first line', 'POST /', 'a', headersTimeoutMs],
    ['header lines', deliveryHead, 'a:\r\n', headersTimeoutMs],
    ['one header line', `${deliveryHead}X-A: `, 'a', headersTimeoutMs],
    ['empty lines before a request', '\r\n', '\r\n', headersTimeoutMs],
    ['a body', `${deliveryHead}Content-Length: 60000\r\n\r\n`, 'a', requestTimeoutMs],
    ['a body of tiny chunks', inChunks, '1\r\na\r\n', requestTimeoutMs],
    ['one large chunk', `${inChunks}ffff\r\n`, 'a', requestTimeoutMs],
    ['a chunk of 2^64 - 1 bytes', `${inChunks}ffffffffffffffff\r\n`, 'a', requestTimeoutMs],
    ['the extensions of a chunk', `${inChunks}1;`, 'a', requestTimeoutMs],
    ['the zeros of a size', inChunks, '0', requestTimeoutMs],
    ['trailers', `${inChunks}0\r\n`, 'a:\r\n', requestTimeoutMs],
  ])('%s', async (_name, bytes, drop, boundMs) => {
    const server = await start();
    const trickles = { bytes: drop, everyMs: 25 };
    const { elapsedMs } = await expectRefused(server, [bytes], { status: 408, trickles });
    expect(elapsedMs).toBeGreaterThan(boundMs - 100);
    expectInTime(elapsedMs, boundMs + slackMs);
    await expectNoneInFlight(server);
  });
});

describe.concurrent('408 at the bound for a sender that falls silent', () => {
  it.each<[string, string]>([
    ['before its first byte', ''],
    ['in the first line', 'POST /webhooks'],
    ['in the head', `${deliveryHead}Content-Le`],
    ['after a CR', `${deliveryHead}\r`],
    ['before the body', `${deliveryHead}Content-Length: 10\r\n\r\n`],
    ['in a body shorter than announced', `${deliveryHead}Content-Length: 10\r\n\r\nab`],
    ['in a chunk', `${inChunks}a\r\nab`],
    ['without the last chunk', `${inChunks}2\r\nab\r\n`],
    ['without the line end of the last chunk', `${inChunks}2\r\nab\r\n0\r\n`],
  ])('%s', async (_name, bytes) => {
    const server = await start();
    const { elapsedMs } = await expectRefused(server, [bytes], { status: 408 });
    expectInTime(elapsedMs, limits.requestTimeoutMs + slackMs);
  });

  it('in the request behind an answered one', async () => {
    const server = await start();
    const { statuses, closedBy } = await converse(server, {
      writes: [wholeDelivery('{"a":1}'), 'POST /webhooks/lean HTTP/1.1\r\n'],
      writesOn: true,
    });
    expect(statuses).toEqual([200, 408]);
    expect(closedBy).toBe('receiver');
    expect(server.kept).toHaveLength(1);
  });
});

it.each<[string, string]>([
  ['in the head', `${deliveryHead}Content-Le`],
  ['in a body shorter than announced', `${deliveryHead}Content-Length: 10\r\n\r\nab`],
  ['in a chunk', `${inChunks}a\r\nab`],
])(
  'a sender that ends its side %s gets at most a 400, at once, and nothing is kept',
  async (_name, bytes) => {
    const server = await start({ listenerLimits: {} });
    const { statuses, closedBy } = await converse(server, { writes: [bytes], halfCloses: true });
    expect([[], [400]]).toContainEqual(statuses);
    expect(closedBy).toBe('receiver');
    expect(server.kept).toEqual([]);
    await expectNoneInFlight(server);
    await expectServed(server);
  },
);

it.each([
  ['signature', { keepAliveTimeoutMs: 300, unprovenKeepAliveTimeoutMs: 60_000 }],
  ['none', { keepAliveTimeoutMs: 60_000, unprovenKeepAliveTimeoutMs: 1_300 }],
] as const)('an idle connection is closed at its bound without a word (VERIFY=%s)', async (mode, idle) => {
  const server = await start({ mode, listenerLimits: idle });
  const { statuses, closedBy, elapsedMs } = await converse(server, { writes: [wholeDelivery('{}')] });
  expect(statuses).toEqual([200]);
  expect(closedBy).toBe('receiver');
  // node waits a second longer than it says in Keep-Alive, so that a last request does not meet the close.
  expectInTime(elapsedMs, 1_300 + slackMs);
});

it('200 slow senders get one 408 each, and every delivery sent meanwhile is answered 200', async () => {
  // Wide enough for a good one that shares a busy process with them.
  const wide = { ...limits, headersTimeoutMs: 4_000, requestTimeoutMs: 4_500 };
  const server = await start({ inFlightLimit: 1_024, listenerLimits: wide });
  const slow = Array.from({ length: 200 }, (_, index) => {
    const writes = [index % 2 === 0 ? `${deliveryHead}X-A: ` : `${deliveryHead}Content-Length: 900\r\n\r\n`];
    return converse(server, { writes, trickles: { bytes: 'a', everyMs: 300 } });
  });
  let served = 0;
  const ends = await meanwhile(Promise.all(slow), async () => {
    await expectServed(server);
    served += 1;
    await delay(20);
  });
  expect(new Set(ends.map(({ statuses }) => statuses.join(' ')))).toEqual(new Set(['408']));
  expect(served).toBeGreaterThan(10);
  expect(server.kept).toEqual([]);
});

const chunk = (bytes: Buffer) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

describe('413 for 100 MB', () => {
  const megabytes = 100;
  const block = Buffer.alloc(65_536, 'a');
  function* blocks(head: string, frame: (bytes: Buffer) => Buffer = (bytes) => bytes): Iterable<Buffer> {
    yield Buffer.from(head);
    for (let sent = 0; sent < megabytes * 1_000_000; sent += block.length) yield frame(block);
  }
  it('with a Content-Length: before a byte of the body is read', async () => {
    const server = await start({ listenerLimits: {} });
    const head = `${deliveryHead}Content-Length: ${megabytes * 1_000_000}\r\n\r\n`;
    await expectRefused(server, [head], { status: 413 });
    const { sentBytes } = await expectRefused(server, blocks(head), { status: 413 });
    expect(sentBytes).toBeLessThan(1_000_000);
  });

  it.each<[string, () => Iterable<Buffer>]>([
    ['in chunks', () => blocks(inChunks, chunk)],
    ['in one chunk', () => blocks(`${inChunks}${(megabytes * 1_000_000).toString(16)}\r\n`)],
  ])('%s without a Content-Length: cut at the limit', async (_name, writes) => {
    const server = await start({ listenerLimits: {}, bodyLimitBytes: 262_144 });
    const { sentBytes } = await expectRefused(server, writes(), { status: 413 });
    expect(sentBytes).toBeGreaterThan(200_000);
    expect(sentBytes).toBeLessThan(2_000_000);
    await expectNoneInFlight(server);
  });

  it('although it waits to be told to go on', async () => {
    const server = await start({ listenerLimits: {} });
    const head = `${deliveryHead}Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n`;
    await expectRefused(server, [head], { status: 413 });
  });
});
