// The receiver's table of outcomes as a sender sees it, each row by its name, and the order of the checks.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { connectRaw, send, type Sending } from '../support/lean-sender.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { fromLean, startTestServer, type TestServer } from '../support/receiver-server.ts';

let pki: Pki;
const open: TestServer[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(options: Partial<Parameters<typeof startTestServer>[0]> = {}): Promise<TestServer> {
  const server = await startTestServer({ mode: 'certificate+signature', pki, ...options });
  open.push(server);
  return server;
}

const deliver = (server: TestServer, changes: Partial<Sending> = {}) => send(fromLean(server, pki, changes));
const never = () => new Promise<never>(() => {});

describe('each outcome by its name', () => {
  it('accepted: 200 for an authentic delivery whose bytes are durable', async () => {
    const server = await start();
    const reply = await deliver(server);
    expect(reply).toMatchObject({ status: 200, body: '{"outcome":"accepted"}' });
    expect(server.kept).toMatchObject([{ proof: 'signature' }]);
  });

  it('CERTIFICATE_REQUIRED: the handshake is refused without a client certificate', async () => {
    const server = await start();
    await expect(deliver(server, { identity: undefined })).rejects.toThrow(/./);
    expect(server.kept).toEqual([]);
    await expect
      .poll(() => server.lines)
      .toContainEqual(
        expect.objectContaining({
          msg: 'connection_refused',
          failure_code: 'CERTIFICATE_REQUIRED',
          level: 'warn',
        }),
      );
  });

  it("CERTIFICATE_INVALID: the handshake is refused when the chain is not Lean's", async () => {
    const server = await start();
    await expect(deliver(server, { identity: pki.rogue })).rejects.toThrow(/./);
    expect(server.kept).toEqual([]);
    await expect
      .poll(() => server.lines)
      .toContainEqual(
        expect.objectContaining({ msg: 'connection_refused', failure_code: 'CERTIFICATE_INVALID' }),
      );
  });

  it("CERTIFICATE_NOT_LEAN: 403 for another customer's certificate of the same chain", async () => {
    const server = await start();
    const reply = await deliver(server, { identity: pki.otherCustomer });
    expect(reply).toMatchObject({ status: 403, body: '{"code":"CERTIFICATE_NOT_LEAN"}' });
    expect(server.kept).toEqual([]);
  });

  it('SIGNATURE_MISSING: 401 without the header', async () => {
    const server = await start();
    const { secret: _none, ...unsigned } = fromLean(server, pki);
    expect(await send(unsigned)).toMatchObject({ status: 401, body: '{"code":"SIGNATURE_MISSING"}' });
    expect(server.kept).toEqual([]);
  });

  it('SIGNATURE_INVALID: 401 under another secret', async () => {
    const server = await start();
    const reply = await deliver(server, { secret: 'of-somebody-else' });
    expect(reply).toMatchObject({ status: 401, body: '{"code":"SIGNATURE_INVALID"}' });
    expect(server.kept).toEqual([]);
  });

  it.each([
    ['with a Content-Length', false],
    ['in chunks without a Content-Length', true],
  ])('BODY_TOO_LARGE: 413 %s', async (_how, chunked) => {
    const server = await start({ bodyLimitBytes: 1_000 });
    expect(await deliver(server, { body: 'x'.repeat(1_000), chunked })).toMatchObject({ status: 200 });
    const reply = await deliver(server, { body: 'x'.repeat(1_001), chunked });
    expect(reply).toMatchObject({ status: 413, body: '{"code":"BODY_TOO_LARGE"}' });
    expect(server.kept).toHaveLength(1);
  });

  it('NOT_DURABLE: 503 with Retry-After when the journal never answers', async () => {
    const server = await start({ journal: { append: never }, journalDeadlineMs: 50 });
    const reply = await deliver(server);
    expect(reply).toMatchObject({ status: 503, body: '{"code":"NOT_DURABLE"}' });
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('NOT_DURABLE: 503 when the journal fails', async () => {
    const server = await start({ journal: { append: () => Promise.reject(new Error('EIO')) } });
    expect(await deliver(server)).toMatchObject({ status: 503, body: '{"code":"NOT_DURABLE"}' });
  });

  it('OVERLOADED: 503 with Retry-After when the journal is nearly full', async () => {
    const server = await start({ journalFull: () => true });
    const reply = await deliver(server);
    expect(reply).toMatchObject({ status: 503, body: '{"code":"OVERLOADED"}' });
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    expect(server.kept).toEqual([]);
  });

  it('OVERLOADED: 503 for the request above the limit in flight, and 200 again afterwards', async () => {
    const gate = Promise.withResolvers<number>();
    const server = await start({ inFlightLimit: 1, journal: { append: () => gate.promise } });
    const first = deliver(server);
    await expect.poll(async () => (await server.metrics.inFlight.get()).values[0]?.value).toBe(1);
    expect(await deliver(server)).toMatchObject({ status: 503, body: '{"code":"OVERLOADED"}' });
    gate.resolve(1);
    expect(await first).toMatchObject({ status: 200 });
    await expect.poll(async () => (await deliver(server)).status).toBe(200);
  });

  it('404 on another path and 405 with Allow on another method, without a word of the request', async () => {
    const server = await start();
    const lost = await deliver(server, { path: '/webhooks/lean/secret-word' });
    expect(lost).toMatchObject({ status: 404, body: '{"code":"NOT_FOUND"}' });
    expect(await deliver(server, { path: '/%zz' })).toMatchObject({
      status: 404,
      body: '{"code":"NOT_FOUND"}',
    });
    await expect
      .poll(() => server.lines)
      .toMatchObject([
        { msg: 'delivery', outcome: 'NOT_FOUND', http_status: 404 },
        { msg: 'delivery', outcome: 'NOT_FOUND', http_status: 404 },
      ]);
    const counted = await server.metrics.deliveries.get();
    expect(counted.values).toMatchObject([{ labels: { outcome: 'NOT_FOUND' }, value: 2 }]);
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const reply = await deliver(server, { method, path: '/webhooks/lean?a=b' });
      expect(reply).toMatchObject({
        status: 405,
        body: '{"code":"METHOD_NOT_ALLOWED"}',
        headers: { allow: 'POST' },
      });
    }
    expect(server.kept).toEqual([]);
  });
});

describe('the order of the checks', () => {
  it.each<[string, Partial<Sending>, number]>([
    ['path before certificate', { path: '/elsewhere', secret: 'wrong' }, 404],
    ['method before certificate', { method: 'GET', body: '' }, 405],
    ['certificate before OVERLOADED, size and signature', { body: 'x'.repeat(2_000), secret: 'wrong' }, 403],
  ])('%s', async (_name, changes, status) => {
    const server = await start({ journalFull: () => true, bodyLimitBytes: 1_000 });
    expect(await deliver(server, { identity: pki.otherCustomer, ...changes })).toMatchObject({ status });
  });

  it('OVERLOADED before the body limit', async () => {
    const server = await start({ journalFull: () => true, bodyLimitBytes: 1_000 });
    expect(await deliver(server, { body: 'x'.repeat(2_000) })).toMatchObject({ status: 503 });
  });

  it('the body limit before the signature, and before a byte of the body is read', async () => {
    const server = await start({ bodyLimitBytes: 1_000, mode: 'certificate+signature' });
    const { socket, received } = await connectRaw(fromLean(server, pki));
    socket.write('POST /webhooks/lean HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    expect(await received).toMatch(/^HTTP\/1.1 413 .*\{"code":"BODY_TOO_LARGE"\}$/s);
  });
});

describe('ACK_AFTER=stored', () => {
  it('answers 200 once the delivery is stored, and not before', async () => {
    const stored = Promise.withResolvers<void>();
    const signal = { whenStored: () => stored.promise };
    const server = await start({ stored: { signal, ackDeadlineMs: 5_000 } });
    let answered = false;
    const reply = deliver(server).finally(() => {
      answered = true;
    });
    await expect.poll(() => server.kept).toHaveLength(1);
    expect(answered).toBe(false);
    stored.resolve();
    expect(await reply).toMatchObject({ status: 200 });
  });

  it('answers 503 at the deadline', async () => {
    const late = new AppError('NOT_DURABLE', 'not in Postgres in time');
    const signal = { whenStored: () => Promise.reject(late) };
    const server = await start({ stored: { signal, ackDeadlineMs: 50 } });
    expect(await deliver(server)).toMatchObject({ status: 503, body: '{"code":"NOT_DURABLE"}' });
  });
});

it('writes one line per delivery with its facts and without its bytes', async () => {
  const server = await start();
  await deliver(server, { body: '{"iban":"AE070331234567890123456"}' });
  await expect.poll(() => server.lines).toHaveLength(1);
  expect(server.lines[0]).toMatchObject({
    msg: 'delivery',
    level: 'info',
    outcome: 'accepted',
    http_status: 200,
    body_bytes: 34,
    proof: 'signature',
    sequence: 1,
    remote_address: '127.0.0.1',
  });
  expect(JSON.stringify(server.lines)).not.toContain('AE0703');
  const counted = await server.metrics.deliveries.get();
  expect(counted.values).toMatchObject([{ labels: { outcome: 'accepted' }, value: 1 }]);
});
