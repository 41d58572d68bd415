// Why Redis cannot be reached, in the words of whoever was in the way: also of a Cluster, whose client keeps them to itself.
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openProducerConnection, whenConnected } from '../../src/queue/connections.ts';
import { queueFailureReason } from '../../src/queue/queue-failures.ts';
import { createEngineTls, type EngineTls } from '../support/engine-tls.ts';
import { freePort } from '../support/engines-processes.ts';

let tls: EngineTls;
const closers: (() => unknown)[] = [];
beforeAll(async () => {
  tls = await createEngineTls();
  closers.push(() => tls.remove());
});
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

async function refusalOf(url: string): Promise<unknown> {
  const client = openProducerConnection({ url, deadlineMs: 2_000 });
  try {
    return await whenConnected(client, 2_000).catch((error: unknown) => error);
  } finally {
    client.disconnect();
  }
}

/** With a certificate whose authority nobody here knows. */
async function startStrangersTls(): Promise<number> {
  const args = tls.redisArgs(0);
  const fileOf = (name: string) => readFile(args[args.indexOf(name) + 1] ?? '');
  const server = createTlsServer({
    cert: await fileOf('--tls-cert-file'),
    key: await fileOf('--tls-key-file'),
  });
  server.on('tlsClientError', () => undefined);
  return listening(server);
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

// Beside each other: all of them wait for the same bound.
describe.concurrent('who cannot reach Redis says why', () => {
  const kinds = [
    ['a single server', (port: number) => `127.0.0.1:${port}`],
    ['a Cluster', (port: number) => `127.0.0.1:${port},localhost:${port}`],
  ] as const;

  it.each(kinds)("in OpenSSL's word, where %s has a certificate nobody trusts", async (_, placeOf) => {
    const error = await refusalOf(`rediss://${placeOf(await startStrangersTls())}`);
    expect(error).toMatchObject({
      code: 'QUEUE_UNAVAILABLE',
      message: expect.stringMatching(/no TLS with it, (UNABLE_TO_|SELF_SIGNED_)/),
    });
    expect(queueFailureReason(error)).toBe('connection');
  });

  it.each(kinds)("in the system's word, where nobody listens at %s", async (_, placeOf) => {
    const error = await refusalOf(`redis://${placeOf(await freePort())}`);
    expect(error).toMatchObject({ code: 'QUEUE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } });
    expect(queueFailureReason(error)).toBe('connection');
  });

  it("in the system's word, where nobody listens at the second node of a Cluster and the first hangs up", async () => {
    const hangsUp = await listening(createServer((socket) => void socket.destroy()));
    const error = await refusalOf(`redis://127.0.0.1:${hangsUp},localhost:${await freePort()}`);
    expect(error).toMatchObject({ code: 'QUEUE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } });
  });
});
