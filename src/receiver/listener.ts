// The public socket: its limits, its certificates, and its orderly end.
// Never leaves a bound to a default: each of them is named here, because node's own are minutes or none.
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { ConnectionErrors } from './connection-errors.ts';
import { secureContextOptions, tlsServerOptions, type TlsMaterial } from './tls-server.ts';

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
}

const defaultLimits: ListenerLimits = {
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  checkingIntervalMs: 500,
};

/** How long the last answer may take to leave before its connection is cut, once nothing else is in flight. */
const flushMs = 250;

interface ListenerOptions {
  readonly tls: TlsMaterial | null;
  readonly maxConnections: number;
  readonly errors: ConnectionErrors;
  readonly limits: Partial<ListenerLimits>;
  readonly handle: RequestListener;
}

export interface Listener {
  readonly server: http.Server;
  listen(address: { host: string; port: number }): Promise<number>;
  replaceTls(material: TlsMaterial): void;
  /** True when the answer must end this connection: we are closing, or it was verified under former anchors. */
  isClosing(socket: Socket): boolean;
  drain(options: { timeoutMs: number }): Promise<void>;
}

export function createListener(options: ListenerOptions): Listener {
  const { errors, maxConnections } = options;
  const server = createServer(options);
  server.maxConnections = maxConnections;
  // An expectation nobody knows is no reason to answer 417 and lose a delivery; 100-continue is node's.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('drop', errors.dropped);
  server.on('tlsClientError', errors.handshakeFailed);

  const sockets = trackSockets(server);
  const requests = trackRequests(server);
  let draining = false;
  let material = options.tls;
  /** Connections whose peer was verified against the anchors and the revocation list in force. */
  let verified = new WeakSet<Socket>();
  server.on('secureConnection', (socket: Socket) => verified.add(socket));

  return {
    server,
    listen: (address) => listen(server, address),
    replaceTls(next) {
      if (!(server instanceof https.Server)) return;
      const trustChanged = trustOf(next) !== trustOf(material);
      server.setSecureContext(secureContextOptions(next));
      material = next;
      if (!trustChanged) return;
      verified = new WeakSet();
      server.closeIdleConnections();
    },
    isClosing: (socket) => draining || (material !== null && !verified.has(socket)),
    async drain({ timeoutMs }) {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const answered = requests.whenNone().then(() => delay(flushMs));
      await Promise.race([closed, answered, delay(timeoutMs)]);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createServer({ tls, limits, handle }: ListenerOptions): http.Server {
  const bounds = { ...defaultLimits, ...limits };
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
    : https.createServer({ ...parser, ...tlsServerOptions(tls) }, handle);
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

/** Every connection below TLS, so that half a handshake cannot keep the process from ending. */
function trackSockets(server: http.Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
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
  return [material?.clients?.anchors.pem ?? '', ...(material?.clients?.crls ?? [])].join('\n');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
