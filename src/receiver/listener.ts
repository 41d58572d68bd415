// The public socket: its limits, its certificates, and its orderly end.
// Never leaves a bound to a default: each of them is named here, because node's own are minutes or none.
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionErrors } from './connection-errors.ts';
import { trackConnections } from './open-connections.ts';
import { secureContextOptions, tlsServerOptions, type TlsMaterial } from './tls-server.ts';
import type { CertificateRefusal } from './verify-delivery.ts';

export interface ListenerLimits {
  readonly maxHeaderBytes: number;
  /** From the connection, or the end of the answer before, to the end of the head. */
  readonly headersTimeoutMs: number;
  /** To the end of the body. Lean itself waits 10 s for its answer. */
  readonly requestTimeoutMs: number;
  /** Longer than the 60 s after which load balancers let go of a connection, so that theirs is the last word. */
  readonly keepAliveTimeoutMs: number;
  /** How often the three above are looked at. */
  readonly checkingIntervalMs: number;
  /** An older one ends with its next answer, so that its peer is verified anew: an issuer may have expired since. */
  readonly maxConnectionAgeMs: number;
}

const defaultLimits: ListenerLimits = {
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  checkingIntervalMs: 500,
  maxConnectionAgeMs: 3_600_000,
};

/** How long the last answer may take to leave before its connection is cut, once nothing else is in flight. */
const flushMs = 250;

export interface ListenerOptions {
  readonly tls: TlsMaterial | null;
  /** Says no to the peer of a finished handshake, or lets it in with null. null: node:tls decides by its own verdict. */
  readonly judgePeer: ((socket: TLSSocket) => CertificateRefusal | null) | null;
  readonly maxConnections: number;
  readonly errors: ConnectionErrors;
  readonly limits: Partial<ListenerLimits>;
  readonly handle: RequestListener;
}

export interface Listener {
  readonly server: http.Server;
  listen(address: { host: string; port: number }): Promise<number>;
  replaceTls(material: TlsMaterial): void;
  /** True when the next answer must end this connection: we are closing, or its peer has to be verified anew. */
  mustClose(socket: Socket): boolean;
  drain(options: { timeoutMs: number }): Promise<void>;
}

export function createListener(options: ListenerOptions): Listener {
  const { errors, maxConnections } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const server = createServer(options, limits);
  server.maxConnections = maxConnections;
  // An expectation nobody knows is no reason to answer 417 and lose a delivery; 100-continue is node's.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('drop', errors.dropped);
  server.on('tlsClientError', errors.handshakeFailed);

  const connections = trackConnections(server, { maxAgeMs: limits.maxConnectionAgeMs });
  if (options.tls?.clients && options.judgePeer)
    refusePeers(server, { errors, judgePeer: options.judgePeer });
  const requests = trackRequests(server);
  let draining = false;
  let material = options.tls;

  return {
    server,
    async listen(address) {
      const port = await listen(server, address);
      // A connection that could not be accepted is not the end of the others.
      server.on('error', errors.acceptFailed);
      return port;
    },
    replaceTls(next) {
      if (!(server instanceof https.Server)) return;
      const trustChanged = trustOf(next) !== trustOf(material);
      server.setSecureContext(secureContextOptions(next));
      material = next;
      if (trustChanged) connections.forgetTrust();
    },
    mustClose: (socket) => draining || !connections.isCurrent(socket),
    async drain({ timeoutMs }) {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const answered = requests.whenNone().then(() => delay(flushMs));
      await Promise.race([closed, answered, delay(timeoutMs)]);
      connections.destroyAll();
      await closed;
    },
  };
}

/**
 * Ahead of node:http, which takes hold of the connection in the same event: a request that came together with the end of
 * the handshake would be read although the socket is destroyed.
 */
function refusePeers(
  server: http.Server,
  { judgePeer, errors }: { judgePeer: NonNullable<ListenerOptions['judgePeer']>; errors: ConnectionErrors },
): void {
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    try {
      const refusal = judgePeer(socket);
      if (refusal === null) return;
      errors.peerRefused(refusal, socket);
    } catch (error) {
      // A mistake of ours in here must neither let anybody in nor end the process.
      errors.handshakeFailed(error instanceof Error ? error : new Error('not judged'), socket);
    }
    socket.destroy();
  });
}

function createServer({ tls, judgePeer, handle }: ListenerOptions, bounds: ListenerLimits): http.Server {
  const parser = {
    maxHeaderSize: bounds.maxHeaderBytes,
    headersTimeout: bounds.headersTimeoutMs,
    requestTimeout: bounds.requestTimeoutMs,
    keepAliveTimeout: bounds.keepAliveTimeoutMs,
    connectionsCheckingInterval: bounds.checkingIntervalMs,
    insecureHTTPParser: false,
  };
  return tls === null
    ? http.createServer(parser, handle)
    : https.createServer(
        { ...parser, ...tlsServerOptions(tls, { rejectsUnverified: judgePeer === null }) },
        handle,
      );
}

function listen(server: http.Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function trackRequests(server: http.Server): { whenNone(): Promise<void> } {
  let open = 0;
  const waiting: (() => void)[] = [];
  server.on('request', (_request, response) => {
    open += 1;
    response.once('close', () => {
      open -= 1;
      if (open === 0) for (const resolve of waiting.splice(0)) resolve();
    });
  });
  return {
    whenNone: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

function trustOf(material: TlsMaterial | null): string {
  return [material?.clients?.anchors.pem ?? '', ...(material?.clients?.crls?.pems ?? [])].join('\n');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
