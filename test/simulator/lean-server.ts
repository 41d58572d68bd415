// Lean's API as a real HTTPS server over simulated customers: wants our client certificate and app token, keeps a log
// of the calls, and goes wrong on demand. For tests, demo and development; never part of the service.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { findEntity, refreshEntity, type SimulatedCustomers, type SimulatedEntity } from './customers.ts';
import { createFaultQueue, type Fault, type FaultQueue } from './lean-faults.ts';
import { answerCall, failure, type ApiReply, type ApiWorld } from './lean-routes.ts';
import { createRandom } from './random.ts';
import { emptyReply } from './reply-bodies.ts';

export interface LeanServerOptions {
  pki: {
    leanServer: { chainPem: string; keyPem: string };
    leanChainPem: string;
    application: { certPem: string };
  };
  customers: SimulatedCustomers;
  appToken: string;
  /** True plays the mTLS hosts: only our application's certificate is served. */
  requireClientCertificate: boolean;
  /** Default 0: any free one. */
  port?: number;
  host?: string;
  /** Called before every call is answered, with the customers to be served from then on. */
  beforeCall?: () => Promise<SimulatedCustomers>;
  /** Called when a call was answered, or left without an answer by a fault. */
  onCall?: (call: RecordedCall) => void;
  /** A reply was held back by the fault `pending`: results.ready can be sent after `finishResults`. */
  onResultsPending?: (resultsId: string) => void;
  /** A refresh was asked for over the API; it stays PENDING until `finishRefresh`. */
  onRefreshStarted?: (refresh: { entityId: string; refreshId: string }) => void;
}

export interface RecordedCall {
  /** ISO 8601 UTC, milliseconds. */
  at: string;
  method: string;
  path: string;
  query: string;
  entityId: string | null;
  /** Null when the connection ended without an answer. */
  httpStatus: number | null;
  fault: Fault['kind'] | null;
  correlationId: string;
}

export interface LeanServer {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly calls: readonly RecordedCall[];
  readonly faults: FaultQueue;
  /** A refresh from start to end: new transactions, other balances, a later `refreshed_at`. Gives the refresh id. */
  refresh(entityId: string): string;
  /** Ends a refresh that was asked for over the API. */
  finishRefresh(refreshId: string): void;
  /** Lets the results endpoint know a results id that was PENDING. */
  finishResults(resultsId: string): void;
  close(): Promise<void>;
}

export async function startLeanServer(options: LeanServerOptions): Promise<LeanServer> {
  const world = createWorld(options);
  const faults = createFaultQueue();
  const calls: RecordedCall[] = [];
  const { leanServer, leanChainPem } = options.pki;
  const server = createServer({
    cert: leanServer.chainPem,
    key: leanServer.keyPem,
    ca: leanChainPem,
    requestCert: options.requireClientCertificate,
    // Lean answers a bad certificate with a body, so the handshake lets it through to the check below.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  const rawSockets = new Map<number, Socket>();
  server.on('connection', (socket: Socket) => {
    const { remotePort = 0 } = socket;
    rawSockets.set(remotePort, socket);
    socket.once('close', () => rawSockets.delete(remotePort));
  });
  const pki = { applicationFingerprint: new X509Certificate(options.pki.application.certPem).fingerprint256 };
  server.on('request', (request, response) => {
    const reset = () => rawSockets.get(request.socket.remotePort ?? 0)?.resetAndDestroy();
    serve({ options, world, faults, calls, reset, ...pki }, request, response).catch(() =>
      response.destroy(),
    );
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    calls,
    faults,
    refresh(entityId) {
      const entity = entityOf(world.customers, entityId);
      const { refreshId } = world.startRefresh(entity) ?? { refreshId: pendingRefresh(entity) };
      world.finishRefresh(refreshId);
      return refreshId;
    },
    finishRefresh: (refreshId) => world.finishRefresh(refreshId),
    finishResults: (resultsId) => world.finishResults(resultsId),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of rawSockets.values()) socket.destroy();
      await closed;
    },
  };
}

interface World extends ApiWorld {
  finishRefresh(refreshId: string): void;
  holdResults(resultsId: string, reply: ApiReply): void;
  finishResults(resultsId: string): void;
}

function createWorld(options: LeanServerOptions): World {
  const random = createRandom(`${options.customers.seed}/server`);
  const results = new Map<string, { reply: ApiReply; ready: boolean }>();
  const world: World = {
    customers: options.customers,
    timestamp: () => new Date().toISOString().replace('Z', `${random.digits(6)}Z`),
    newId: () => random.uuid(),
    storedResults(resultsId) {
      const held = results.get(resultsId);
      return held?.ready ? held.reply : null;
    },
    holdResults(resultsId, reply) {
      results.set(resultsId, { reply, ready: false });
    },
    finishResults(resultsId) {
      const held = results.get(resultsId);
      if (held) held.ready = true;
    },
    startRefresh(entity) {
      if (entity.refreshes.some(({ status }) => status === 'PENDING')) return null;
      const refreshId = random.uuid();
      const createdAt = new Date().toISOString();
      entity.refreshes.unshift({ refreshId, status: 'PENDING', createdAt, updatedAt: createdAt });
      options.onRefreshStarted?.({ entityId: entity.entityId, refreshId });
      return { refreshId };
    },
    finishRefresh(refreshId) {
      for (const entity of world.customers.entities) {
        const refresh = entity.refreshes.find((one) => one.refreshId === refreshId);
        if (refresh?.status !== 'PENDING') continue;
        refresh.status = 'FINISHED';
        refresh.updatedAt = laterThan(entity.refreshedAt);
        refreshEntity(entity, { at: refresh.updatedAt });
      }
    },
  };
  return world;
}

interface Serving {
  options: LeanServerOptions;
  world: World;
  faults: FaultQueue;
  calls: RecordedCall[];
  applicationFingerprint: string;
  reset: () => void;
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { options, world, faults, calls } = serving;
  const body = await readBody(request);
  if (options.beforeCall) world.customers = await options.beforeCall();
  const url = new URL(request.url ?? '/', 'https://lean.invalid');
  const method = request.method ?? 'GET';
  const call = { method, path: url.pathname, query: url.searchParams, body };
  const correlationId = String(request.headers['lean-correlation-id'] ?? world.newId());
  const record: RecordedCall = {
    at: new Date().toISOString(),
    method,
    path: url.pathname,
    query: url.search,
    entityId: url.searchParams.get('entity_id') ?? /\/entities\/([^/]+)/.exec(url.pathname)?.[1] ?? null,
    httpStatus: null,
    fault: null,
    correlationId,
  };
  calls.push(record);
  response.once('close', () => options.onCall?.(record));
  const refused = refuse(serving, request);
  const fault = refused ? null : faults.take({ method, target: url.pathname + url.search });
  record.fault = fault?.kind ?? null;
  if (fault?.kind === 'half-open') return;
  if (fault?.kind === 'reset') {
    serving.reset();
    return;
  }
  if (fault?.kind === 'delay') await waitUnlessClosed(response, fault.ms);
  if (fault?.kind === 'refresh' && record.entityId !== null) {
    const entity = entityOf(world.customers, record.entityId);
    refreshEntity(entity, { at: laterThan(entity.refreshedAt) });
  }
  const usual = () => refused ?? answerCall(world, call);
  const reply = fault ? faultReply(serving, fault, usual) : usual();
  record.httpStatus = reply.httpStatus;
  const headers = {
    'content-type': 'application/json',
    'lean-correlation-id': correlationId,
    'lean-trace-id': world.newId().replaceAll('-', ''),
    ...faultHeaders(fault),
  };
  response.writeHead(reply.httpStatus, headers).end(reply.body);
}

/** Certificate, then token; null lets the call in. */
function refuse(serving: Serving, request: IncomingMessage): ApiReply | null {
  const { options, world, applicationFingerprint } = serving;
  if (options.requireClientCertificate) {
    const { socket } = request;
    if (!(socket instanceof TLSSocket) || !socket.authorized) {
      const message = 'No client certificate of ours was presented.';
      return failure(world, { httpStatus: 403, status: 'INVALID_CERTIFICATE', message });
    }
    if (socket.getPeerCertificate().fingerprint256 !== applicationFingerprint) {
      const message = 'The certificate does not belong to the app token.';
      return failure(world, { httpStatus: 401, status: 'CERTIFICATE_TOKEN_MISMATCH', message });
    }
  }
  if (request.headers['lean-app-token'] === options.appToken) return null;
  const status = options.requireClientCertificate ? 'CERTIFICATE_TOKEN_MISMATCH' : 'UNAUTHORIZED';
  return failure(world, { httpStatus: 401, status, message: 'The lean-app-token is missing or wrong.' });
}

function faultReply({ world, options }: Serving, fault: Fault, usual: () => ApiReply): ApiReply {
  const resultsId = world.newId();
  const timestamp = world.timestamp();
  switch (fault.kind) {
    case 'error': {
      const { httpStatus, status, message = 'Something has gone wrong.' } = fault;
      return failure(world, { httpStatus, status, message, resultsId });
    }
    case 'reply':
      return { httpStatus: fault.httpStatus, body: fault.body };
    case 'rate-limit': {
      const message = 'Too many requests.';
      return failure(world, { httpStatus: 429, status: 'RATE_LIMIT_EXCEEDED', message });
    }
    case 'pending': {
      world.holdResults(resultsId, usual());
      options.onResultsPending?.(resultsId);
      const message = 'Please wait for a webhook or try again later.';
      const body = emptyReply({ status: 'PENDING', message, resultsId, timestamp });
      return { httpStatus: fault.httpStatus ?? 200, body };
    }
    case 'failed': {
      const { granularStatusCode } = fault;
      const message = 'Your bank is currently experiencing technological problems. Please try again later.';
      const body = emptyReply({ status: 'FAILED', message, resultsId, timestamp, granularStatusCode });
      return { httpStatus: 200, body };
    }
    case 'reconnect-required': {
      const message = 'The user must connect to the bank again.';
      return {
        httpStatus: 200,
        body: emptyReply({ status: 'RECONNECT_REQUIRED', message, resultsId, timestamp }),
      };
    }
    case 'bad-json': {
      const { httpStatus, body } = usual();
      return { httpStatus, body: body.slice(0, Math.floor(body.length / 2)) };
    }
    case 'delay':
    case 'refresh':
    case 'half-open':
    case 'reset':
      return usual();
  }
}

function faultHeaders(fault: Fault | null): Record<string, string> {
  if (fault?.kind === 'rate-limit' && fault.retryAfter !== undefined)
    return { 'retry-after': fault.retryAfter };
  return fault && 'headers' in fault ? (fault.headers ?? {}) : {};
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function waitUnlessClosed(response: ServerResponse, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function entityOf(customers: SimulatedCustomers, entityId: string): SimulatedEntity {
  const entity = findEntity(customers, entityId);
  if (!entity) throw new Error(`the simulator has no entity ${entityId}`);
  return entity;
}

function pendingRefresh(entity: SimulatedEntity): string {
  return entity.refreshes.find(({ status }) => status === 'PENDING')?.refreshId ?? '';
}

/** Now, or a second after `instant` where that is later, so that `refreshed_at` always moves forward. */
function laterThan(instant: string): string {
  return new Date(Math.max(Date.now(), Date.parse(instant) + 1000)).toISOString();
}
