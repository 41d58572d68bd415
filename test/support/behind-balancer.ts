// A receiver behind a real load balancer, for one block of tests: deliveries through it, and what became of each.
// Skips the block by name where the load balancer is not on this machine.
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { z } from 'zod';
import { findBalancer, startBalancer, type Balancer, type BalancerOptions } from './balancers.ts';
import { send, type Reply, type Sending } from './lean-sender.ts';
import type { Identity, Pki } from './pki.ts';
import { anchorsOf, startTestServer, testSecret, type TestServer } from './receiver-server.ts';

export type BalancerFormat = 'nginx' | 'haproxy';

export interface BehindBalancerOptions {
  readonly kind: BalancerFormat;
  /** Made by the time the tests run. */
  readonly pki: () => Pki;
  /** See BalancerOptions. */
  readonly changes?: NonNullable<BalancerOptions['changes']>;
}

interface BehindBalancer {
  readonly url: () => string;
  readonly receiver: () => TestServer;
  /** Between the load balancer and the receiver: all there ever were. */
  readonly connectionsToReceiver: () => number;
  deliver(identity: Identity | undefined, changes?: Partial<Sending>): Promise<Delivered>;
}

interface Delivered {
  /**
   * `accepted` or the code of the receiver's answer; `nginx 400` for an answer of the load balancer's own, and `handshake`
   * when it broke that off.
   */
  readonly outcome: string;
  readonly status: number;
  /** How many deliveries were made durable meanwhile. */
  readonly kept: number;
}

/** Starts before the tests of the block that calls it and ends after them. */
export function behindBalancer({ kind, pki, changes = [] }: BehindBalancerOptions): BehindBalancer {
  let running: { receiver: TestServer; relay: Relay; balancer: Balancer } | undefined;
  beforeAll(async () => {
    if (findBalancer(kind) === undefined) return;
    const receiver = await startReceiver(kind, pki());
    const relay = await startRelay(Number(new URL(receiver.url).port));
    const balancer = await startBalancer({ kind, pki: pki(), receiverPort: relay.port, changes });
    running = { receiver, relay, balancer };
  });
  beforeEach((context) => context.skip(findBalancer(kind) === undefined, `${kind} is not on this machine`));
  afterAll(async () => {
    await running?.balancer.close();
    await running?.relay.close();
    await running?.receiver.close();
  });

  const started = () => {
    if (running === undefined) throw new Error('not started');
    return running;
  };
  return {
    url: () => started().balancer.url,
    receiver: () => started().receiver,
    connectionsToReceiver: () => started().relay.connections(),
    async deliver(identity, sendingChanges = {}) {
      const { url } = started().balancer;
      const { kept } = started().receiver;
      const before = kept.length;
      const body = '{"type":"entity.created"}';
      const { serverCaPem } = pki();
      const sending = { url, serverCaPem, identity, body, secret: testSecret, ...sendingChanges };
      const answer = await outcomeOf(send(sending));
      return { ...answer, kept: kept.length - before };
    },
  };
}

function startReceiver(format: BalancerFormat, pki: Pki): Promise<TestServer> {
  const clients = { anchors: anchorsOf(pki.leanChainPem), crls: null };
  const forwarded = { format, trusted: ['127.0.0.1/32'], clients };
  return startTestServer({ mode: 'certificate', pki: null, forwarded });
}

const ownBody = z.union([
  z.strictObject({ outcome: z.string() }).transform(({ outcome }) => outcome),
  z.strictObject({ code: z.string() }).transform(({ code }) => code),
]);

async function outcomeOf(sent: Promise<Reply>): Promise<Omit<Delivered, 'kept'>> {
  try {
    const { status, headers, body } = await sent;
    const isOwn = headers['content-type'] === 'application/json; charset=utf-8';
    const server = String(headers.server).split('/', 1).join('');
    return { status, outcome: isOwn ? ownBody.parse(JSON.parse(body)) : `${server} ${status}` };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (/^ERR_SSL_|^ECONNRESET$/.test(code)) return { status: 0, outcome: 'handshake' };
    throw error;
  }
}

/** The headers a caller would have to get past the load balancer to be taken for the owner of a certificate. */
export function forwardedHeaders(kind: BalancerFormat, { certPem, chainPem }: Identity): [string, string][] {
  if (kind === 'nginx')
    return [
      ['X-SSL-Client-Cert', encodeURIComponent(certPem)],
      ['X-SSL-Client-Verify', 'SUCCESS'],
    ];
  const [leaf = '', ...rest] = chainPem.match(/-----BEGIN[^-]+-----([^-]+)/g) ?? [];
  return [
    ['X-SSL-Client-Cert', der(leaf).toString('base64')],
    ['X-SSL-Client-Chain', Buffer.concat(rest.map(der)).toString('base64')],
  ];
}

function der(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/, ''), 'base64');
}

interface Relay {
  readonly port: number;
  readonly connections: () => number;
  close(): Promise<void>;
}

async function startRelay(to: number): Promise<Relay> {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((from) => {
    connections += 1;
    const target = net.connect(to, '127.0.0.1');
    for (const socket of [from, target]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
    }
    from.pipe(target).pipe(from);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    connections: () => connections,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
