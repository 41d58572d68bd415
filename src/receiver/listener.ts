// The public socket: its limits, its certificates, and its orderly end.
// Never leaves a bound to a default: each of them is named here, because node's own are minutes or none.
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import net, { type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionErrors } from './connection-errors.ts';
import { trackConnections, type OpenConnections } from './open-connections.ts';
import { trackRequests, type OpenRequests } from './open-requests.ts';
import { awaitProxyHeader, type ProxyProtocol } from './proxied-connections.ts';
import { sourceOf } from './sender-address.ts';
import { trackVerifiedPeers } from './verified-peers.ts';
import { secureContextOptions, tlsServerOptions, type TlsMaterial } from '../tls/tls-server.ts';
import type { CertificateRefusal } from '../tls/judge-certificate.ts';

export interface ListenerLimits {
  /** From the connection to the end of its PROXY header, where there has to be one. */
  readonly proxyHeaderTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** From the connection, or the end of the answer before, to the end of the head. */
  readonly headersTimeoutMs: number;
  /** To the end of the body. Lean itself waits 10 s for its answer. */
  readonly requestTimeoutMs: number;
  /** From the head of a request until its answer has left: a sender that does not read is cut. Above both deadlines of an answer. */
  readonly exchangeTimeoutMs: number;
  /** Longer than the 60 s after which load balancers let go of a connection, so that theirs is the last word. */
  readonly keepAliveTimeoutMs: number;
  /** The same for a connection over which no authentic delivery has come. */
  readonly unprovenKeepAliveTimeoutMs: number;
  /** How often the times of head and body are looked at. */
  readonly checkingIntervalMs: number;
  /** An older one ends with its next answer, so that its peer is verified anew: an issuer may have expired since. */
  readonly maxConnectionAgeMs: number;
}

const defaultLimits: ListenerLimits = {
  proxyHeaderTimeoutMs: 2_000,
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  exchangeTimeoutMs: 30_000,
  keepAliveTimeoutMs: 75_000,
  unprovenKeepAliveTimeoutMs: 10_000,
  checkingIntervalMs: 500,
  maxConnectionAgeMs: 3_600_000,
};

/** How long the last answer may take to leave before its connection is cut, once nothing else is in flight. */
const flushMs = 250;

export interface ListenerOptions {
  readonly tls: TlsMaterial | null;
  /** Says no to the peer of a finished handshake, or lets it in with null. null: node:tls decides by its own verdict. */
  readonly judgePeer: ((socket: TLSSocket) => CertificateRefusal | null) | null;
  /** null: connections begin with their own first byte. */
  readonly proxyProtocol: ProxyProtocol | null;
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
  /** Where the sender is: what a PROXY header said, else the peer of TCP. For log lines only, never for trust. */
  sourceOf(socket: Socket): string | undefined;
  /** An authentic delivery came over it: it is not pushed out for a newcomer. */
  markProven(socket: Socket): void;
  isProven(socket: Socket): boolean;
  drain(options: { timeoutMs: number }): Promise<void>;
}

export function createListener(options: ListenerOptions): Listener {
  const { errors } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const server = createServer(options, limits);
  // An expectation nobody knows is no reason to answer 417 and lose a delivery; 100-continue is node's.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('connect', ({ socket }) => {
    // By now node has taken its own listeners off: whatever follows is not kept, a connection that breaks must not end
    // the process, and that it broke has to be noticed.
    socket.on('error', () => socket.destroy()).resume();
    errors.answer(Object.assign(new Error('CONNECT'), { code: 'HPE_INVALID_METHOD' }), socket);
  });

  const peers = trackVerifiedPeers(server, { maxAgeMs: limits.maxConnectionAgeMs });
  const connections = trackConnections(server, { ...options, ...limits, ...errors });
  receiveConnections(server, { options, limits, connections, begin: (socket) => peers.begin(socket) });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET' || !connections.endsInSilence(socket))
      errors.handshakeFailed(error, socket);
  });
  if (options.tls?.clients && options.judgePeer)
    refusePeers(server, { errors, judgePeer: options.judgePeer });
  const requests = trackRequests(server, limits);
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
      if (trustChanged) peers.forgetTrust();
    },
    mustClose: (socket) => draining || !peers.isCurrent(socket),
    sourceOf,
    markProven: (socket) => connections.markProven(socket),
    isProven: (socket) => connections.isProven(socket),
    async drain({ timeoutMs }) {
      draining = true;
      // Not node:http's own close, which cuts idle connections: a request may be on its way over one of them.
      const closed = new Promise<void>((resolve) => net.Server.prototype.close.call(server, () => resolve()));
      await Promise.race([closed, whenQuiet(requests), delay(timeoutMs)]);
      connections.destroyAll();
      await closed;
    },
  };
}

/** No request for so long that none can be on its way any more, over a connection that was told of the end. */
async function whenQuiet(requests: OpenRequests): Promise<void> {
  do {
    await requests.whenNone();
    await delay(flushMs);
  } while (requests.any());
}

interface Reception {
  readonly options: ListenerOptions;
  readonly limits: ListenerLimits;
  readonly connections: OpenConnections;
  readonly begin: (socket: Socket) => void;
}

/**
 * Puts what has to happen first in front of node's own 'connection' listeners, which start TLS or HTTP: finding room, and
 * reading the PROXY header. The server stays the one that listens, counts and closes.
 */
function receiveConnections(server: http.Server, { options, limits, connections, begin }: Reception): void {
  const { proxyProtocol, errors } = options;
  const starters = server.listeners('connection');
  server.removeAllListeners('connection');

  function start(socket: Socket): void {
    begin(socket);
    for (const starter of starters) starter.call(server, socket);
  }

  server.on('connection', (socket: Socket) => {
    if (!connections.enter(socket)) return;
    if (proxyProtocol === null) return start(socket);
    awaitProxyHeader(socket, {
      proxyProtocol,
      timeoutMs: limits.proxyHeaderTimeoutMs,
      received({ bytes, source }) {
        if (connections.proxied(socket, { bytes, address: source?.address })) start(socket);
      },
      refused(reason) {
        errors.proxyRefused(reason, socket);
        socket.destroy();
      },
    });
  });
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
    // Whoever handles the request refuses it then, so that it has an answer of ours, a line and a count.
    requireHostHeader: false,
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

function trustOf(material: TlsMaterial | null): string {
  return [material?.clients?.anchors.pem ?? '', ...(material?.clients?.crls?.pems ?? [])].join('\n');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
