// Where one request ends and the next begins: bytes that two readers could cut in two ways are refused, and what was
// smuggled in behind them is never accepted. No proof is demanded here, so only the reading itself protects the journal.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { testPki, type Pki } from '../support/pki.ts';
import {
  converse,
  deliveryHead,
  expectNoneInFlight,
  expectRefused,
  expectServed,
  hostileServers,
  inPieces,
  type Caller,
} from '../support/raw-socket.ts';
import type { TestServer } from '../support/receiver-server.ts';

let pki: Pki;
const start = hostileServers();

beforeAll(async () => {
  pki = await testPki();
});

/** What a smuggler wants to have run: a whole request of its own. */
const smuggled = `${deliveryHead}Content-Length: 0\r\n\r\n`;
const chunked = `${deliveryHead}Transfer-Encoding: chunked\r\n\r\n`;
const under = (lines: string, body = '0\r\n\r\n') => `${deliveryHead}${lines}\r\n\r\n${body}`;
const lengths = (value: string) => under(`Content-Length: ${value}`, 'ab');
const codings = (value: string) => under(`Transfer-Encoding: ${value}`);

const twoReadings: Record<string, string> = {
  'chunks and a length': under('Transfer-Encoding: chunked\r\nContent-Length: 4'),
  'a length and chunks': under('Content-Length: 4\r\nTransfer-Encoding: chunked'),
  'a length of nothing and chunks': under('Content-Length: 0\r\nTransfer-Encoding: chunked'),
  'two equal lengths': under('Content-Length: 2\r\nContent-Length: 2', 'ab'),
  'two lengths': under('Content-Length: 2\r\nContent-Length: 7', 'ab'),
  'a list of equal lengths': lengths('2, 2'),
  'a negative length': lengths('-1'),
  'a length with a plus': lengths('+2'),
  'a length in hex': lengths('0x2'),
  'a length with an exponent': lengths('2e0'),
  'a length with a fraction': lengths('2.0'),
  'a length in words': lengths('two'),
  'a length of two numbers': lengths('1 2'),
  'an empty length': lengths(''),
  'a length above 64 bits': lengths('18446744073709551616'),
  'a length of 400 digits': lengths('9'.repeat(400)),
  'a length with NUL': lengths('2\0'),
  'a space before the colon of the coding': under('Transfer-Encoding : chunked\r\nContent-Length: 5'),
  'a tab before the colon of the length': under('Content-Length\t: 2', 'ab'),
  'the coding xchunked': codings('xchunked'),
  'the coding xchunked and a length': under('Transfer-Encoding: xchunked\r\nContent-Length: 5'),
  'the coding identity': codings('identity'),
  'the coding identity and a length': under('Transfer-Encoding: identity\r\nContent-Length: 2', 'ab'),
  'an empty coding': codings(''),
  'a quoted coding': codings('"chunked"'),
  'a coding with a parameter': codings('chunked;q=1'),
  'a coding behind a vertical tab': codings('\x0bchunked'),
  'a coding before a vertical tab': codings('chunked\x0b'),
  'a coding on a folded line': codings('\r\n chunked'),
  'two lines of chunked': under('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
  'chunked twice in one line': codings('chunked, chunked'),
  'chunked and then identity': codings('chunked, identity'),
  'identity and then chunked': codings('identity, chunked'),
  'lines of identity and then chunked': under('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'),
  'gzip inside chunked': codings('gzip, chunked'),
  'gzip alone': codings('gzip'),
  'chunks in HTTP/1.0': smuggled
    .replace('HTTP/1.1', 'HTTP/1.0')
    .replace(
      'Content-Length: 0\r\n\r\n',
      'Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
  'a header hidden behind a bare LF': under('X-A: 1\nTransfer-Encoding: chunked\r\nContent-Length: 5'),
  'a header hidden behind a bare CR': under('X-A: 1\rTransfer-Encoding: chunked\r\nContent-Length: 5'),
  'a head that ends in bare LF': `${deliveryHead}Content-Length: 5\n\n0\r\n\r\n`,
};

const chunkTricks: Record<string, string> = {
  'a size that is no number': 'zz\r\n',
  'a negative size': '-1\r\nab\r\n',
  'a size with a plus': '+2\r\nab\r\n',
  'a size with 0x': '0x2\r\nab\r\n',
  'an empty size': '\r\nab\r\n',
  'a space before the size': ' 2\r\nab\r\n',
  'a space behind the size': '2 \r\nab\r\n',
  'a size above 64 bits': '10000000000000002\r\nab\r\n',
  'a size of 20 digits': `${'f'.repeat(20)}\r\nab\r\n`,
  'a size that ends in LF': '2\nab\r\n',
  'a size that ends in CR': '2\rab\r\n',
  'data that ends in LF': '2\r\nab\n',
  'data longer than said': '2\r\nabc\r\n',
  'data without its line end': '2\r\nab',
  'an extension that ends in LF': '2;a\nab\r\n',
  'an extension with a bare CR': '2;a\rb\r\nab\r\n',
  'an extension with NUL': '2;a\0\r\nab\r\n',
  'an extension of 20 kB': `2;${'a'.repeat(20_000)}\r\nab\r\n`,
  'a last chunk that ends in LF': '2\r\nab\r\n0\n\n',
  'a trailer that is no field': '2\r\nab\r\n0\r\nX T: 1\r\n\r\n',
  'a trailer with a length': '2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n',
  'a trailer with a coding': '2\r\nab\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
};

const callers: readonly (readonly [string, (server: TestServer) => Caller])[] = [
  ['plain HTTP', (server) => server],
  ['TLS', ({ url }) => ({ url, serverCaPem: pki.serverCaPem })],
];

describe.each(callers)(
  'over %s, whole and in pieces: 400, and nothing behind it is run',
  (over, callerOf) => {
    const inputs = {
      ...twoReadings,
      ...Object.fromEntries(Object.entries(chunkTricks).map(([name, body]) => [name, chunked + body])),
    };
    it.each(Object.entries(inputs))('%s', async (_name, bytes) => {
      const server = await start({ pki: over === 'TLS' ? pki : null });
      const caller = callerOf(server);
      await expectRefused(server, [bytes + smuggled], { caller, status: 400 });
      await expectRefused(server, inPieces(bytes + smuggled, 101), { caller, status: 400 });
    });
  },
);

describe('a body that looks like a request is a body', () => {
  const ending = 'Connection: close\r\n';
  it.each([
    ['with a length', `${deliveryHead}${ending}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`],
    [
      'in a chunk',
      `${deliveryHead}${ending}Transfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    ],
  ])('%s: kept once and exactly', async (_name, bytes) => {
    const server = await start();
    expect((await converse(server, { writes: [bytes] })).statuses).toEqual([200]);
    expect(server.kept.map(({ body }) => Buffer.from(body).toString())).toEqual([smuggled]);
    await expectServed(server);
  });

  it.each([
    ['another path', 'POST /elsewhere', 404],
    ['another method', 'GET /webhooks/lean', 405],
    ['OPTIONS', 'OPTIONS /webhooks/lean', 405],
  ])('under %s it is not run', async (_name, line, status) => {
    const server = await start();
    const head = `${line} HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n`;
    await expectRefused(server, [head + smuggled], { status });
    await expectRefused(server, [head, smuggled], { status });
  });

  it('above the limit it is not run either', async () => {
    const server = await start({ bodyLimitBytes: 10 });
    const body = smuggled.repeat(1_000);
    const head = under(`Content-Length: ${body.length}`, '');
    const inChunks = `${chunked}${body.length.toString(16)}\r\n${body}`;
    for (const writes of [[head + body], [head, body], [inChunks], inPieces(inChunks, 997)]) {
      const { statuses, closedBy } = await converse(server, { writes, writesOn: true });
      expect(statuses.filter((status) => status !== 413)).toEqual([]);
      expect(statuses.length).toBeLessThanOrEqual(1);
      expect(closedBy).toBe('receiver');
    }
    expect(server.kept).toEqual([]);
  });
});

describe('nothing behind an answer that ends the connection is run', () => {
  it.each([
    ['a path that is not ours', 'POST /elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', 404],
    ['a method that is not ours', 'OPTIONS /webhooks/lean HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['too many header lines', under(`${'X-A: 1\r\n'.repeat(120)}Content-Length: 0`, ''), 431],
    ['too large a body', under('Content-Length: 100000', ''), 413],
    ['bytes that are no request', 'no request\r\n\r\n', 400],
  ])('%s', async (_name, bytes, status) => {
    const server = await start();
    await expectRefused(server, [bytes + smuggled.repeat(20)], { status });
    await expectNoneInFlight(server);
  });

  it('nor behind a last request, which is what Connection: close says', async () => {
    const server = await start();
    const last = `${deliveryHead}Connection: close\r\nContent-Length: 0\r\n\r\n`;
    expect((await converse(server, { writes: [smuggled + last + smuggled] })).statuses).toEqual([200, 200]);
    expect(server.kept).toHaveLength(2);
    await expectServed(server);
  });
});

it('however a sender legally cuts its chunks, the bytes are kept exactly', async () => {
  const server = await start();
  const chunk = fc.record({
    data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    zeros: fc.nat({ max: 20 }),
    upper: fc.boolean(),
    extension: fc.constantFrom('', ';a', ';a=b', ';a="b;\\"c"'),
  });
  const trailer = fc.constantFrom('', 'X-Trailer: 1\r\n', 'Lean-Signature: sha512=00\r\n');
  const legal = fc.record({
    chunks: fc.array(chunk, { maxLength: 12 }),
    trailer,
    piece: fc.integer({ min: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(legal, async ({ chunks, trailer: last, piece }) => {
      server.kept.length = 0;
      const parts = chunks.map(({ data, zeros, upper, extension }) => {
        const hex = data.length.toString(16);
        const size = '0'.repeat(zeros) + (upper ? hex.toUpperCase() : hex);
        return Buffer.concat([Buffer.from(`${size}${extension}\r\n`), data, Buffer.from('\r\n')]);
      });
      const head = `${deliveryHead}Connection: close\r\nTransfer-Encoding: ChUnKeD\r\n\r\n`;
      const whole = Buffer.concat([Buffer.from(head), ...parts, Buffer.from(`0\r\n${last}\r\n`)]);
      const { statuses } = await converse(server, {
        writes: inPieces(whole, Math.max(piece, whole.length / 20)),
      });
      expect(statuses).toEqual([200]);
      const sent = Buffer.concat(chunks.map(({ data }) => data));
      expect(server.kept.map(({ body }) => Buffer.from(body))).toEqual([sent]);
    }),
    { numRuns: 60 },
  );
});
