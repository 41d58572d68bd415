// Very many requests, requests broken off anywhere, requests with any byte changed: each gets its own answer or none,
// memory stays bounded, and what is kept is what an authentic sender sent.
import fc from 'fast-check';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import { connectRaw, sign } from '../support/lean-sender.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { startRole } from '../support/processes.ts';
import {
  converse,
  deliveryHead,
  expectAccepted,
  expectNoneInFlight,
  expectServed,
  hostileServers,
  meanwhile,
  wholeDelivery,
  type Caller,
} from '../support/raw-socket.ts';
import { receiverSettings } from '../support/receiver-settings.ts';
import { testSecret, type TestServer } from '../support/receiver-server.ts';

const start = hostileServers({ mode: 'signature', inFlightLimit: 1_024 });

/** Every third is not authentic, so that the order of the answers says which request each belongs to. */
const isForged = (index: number) => index % 3 === 1 || index % 7 === 2;
function floodOf(count: number): Buffer {
  const deliveries = Array.from({ length: count }, (_, index) => {
    const body = `{"n":${index}}`;
    if (!isForged(index)) return wholeDelivery(body);
    const signature = `Lean-Signature: ${sign('another body', testSecret)}`;
    return Buffer.from(`${deliveryHead}${signature}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const last = wholeDelivery('{"n":"last"}', { lines: 'Connection: close\r\n' });
  return Buffer.concat([...deliveries, last]);
}
function statusesOf(count: number): number[] {
  return [...Array.from({ length: count }, (_, index) => (isForged(index) ? 401 : 200)), 200];
}

describe('a flood of pipelined requests in one write', () => {
  it('of 10,000 is answered one by one in order by a whole receiver, which grows by less than 150 MB', async () => {
    const settings = await receiverSettings({ VERIFY: 'signature', TLS_TERMINATION: 'proxy' });
    const receiver = startRole('receiver', settings.env);
    onTestFinished(async () => {
      receiver.kill('SIGKILL');
      await receiver.exited;
      await settings.remove();
    });
    const { url, opsUrl } = listeningSchema.parse(await receiver.line('listening'));
    const caller = { url: new URL(url).origin };
    const beforeBytes = await residentBytes(opsUrl);
    let peakBytes = beforeBytes;
    const flood = converse(caller, { isProven: true, writes: [floodOf(10_000)], deadlineMs: 40_000 });
    // Its figures are asked for meanwhile, and another caller is served.
    const { statuses, closedBy } = await meanwhile(flood, async () => {
      await expectAccepted(caller);
      peakBytes = Math.max(peakBytes, await residentBytes(opsUrl));
      await delay(50);
    });
    expect(statuses).toEqual(statusesOf(10_000));
    expect(closedBy).toBe('receiver');
    expect(peakBytes - beforeBytes).toBeLessThan(150_000_000);
    expect(receiver.stderr()).toBe('');
  }, 60_000);

  it('is kept in order, each once', async () => {
    const server = await start();
    const { statuses } = await converse(server, { isProven: true, writes: [floodOf(1_000)] });
    expect(statuses).toEqual(statusesOf(1_000));
    const authentic = Array.from({ length: 1_000 }, (_, index) => index).filter((index) => !isForged(index));
    const kept = server.kept.slice(1).map(({ body }) => Buffer.from(body).toString());
    expect(kept).toEqual([...authentic.map((index) => `{"n":${index}}`), '{"n":"last"}']);
    await expectServed(server);
    await expectNoneInFlight(server);
  });

  it('above the limit in flight: the first are answered, then one 503, and nothing after that is kept', async () => {
    const gate = Promise.withResolvers<number>();
    let appended = 0;
    const append = () => {
      appended += 1;
      return appended === 1 ? Promise.resolve(1) : gate.promise;
    };
    const server = await start({ inFlightLimit: 16, journal: { append } });
    const ended = converse(server, {
      isProven: true,
      writes: [Buffer.concat(Array.from({ length: 100 }, () => wholeDelivery('{}')))],
    });
    await eventually(() => expect(appended).toBeGreaterThanOrEqual(17));
    gate.resolve(1);
    const { statuses, closedBy } = await ended;
    expect(statuses).toEqual([...Array.from({ length: 16 }, () => 200), 503]);
    expect(closedBy).toBe('receiver');
    expect(appended).toBe(17);
    await expectNoneInFlight(server);
    await expectServed(server);
  });
});

const listeningSchema = z.looseObject({ url: z.string(), opsUrl: z.string() });

async function residentBytes(opsUrl: string): Promise<number> {
  const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
  const [, bytes] = /^process_resident_memory_bytes\S* (\S+)$/m.exec(metrics) ?? [];
  return z.coerce.number().positive().parse(bytes);
}

describe('a delivery broken off at any byte leaves nothing, and the next caller is served', () => {
  let pki: Pki;
  beforeAll(async () => {
    pki = await testPki();
  });
  const body = '{"type":"entity.created"}';
  const withLength = wholeDelivery(body);
  const signature = `Lean-Signature: ${sign(body, testSecret)}\r\n`;
  const inChunks = Buffer.from(
    `${deliveryHead}${signature}Transfer-Encoding: chunked\r\n\r\n8\r\n${body.slice(0, 8)}\r\n${(body.length - 8).toString(16)}\r\n${body.slice(8)}\r\n0\r\n\r\n`,
  );
  const overTls = (server: TestServer): Caller => ({ url: server.url, serverCaPem: pki.serverCaPem });

  it.each<[string, Buffer, boolean]>([
    ['with a length, over plain HTTP', withLength, false],
    ['in chunks, over plain HTTP', inChunks, false],
    ['with a length, over TLS', withLength, true],
  ])('%s, by a reset and by a close', async (_name, whole, isSecure) => {
    const server = await start({ pki: isSecure ? pki : null });
    const caller = isSecure ? overTls(server) : server;
    // Over TLS each costs a handshake, and what is read is the same: some of the offsets are enough.
    const step = isSecure ? 7 : 1;
    for (let offset = 0; offset < whole.length; offset += step) {
      const { socket } = await connectRaw(caller);
      await new Promise((resolve) => socket.write(whole.subarray(0, offset), resolve));
      await nextTurn();
      if (!isSecure && offset % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
    await expectNoneInFlight(server);
    expect(server.kept).toEqual([]);
    await expectServed(server, caller);
  });

  it('by a half-closed connection: one 400 or silence', async () => {
    const server = await start();
    for (let offset = 0; offset < withLength.length; offset += 3) {
      const { statuses } = await converse(server, {
        writes: [withLength.subarray(0, offset)],
        halfCloses: true,
      });
      expect([[], [400]]).toContainEqual(statuses);
    }
    expect(server.kept).toEqual([]);
    await expectNoneInFlight(server);
    await expectServed(server);
  });

  it('after its last byte: it is kept once, whether or not the answer could be told', async () => {
    const server = await start();
    for (const how of ['resetAndDestroy', 'destroy', 'end'] as const) {
      const { socket } = await connectRaw(server);
      await new Promise((resolve) => socket.write(withLength, resolve));
      await nextTurn();
      await nextTurn();
      socket[how]();
    }
    await expectNoneInFlight(server);
    await eventually(() => expect(server.kept).toHaveLength(3));
    for (const kept of server.kept.splice(0)) expect(Buffer.from(kept.body).toString()).toBe(body);
    await expectServed(server);
  });
});

it('with any bytes changed, added or taken out: no answer too many, and only the signed body is ever kept', async () => {
  const server = await start();
  const body = '{"type":"entity.created","payload":{}}';
  const original = wholeDelivery(body);
  const spice = fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '0',
    'chunked',
    '\r\n\r\n',
    '\xff',
    '%',
  );
  const change = fc.record({
    at: fc.nat({ max: original.length }),
    take: fc.integer({ min: 0, max: 3 }),
    put: fc.oneof(
      spice,
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      server.kept.length = 0;
      let bytes = original.toString('latin1');
      for (const { at, take, put } of changes) bytes = bytes.slice(0, at) + put + bytes.slice(at + take);
      const { statuses, closedBy } = await converse(server, { writes: [bytes], halfCloses: true });
      expect(closedBy).toBe('receiver');
      // A refusal is the last word on a connection that has proven nothing, and there is one 200 for each one kept.
      expect(statuses.slice(0, -1)).toEqual(statuses.slice(0, -1).map(() => 200));
      expect(statuses.filter((status) => status === 200)).toHaveLength(server.kept.length);
      for (const status of statuses) expect([200, 400, 401, 404, 405, 413, 431]).toContain(status);
      for (const { body: kept } of server.kept) expect(Buffer.from(kept).toString()).toBe(body);
      expect(server.kept.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
  await expectServed(server);
});
