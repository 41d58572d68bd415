// Heads no honest sender writes: other protocols and versions, bytes that are no text, bombs of lines, sizes and
// addresses. Each names its answer; and legal heads that merely look odd cost no delivery.
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { send, sign } from '../support/lean-sender.ts';
import {
  converse,
  deliveryHead,
  expectRefused,
  expectServed,
  hostileServers,
  inPieces,
  wholeDelivery,
  type Bytes,
} from '../support/raw-socket.ts';
import { testSecret } from '../support/receiver-server.ts';

const start = hostileServers();

const withLine = (line: string) => `${deliveryHead}${line}\r\nContent-Length: 0\r\n\r\n`;
const asking = (requestLine: string) => `${requestLine}\r\nHost: a\r\nContent-Length: 0\r\n\r\n`;
const lines = (count: number, line = 'a:\r\n') => line.repeat(count);

describe('400 for bytes that are no request of ours', () => {
  it.each<[string, string]>([
    ['a first line of a fold', `POST /webhooks/lean HTTP/1.1\r\n Host: a\r\nContent-Length: 0\r\n\r\n`],
    ['a line folded with a space', withLine('X-A: 1\r\n 2')],
    ['a line folded with a tab', withLine('X-A: 1\r\n\t2')],
    ['line ends of LF alone', 'POST /webhooks/lean HTTP/1.1\nHost: a\nContent-Length: 0\n\n'],
    ['one line end of LF alone', withLine('X-A: 1\nX-B: 2')],
    ['one line end of CR alone', withLine('X-A: 1\rX-B: 2')],
    ['a CR too many', withLine('X-A: 1\r')],
    ['NUL in a value', withLine('X-A: 1\x002')],
    ['NUL in a name', withLine('X\0A: 1')],
    ['NUL in the address', asking('POST /webhooks/lean\0 HTTP/1.1')],
    ['a control character in a value', withLine('X-A: \x1b[31m')],
    ['a control character in a name', withLine('X\x07A: 1')],
    ['a name in another alphabet', withLine('X\xff: 1')],
    ['a name with a space', withLine('X A: 1')],
    ['a line without a colon', withLine('X-A')],
    ['a line without a name', withLine(': 1')],
    ['no Host', 'POST /webhooks/lean HTTP/1.1\r\nContent-Length: 0\r\n\r\n'],
    ['two Hosts', withLine('Host: another')],
    ['an address with a space', asking('POST /webhooks/lean x HTTP/1.1')],
    ['an address in another alphabet', asking('POST /webhooks/le\xffan HTTP/1.1')],
    ['an address with backslashes', asking('POST \\webhooks\\lean HTTP/1.1')],
    ['no address', asking('POST  HTTP/1.1')],
    ['a method in lower case', asking('post /webhooks/lean HTTP/1.1')],
    ['a method nobody knows', asking('HACK /webhooks/lean HTTP/1.1')],
    ['a method of 1,000 letters', asking(`${'A'.repeat(1_000)} /webhooks/lean HTTP/1.1`)],
    ['CONNECT', 'CONNECT bank.example:443 HTTP/1.1\r\nHost: bank.example:443\r\n\r\n'],
    ['CONNECT to our own path', asking('CONNECT /webhooks/lean HTTP/1.1')],
    ['no version, as in HTTP/0.9', 'POST /webhooks/lean\r\n\r\n'],
    ['HTTP/0.9', asking('POST /webhooks/lean HTTP/0.9')],
    ['HTTP/1.2', asking('POST /webhooks/lean HTTP/1.2')],
    ['HTTP/2.0 in clear text', asking('POST /webhooks/lean HTTP/2.0')],
    ['HTTP/11', asking('POST /webhooks/lean HTTP/11')],
    ['http/1.1', asking('POST /webhooks/lean http/1.1')],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
    ['the start of TLS 1.3 on plain HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['the hello of SSLv2', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80'],
    ['a PROXY header that is not expected', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'],
    ['SMTP', 'EHLO bank.example\r\n'],
    ['an inline command of Redis', '*1\r\n$8\r\nFLUSHALL\r\n'],
  ])('%s', async (_name, bytes) => {
    const server = await start();
    await expectRefused(server, [bytes], { status: 400 });
    await expectRefused(server, inPieces(bytes, 5), { status: 400 });
  });
});

const endOf = (head: string) => `${head}Content-Length: 0\r\n\r\n`;

describe('431 for a head that is too much', () => {
  it.each<[string, string]>([
    ['101 lines', endOf(deliveryHead + lines(99))],
    ['1,100 lines', endOf(deliveryHead + lines(1_100))],
    ['100,000 lines', endOf(deliveryHead + lines(100_000))],
    ['one line of 1 MB', endOf(`${deliveryHead}X: ${'x'.repeat(1_000_000)}\r\n`)],
    ['a name of 1 MB', endOf(`${deliveryHead}${'x'.repeat(1_000_000)}: 1\r\n`)],
    ['17 kB in 80 lines', endOf(deliveryHead + lines(80, `X: ${'x'.repeat(210)}\r\n`))],
    ['an address of 1 MB', asking(`POST /${'x'.repeat(1_000_000)} HTTP/1.1`)],
    ['a query of 1 MB', asking(`POST /webhooks/lean?${'x'.repeat(1_000_000)} HTTP/1.1`)],
    [
      'a trailer of 20 kB',
      `${deliveryHead}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ],
  ])('%s, and reading ends soon after the limit', async (_name, bytes) => {
    const server = await start();
    const { sentBytes } = await expectRefused(server, inPieces(bytes, 8_192), { status: 431 });
    expect(sentBytes).toBeLessThanOrEqual(65_536);
    await expectRefused(server, [bytes], { status: 431 });
  });

  it('100 lines are not too much', async () => {
    const server = await start();
    const writes = [endOf(`${deliveryHead}Connection: close\r\n${lines(97)}`)];
    expect((await converse(server, { writes })).statuses).toEqual([200]);
  });
});

describe('404 or 405 for addresses and methods beside ours', () => {
  it.each<[string, string, number]>([
    ['OPTIONS *', 'OPTIONS * HTTP/1.1', 404],
    ['an absolute address elsewhere', 'POST http://bank.example/admin HTTP/1.1', 404],
    ['an address of 15 kB', `POST /${'x'.repeat(15_000)} HTTP/1.1`, 404],
    ['an address that cannot be decoded', 'POST /%zz HTTP/1.1', 404],
    ['a path with dots', 'POST /x/../webhooks/lean HTTP/1.1', 404],
    ['two slashes', 'POST //webhooks/lean HTTP/1.1', 404],
    ['a slash at the end', 'POST /webhooks/lean/ HTTP/1.1', 404],
    ['an encoded slash', 'POST /webhooks%2flean HTTP/1.1', 404],
    ['a path in capitals', 'POST /WEBHOOKS/LEAN HTTP/1.1', 404],
    ['a path parameter', 'POST /webhooks/lean;v=1 HTTP/1.1', 404],
    ['TRACE, which must not show what came', 'TRACE /webhooks/lean HTTP/1.1', 405],
    ['M-SEARCH', 'M-SEARCH /webhooks/lean HTTP/1.1', 405],
    ['QUERY', 'QUERY /webhooks/lean HTTP/1.1', 405],
  ])('%s', async (_name, requestLine, status) => {
    const server = await start();
    await expectRefused(server, [asking(requestLine)], { status });
  });

  it('405 for a websocket, and nothing is upgraded', async () => {
    const server = await start();
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const bytes = `GET /webhooks/lean HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n\r\n`;
    await expectRefused(server, [bytes], { status: 405 });
  });
});

describe('200 for authentic deliveries under odd but legal heads, their bytes kept exactly', () => {
  const body = '{"amount": 1e999, "name":"\xe9\\u0000"}';
  const closing = 'Connection: close\r\n';
  const signature = `Lean-Signature: ${sign(Buffer.from(body, 'latin1'), testSecret)}`;
  const ending = `${closing}Content-Length: ${body.length}\r\n\r\n${body}`;

  it.each<[string, Bytes]>([
    [
      'names in mixed case',
      `POST /webhooks/lean HTTP/1.1\r\nhOsT: a\r\n${signature.replace('Lean-S', 'lEAN-s')}\r\n${ending}`,
    ],
    [
      'empty values',
      wholeDelivery(body, { lines: `${closing}X-A:\r\nX-B: \t \r\nAccept:\r\nUser-Agent:\r\n` }),
    ],
    [
      'no space behind the colon, and many',
      wholeDelivery(body, { lines: `X-A:1\r\nX-B: \t  1 \t \r\nConnection:close\r\n` }),
    ],
    [
      'a length with zeros in front',
      `${deliveryHead}${signature}\r\n${closing}Content-Length: 00000${body.length}\r\n\r\n${body}`,
    ],
    ['a value in another alphabet', wholeDelivery(body, { lines: `${closing}X-A: \xd9\x84\xff\r\n` })],
    [
      'names that mean something to JavaScript',
      wholeDelivery(body, { lines: `${closing}__proto__: 1\r\nconstructor: 1\r\ntoString: 1\r\n` }),
    ],
    [
      'a type of 10 kB',
      wholeDelivery(body, { lines: `${closing}Content-Type: ${'a/b;'.repeat(2_500)}\r\n` }),
    ],
    ['an empty Host', `POST /webhooks/lean HTTP/1.1\r\nHost:\r\n${signature}\r\n${ending}`],
    ['empty lines before the request', `\r\n\r\n${deliveryHead}${signature}\r\n${ending}`],
    [
      'HTTP/1.0',
      `POST /webhooks/lean HTTP/1.0\r\n${signature}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ],
    [
      'an absolute address',
      `POST https://receiver/webhooks/lean HTTP/1.1\r\nHost: receiver\r\n${signature}\r\n${ending}`,
    ],
    [
      'a query',
      `POST /webhooks/lean?a=%zz&${'b'.repeat(8_000)} HTTP/1.1\r\nHost: a\r\n${signature}\r\n${ending}`,
    ],
    [
      'an upgrade to HTTP/2',
      wholeDelivery(body, {
        lines:
          'Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
      }),
    ],
    [
      'an upgrade to a websocket',
      wholeDelivery(body, { lines: 'Connection: close, Upgrade\r\nUpgrade: websocket\r\n' }),
    ],
    ['an expectation nobody knows', wholeDelivery(body, { lines: `${closing}Expect: the-unexpected\r\n` })],
    ['an empty expectation', wholeDelivery(body, { lines: `${closing}Expect:\r\n` })],
    ['two expectations', wholeDelivery(body, { lines: `${closing}Expect: 100-continue\r\nExpect: x\r\n` })],
    [
      'a trailer announced and none sent',
      wholeDelivery(body, { lines: `${closing}Trailer: Lean-Signature\r\nTE: trailers\r\n` }),
    ],
  ])('%s', async (_name, bytes) => {
    const server = await start({ mode: 'signature' });
    for (const writes of [[bytes], inPieces(bytes, 61)]) {
      expect((await converse(server, { writes, writesOn: true })).statuses).toEqual([200]);
      expect(server.kept.splice(0).map((kept) => Buffer.from(kept.body).toString('latin1'))).toEqual([body]);
    }
    await expectServed(server);
  });

  it('Content-Encoding: gzip over gzip: the compressed bytes are what is signed and kept', async () => {
    const server = await start({ mode: 'signature' });
    const packed = gzipSync('{"type":"entity.created"}');
    const headers = [['Content-Encoding', 'gzip'] as const];
    expect(await send({ url: server.url, headers, body: packed, secret: testSecret })).toMatchObject({
      status: 200,
    });
    expect(server.kept.map((kept) => Buffer.from(kept.body))).toEqual([packed]);
  });

  it('Expect: 100-continue is told to go on before it sends, and is answered once', async () => {
    const server = await start({ mode: 'signature' });
    const expecting = wholeDelivery(body, { lines: `${closing}Expect: 100-continue\r\n` });
    const { statuses, announcements } = await converse(server, { writes: [expecting] });
    expect([statuses, announcements]).toEqual([[200], [100]]);
    expect(server.kept).toHaveLength(1);
  });

  it('a signature that comes only behind the body proves nothing', async () => {
    const server = await start({ mode: 'signature' });
    const inChunks = `${deliveryHead}${closing}Transfer-Encoding: chunked\r\nTrailer: Lean-Signature\r\n\r\n`;
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n${signature}\r\n\r\n`;
    await expectRefused(server, [inChunks + chunks], { status: 401 });
  });
});
