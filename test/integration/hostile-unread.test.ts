// Senders that write and never read: what they hold is bounded, they are cut at their bound, and neither memory nor a
// place among the requests in flight is theirs for longer.
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  deliveryHead,
  expectNoneInFlight,
  expectServed,
  hostileServers,
  prove,
} from '../support/raw-socket.ts';
import type { TestServer } from '../support/receiver-server.ts';

const exchangeTimeoutMs = 1_500;
const limits = {
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 1_200,
  checkingIntervalMs: 50,
  exchangeTimeoutMs,
};
const start = hostileServers({ mode: 'signature', inFlightLimit: 100_000, listenerLimits: limits });

/** An unsigned request of exactly so many bytes: a power of two, so that reads end where requests end. */
function requestOf(size: number): string {
  const head = `${deliveryHead}Content-Length: 0\r\nX: `;
  return `${head}${'x'.repeat(size - head.length - 4)}\r\n\r\n`;
}

/** Writes all of it and reads nothing; resolves once the receiver has begun to answer. */
async function floodUnread(
  server: TestServer,
  { text, isProven }: { text: string; isProven: boolean },
): Promise<{ closed: Promise<unknown>; socket: net.Socket }> {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect({ host: hostname, port: Number(port) });
  await once(socket, 'connect');
  if (isProven) await prove(socket);
  server.kept.length = 0;
  server.lines.length = 0;
  socket.pause();
  // A reset is how the receiver's end looks to somebody who did not read.
  const closed = new Promise((resolve) => socket.on('error', resolve).once('close', resolve));
  socket.write(text);
  await eventually(() => expect(server.lines.length).toBeGreaterThan(0));
  return { closed, socket };
}

const inFlight = (server: TestServer) =>
  server.metrics.inFlight.get().then(({ values }) => values[0]?.value ?? 0);

describe('a sender of 10,000 requests that has a proof and reads no answer', () => {
  it.each([
    ['whose reads end with a request', 256],
    ['whose reads end within one', 250],
  ])('%s: frees its places in flight at the bound, and others are served all along', async (_name, size) => {
    const server = await start();
    const text = requestOf(size).repeat(10_000);
    const { closed, socket } = await floodUnread(server, { text, isProven: true });
    let held = 0;
    await eventually(
      async () => {
        await expectServed(server);
        held = Math.max(held, await inFlight(server));
        // Only a write shows somebody who does not read that the other side has gone.
        socket.write(requestOf(size));
        expect(socket.destroyed).toBe(true);
      },
      { timeoutMs: 25_000, everyMs: 100 },
    );
    await closed;
    await expectNoneInFlight(server);
    // One read of 64 kB is all that is taken in before the answers have to leave.
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(1_024);
    expect(server.kept).toEqual([]);
    await expectServed(server);
  });
});

it('14 strangers that write 2,000 requests each and read nothing hold no place, and cost no delivery its 200', async () => {
  const server = await start({ inFlightLimit: 64, listenerLimits: {} });
  const text = requestOf(256).repeat(2_000);
  const strangers = Array.from({ length: 14 }, () => floodUnread(server, { text, isProven: false }));
  await Promise.all([...strangers, ...Array.from({ length: 20 }, () => expectServed(server))]);
  for (let number = 0; number < 20; number += 1) await expectServed(server);
  await expectNoneInFlight(server);
  for (const { socket } of await Promise.all(strangers)) socket.destroy();
  const { values } = await server.metrics.deliveries.get();
  const outcomes = Object.fromEntries(values.map(({ labels, value }) => [labels['outcome'], value]));
  // One refusal each, be it for the signature or for the surplus, and what had been begun before it.
  expect(outcomes['accepted']).toBe(40);
  expect(outcomes['REQUEST_TIMEOUT']).toBeUndefined();
  expect(outcomes['SIGNATURE_MISSING']).toBeLessThanOrEqual(14 * 4);
});

it('what is written behind an answer that ends the connection is not read on and on', async () => {
  const server = await start();
  const { hostname, port } = new URL(server.url);
  const socket = net.connect({ host: hostname, port: Number(port) });
  const closed = new Promise((resolve) => socket.on('error', resolve).once('close', resolve));
  await once(socket, 'connect');
  const block = Buffer.alloc(1_000_000, 'a');
  socket.write(`${deliveryHead}Content-Length: 1000000000\r\n\r\n`);
  const pump = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', pump).resume();
  pump();
  await closed;
  expect(socket.bytesWritten - socket.writableLength).toBeLessThan(50_000_000);
  await expectServed(server);
});
