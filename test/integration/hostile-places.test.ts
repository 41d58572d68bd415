// Strangers who want all places among the requests in flight, all of the memory or all of the log: they push out each
// other, and Lean's deliveries are answered 200 over new and over kept connections.
import https from 'node:https';
import http from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { connectRaw, send } from '../support/lean-sender.ts';
import {
  converse,
  deliveryHead,
  expectAccepted,
  expectNoneInFlight,
  expectServed,
  hostileServers,
  meanwhile,
  prove,
  wholeDelivery,
} from '../support/raw-socket.ts';
import { testPki } from '../support/pki.ts';
import { testSecret, type TestServer } from '../support/receiver-server.ts';

const start = hostileServers({ mode: 'signature', inFlightLimit: 50 });

async function counted(metric: { get(): Promise<{ values: { labels: object; value: number }[] }> }) {
  const { values } = await metric.get();
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(), value]));
}
const linesOf = (server: TestServer, outcome: string) =>
  server.lines.filter((line) => line['msg'] === 'delivery' && line['outcome'] === outcome);

/** An upload that has begun and does not go on. */
async function upload(server: TestServer, bytes = '{'): Promise<{ received: Promise<string> }> {
  const { socket, received } = await connectRaw(server);
  onTestFinished(() => void socket.destroy());
  socket.write(`${deliveryHead}Content-Length: 60000\r\n\r\n${bytes}`);
  return { received };
}

function keptConnection(): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}

describe('twice as many slow uploads as there are places', () => {
  it('cost no delivery its 200, over a new or over a kept connection; the oldest give way with a 503', async () => {
    const server = await start();
    const agent = keptConnection();
    await expectAccepted({ ...server, agent });
    const uploads: Awaited<ReturnType<typeof upload>>[] = [];
    for (let number = 0; number < 100; number += 1) {
      uploads.push(await upload(server));
      if (number % 10 === 9) await Promise.all([expectServed(server), expectAccepted({ ...server, agent })]);
    }
    await eventually(async () =>
      expect((await counted(server.metrics.overloads))['GAVE_WAY']).toBeGreaterThan(49),
    );
    const [oldest] = uploads;
    expect(await oldest?.received).toMatch(
      /^HTTP\/1\.1 503 [^]*connection: close[^]*\{"code":"OVERLOADED"\}$/i,
    );
    expect(linesOf(server, 'OVERLOADED')[0]).toMatchObject({ overload_reason: 'GAVE_WAY', http_status: 503 });
    expect((await counted(server.metrics.overloads))['NO_PLACE_LEFT']).toBeUndefined();
    expect((await counted(server.metrics.deliveries))['accepted']).toBe(21);
  });

  it('over TLS where the certificate is only looked at, the same', async () => {
    const pki = await testPki();
    const server = await start({ pki, shadow: 'certificate', inFlightLimit: 10 });
    const caller = { url: server.url, serverCaPem: pki.serverCaPem };
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: pki.serverCaPem });
    onTestFinished(() => agent.destroy());
    await expectAccepted({ ...caller, agent });
    for (let number = 0; number < 20; number += 1) {
      const { socket } = await connectRaw(caller);
      onTestFinished(() => void socket.destroy());
      socket.write(`${deliveryHead}Content-Length: 60000\r\n\r\n{`);
    }
    await eventually(async () =>
      expect((await counted(server.metrics.overloads))['GAVE_WAY']).toBeGreaterThan(8),
    );
    await Promise.all([expectServed(server, caller), expectAccepted({ ...caller, agent })]);
  });

  it('a slow upload over a proven connection is not pushed out, and is kept when it is whole', async () => {
    const server = await start();
    const { socket, received } = await connectRaw(server);
    await prove(socket);
    const whole = wholeDelivery('{"slow":true}', { lines: 'Connection: close\r\n' });
    socket.write(whole.subarray(0, -5));
    await eventually(async () => expect((await server.metrics.inFlight.get()).values[0]?.value).toBe(1));
    for (let number = 0; number < 60; number += 1) await upload(server);
    await eventually(async () => expect((await counted(server.metrics.overloads))['GAVE_WAY']).toBe(11));
    socket.write(whole.subarray(-5));
    expect((await received).match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
  });

  it('where certificates are demanded every upload is of somebody we know: the newcomer is refused', async () => {
    const pki = await testPki();
    const server = await start({ pki, mode: 'certificate', inFlightLimit: 3 });
    const caller = { url: server.url, serverCaPem: pki.serverCaPem, identity: pki.lean.webhookClient };
    for (let number = 0; number < 3; number += 1) {
      const { socket } = await connectRaw(caller);
      onTestFinished(() => void socket.destroy());
      socket.write(`${deliveryHead}Content-Length: 60000\r\n\r\n{`);
    }
    await eventually(async () => expect((await server.metrics.inFlight.get()).values[0]?.value).toBe(3));
    expect(await send({ ...caller, body: '{}' })).toMatchObject({ status: 503 });
    expect(linesOf(server, 'OVERLOADED')).toMatchObject([{ overload_reason: 'NO_PLACE_LEFT' }]);
  });
});

it('uploads of strangers hold so many bytes together and no more', async () => {
  const server = await start({ inFlightLimits: { unprovenBytes: 200_000 } });
  const bytes = 'x'.repeat(50_000);
  const uploads: Awaited<ReturnType<typeof upload>>[] = [];
  for (let number = 0; number < 8; number += 1) uploads.push(await upload(server, bytes));
  await eventually(async () => expect(await counted(server.metrics.overloads)).toEqual({ GAVE_WAY: 4 }));
  for (const { received } of uploads.slice(0, 4)) expect(await received).toMatch(/^HTTP\/1\.1 503 /);
  expect((await server.metrics.inFlight.get()).values[0]?.value).toBe(4);
  await expectServed(server);
});

describe('one connection', () => {
  it('that has proven nothing has four requests in flight; the fifth ends it, and the four have their answers', async () => {
    const gate = Promise.withResolvers<number>();
    let appended = 0;
    const append = () => {
      appended += 1;
      return gate.promise;
    };
    const server = await start({ mode: 'none', journal: { append } });
    const ended = converse(server, {
      writes: [Buffer.concat(Array.from({ length: 10 }, () => wholeDelivery('{}')))],
    });
    await eventually(() => expect(appended).toBe(4));
    gate.resolve(1);
    expect((await ended).statuses).toEqual([200, 200, 200, 200, 503]);
    expect(linesOf(server, 'OVERLOADED')).toMatchObject([{ overload_reason: 'PIPELINED' }]);
    expect(await counted(server.metrics.requestsUnread)).toEqual({ '': 5 });
    await expectNoneInFlight(server);
  });

  const forged = `${deliveryHead}Lean-Signature: sha512=00\r\nContent-Length: 2\r\n\r\n{}`;
  it.each([
    ['a wrong signature', forged],
    ['none', `${deliveryHead}Content-Length: 2\r\n\r\n{}`],
  ])('that has proven nothing ends with a refusal: %s', async (_what, refused) => {
    const server = await start();
    const { statuses, answers, closedBy } = await converse(server, {
      writes: [refused, wholeDelivery('{}')],
      writesOn: true,
    });
    expect(statuses).toEqual([401]);
    expect(answers[0]?.headers.get('connection')).toBe('close');
    expect(closedBy).toBe('receiver');
    expect(server.kept).toEqual([]);
  });

  it('that has a proof outlives refusals', async () => {
    const server = await start();
    const last = wholeDelivery('{}', { lines: 'Connection: close\r\n' });
    const { statuses } = await converse(server, {
      isProven: true,
      writes: [forged, forged, last],
      writesOn: true,
    });
    expect(statuses).toEqual([401, 401, 200]);
  });

  it('has its proof by an authentic delivery, also by one that could not be kept', async () => {
    const journal = { append: () => Promise.reject(new Error('of the test')) };
    const server = await start({ journal });
    const { statuses, answers } = await converse(server, {
      writes: [wholeDelivery('{}'), wholeDelivery('{}', { lines: 'Connection: close\r\n' })],
      writesOn: true,
    });
    expect(statuses).toEqual([503, 503]);
    expect(answers[0]?.headers.get('keep-alive')).toBe('timeout=75');
  });

  it('is promised no longer patience than it has', async () => {
    const server = await start({ mode: 'none' });
    const agent = keptConnection();
    const { headers } = await send({ ...server, agent, body: '{}' });
    expect(headers.connection).toBe('keep-alive');
    expect(headers).not.toHaveProperty('keep-alive');
    const proving = await start();
    const proven = await send({ ...proving, agent: keptConnection(), body: '{}', secret: testSecret });
    expect(proven.headers).toMatchObject({ connection: 'keep-alive', 'keep-alive': 'timeout=75' });
  });
});

describe('the log', () => {
  it('has no line for what is written behind the answer that ends a connection', async () => {
    const server = await start();
    const flood = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20_000);
    const { statuses } = await converse(server, { writes: [flood] });
    expect(statuses).toEqual([404]);
    await expectServed(server);
    expect(server.lines.length).toBeLessThan(5);
    const outcomes = await counted(server.metrics.deliveries);
    expect(outcomes).toEqual({ NOT_FOUND: 1, accepted: 1 });
    expect((await counted(server.metrics.requestsUnread))['']).toBeGreaterThan(1_000);
  });

  it('has some of very many refusals, says how many it left out, and has every delivery', async () => {
    const server = await start();
    const refused = async () => {
      for (let number = 0; number < 40; number += 1)
        expect(await send({ ...server, body: '{}' })).toMatchObject({ status: 401 });
    };
    await Promise.all(Array.from({ length: 5 }, refused));
    for (let number = 0; number < 80; number += 1) await expectServed(server);
    expect(linesOf(server, 'SIGNATURE_MISSING').length).toBeLessThan(120);
    await eventually(() => expect(linesOf(server, 'accepted')).toHaveLength(80));
    expect(await counted(server.metrics.deliveries)).toEqual({ SIGNATURE_MISSING: 200, accepted: 80 });
    await eventually(
      async () => {
        await send({ ...server, body: '{}' });
        expect(linesOf(server, 'SIGNATURE_MISSING').at(-1)?.['unlogged']).toBeGreaterThan(0);
      },
      { everyMs: 200 },
    );
  });

  it('has every OVERLOADED of a proven connection', async () => {
    let isFull = false;
    const server = await start({ journalFull: () => isFull });
    for (let number = 0; number < 70; number += 1) {
      isFull = false;
      const { socket, received } = await connectRaw(server);
      await prove(socket);
      isFull = true;
      socket.write(wholeDelivery('{}'));
      expect(await received).toMatch(/\{"code":"OVERLOADED"\}$/);
    }
    await eventually(() => expect(linesOf(server, 'OVERLOADED')).toHaveLength(70));
    expect(await counted(server.metrics.overloads)).toEqual({ JOURNAL_FULL: 70 });
  });
});

it('a flood of unsigned requests on kept connections costs good deliveries neither their 200 nor their time', async () => {
  const server = await start({ inFlightLimit: 1_024 });
  const agent = keptConnection();
  await expectAccepted({ ...server, agent });
  const flood = `${deliveryHead}Content-Length: 0\r\n\r\n`.repeat(4_000);
  const strangers = Array.from({ length: 8 }, async () => {
    for (let again = 0; again < 2; again += 1) await converse(server, { writes: [flood], writesOn: true });
  });
  let served = 0;
  await meanwhile(Promise.all(strangers), async () => {
    await Promise.all([expectServed(server), expectAccepted({ ...server, agent })]);
    served += 2;
  });
  expect(served).toBeGreaterThan(4);
  expect((await counted(server.metrics.deliveries))['accepted']).toBe(served + 1);
  expect(await counted(server.metrics.overloads)).not.toHaveProperty('NO_PLACE_LEFT');
  expect(server.lines.length - served).toBeLessThan(250);
});
