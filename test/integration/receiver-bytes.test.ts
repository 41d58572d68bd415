// What the receiver does with bytes: authentic ones are kept exactly as they came, and bytes that are no
// request we read get one answer at most and a closed connection.
import { afterEach, describe, expect, it } from 'vitest';
import { connectRaw, send, sign } from '../support/lean-sender.ts';
import { startTestServer, testSecret, type TestServer } from '../support/receiver-server.ts';

const open: TestServer[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** Plain HTTP shows the bytes best; what is tested here is the same above TLS. */
async function start(options: Partial<Parameters<typeof startTestServer>[0]> = {}): Promise<TestServer> {
  const server = await startTestServer({ mode: 'signature', pki: null, ...options });
  open.push(server);
  return server;
}

describe('authentic bytes are kept as they came', () => {
  it.each<[string, readonly (readonly [string, string])[]]>([
    ['application/json', [['Content-Type', 'application/json']]],
    ['text', [['Content-Type', 'text/plain; charset=latin1']]],
    ['no type', []],
    ['an empty type', [['Content-Type', '']]],
    ['a malformed type', [['Content-Type', ';;=;"']]],
    ['a multipart type without its boundary', [['Content-Type', 'multipart/form-data']]],
    [
      'two types',
      [
        ['Content-Type', 'a/b'],
        ['Content-Type', 'c/d'],
      ],
    ],
    [
      'a content encoding',
      [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', 'gzip'],
      ],
    ],
    ['an expectation nobody knows', [['Expect', 'the-unexpected']]],
    ['Expect: 100-continue', [['Expect', '100-continue']]],
    [
      'an upgrade to HTTP/2',
      [
        ['Connection', 'Upgrade, HTTP2-Settings'],
        ['Upgrade', 'h2c'],
      ],
    ],
  ])('with %s', async (_name, headers) => {
    const server = await start();
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x00, 0xff, 0xfe, 0x22, 0x0d, 0x0a, 0x7d]);
    expect(await send({ url: server.url, headers, body, secret: testSecret })).toMatchObject({ status: 200 });
    expect(Buffer.from(server.kept[0]?.body ?? [])).toEqual(body);
  });

  it.each([
    ['a Content-Length of nothing', 'Content-Length: 0\r\n\r\n'],
    ['neither length nor chunks', '\r\n'],
    ['a type and no length', 'Content-Type: application/json\r\n\r\n'],
    ['an empty chunked body', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('an empty body with %s', async (_name, rest) => {
    const server = await start();
    const { socket, received } = await connectRaw(server);
    const signature = `lean-signature: ${sign('', testSecret)}\r\n`;
    socket.write(`POST /webhooks/lean HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${signature}${rest}`);
    expect(await received).toMatch(/^HTTP\/1.1 200 /);
    expect(server.kept.map(({ body }) => body.byteLength)).toEqual([0]);
  });

  it('one flipped bit and the delivery is refused', async () => {
    const server = await start();
    const headers = [['lean-signature', sign('{"a":1}', testSecret)] as const];
    expect(await send({ url: server.url, headers, body: '{"a":0}' })).toMatchObject({ status: 401 });
    expect(server.kept).toEqual([]);
  });
});

const post = 'POST /webhooks/lean HTTP/1.1\r\nHost: a\r\n';
/** An answer may follow the body of the one before without a line between them. */
const statusesOf = (answers: string) => answers.match(/HTTP\/1\.1 \d+/g);
const manyHeaders = (count: number) =>
  Array.from({ length: count }, (_, index) => `X-${index}: 1\r\n`).join('');

describe('what is not a request we read gets one answer and a closed connection', () => {
  it.each<[string, string, number]>([
    ['no HTTP at all', '\x16\x03\x01 hello\r\n\r\n', 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['no Host', 'POST /webhooks/lean HTTP/1.1\r\nContent-Length: 0\r\n\r\n', 400],
    ['two lengths', `${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
    ['a length and chunks', `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['an unknown transfer encoding', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    ['a bad chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['a folded header', `${post}X-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n`, 400],
    ['a space before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a header of 20 kB', `${post}X-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a header line too many', `${post}${manyHeaders(100)}Content-Length: 0\r\n\r\n`, 431],
    ['a bad chunk elsewhere', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ])('%s', async (_name, bytes, status) => {
    const server = await start();
    const { socket, received } = await connectRaw(server);
    socket.write(bytes);
    const answers = await received;
    expect(statusesOf(answers)).toEqual([`HTTP/1.1 ${status}`]);
    expect(answers.toLowerCase()).toContain('connection: close');
    expect(server.kept).toEqual([]);
  });

  it.each([
    ['a head that never ends', `${post}X-Slow: `],
    ['a body that never ends', `${post}Content-Length: 10\r\n\r\nab`],
    ['not a byte', ''],
  ])('408 for %s', async (_name, bytes) => {
    const server = await start({
      listenerLimits: { headersTimeoutMs: 100, requestTimeoutMs: 150, checkingIntervalMs: 20 },
    });
    const { socket, received } = await connectRaw(server);
    socket.write(bytes);
    expect(statusesOf(await received)).toEqual(['HTTP/1.1 408']);
  });

  it.each([
    ['no HTTP at all', 'no HTTP at all\r\n\r\n'],
    ['a next request with a bad chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ['a next request with too long a head', `${post}X-Big: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('behind whole requests: those keep their answers and get no other one: %s', async (_name, bytes) => {
    const gate = Promise.withResolvers<number>();
    const server = await start({ journal: { append: () => gate.promise } });
    const whole = `${post}lean-signature: ${sign('', testSecret)}\r\nContent-Length: 0\r\n\r\n`;
    // In one write the bytes are there before the request has been judged, in two they come while it is kept.
    const together = await connectRaw(server);
    together.socket.write(whole + whole + bytes);
    const apart = await connectRaw(server);
    apart.socket.write(whole);
    await expect.poll(async () => (await server.metrics.inFlight.get()).values[0]?.value).toBeGreaterThan(2);
    apart.socket.write(bytes);
    await expect
      .poll(async () => (await server.metrics.connectionsRefused.get()).values)
      .toMatchObject([{ value: 2 }]);
    gate.resolve(1);
    expect(statusesOf(await together.received)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expect(statusesOf(await apart.received)).toEqual(['HTTP/1.1 200']);
  });

  it('a sender that goes away mid-body leaves nothing behind', async () => {
    const server = await start();
    const { socket } = await connectRaw(server);
    socket.write(`${post}Content-Length: 10\r\n\r\nab`);
    await expect.poll(async () => (await server.metrics.inFlight.get()).values[0]?.value).toBe(1);
    socket.destroy();
    await expect.poll(async () => (await server.metrics.inFlight.get()).values[0]?.value).toBe(0);
    expect(server.kept).toEqual([]);
  });
});

it('says nothing about what it is made of', async () => {
  const server = await start();
  const { headers } = await send({ url: server.url, body: 'x' });
  expect(Object.keys(headers)).not.toContain('server');
  expect(Object.keys(headers)).not.toContain('x-powered-by');
  expect(headers['x-content-type-options']).toBe('nosniff');
});
