// Lean's API as a real HTTPS server over simulated customers: wants our client certificate and our credentials, keeps a
// log of the calls, and goes wrong on demand. For tests, demo and development; never part of the service.
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { BankAvailability, SimulatedBank } from './banks.ts';
import { refreshEntity, type SimulatedCustomers } from './customers.ts';
import { faultReply, holdBack } from './fault-replies.ts';
import { createAdmission, type Admission, type PresentedCredentials } from './lean-admission.ts';
import { createFaultQueue, type Fault, type FaultQueue } from './lean-faults.ts';
import { answerCall, asksForAsync } from './lean-routes.ts';
import type { OAuthOptions } from './lean-tokens.ts';
import { createWorld, existingEntity, laterThan, type LeanChanges, type World } from './lean-world.ts';
import { bodyMembers, type ApiCall, type ApiReply, type Dialect } from './route-helpers.ts';
import type { WebhookEvent } from './webhook-bodies.ts';

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
  /** Opens `POST /oauth2/token` on this server. Absent: no token is ever given out. */
  oauth?: OAuthOptions;
  /** What a call must carry; default `either` with `oauth`, else `app-token`. A token that is presented must be valid. */
  accepts?: 'app-token' | 'bearer' | 'either' | 'both';
  /** Serves the data paths of one dialect only; `v1` gives entities in v1's form too. Default: the data paths of both. */
  dialect?: Dialect;
  /** False: `GET /events/v1` is not there, as in Saudi Arabia. Default true; it takes a bearer token only. */
  hasEventsApi?: boolean;
  /** Lean's clock, for tokens, ninety days of events, new instants and the `date` of a reply. Default: the machine's. */
  now?: () => number;
  /** Default 0: any free one. */
  port?: number;
  host?: string;
  /** Called before every call is answered, with the customers to be served from then on. */
  beforeCall?: () => Promise<SimulatedCustomers>;
  /** Called when a call was answered, or left without an answer by a fault. */
  onCall?: (call: RecordedCall) => void;
  /** A reply was held back by the fault `pending` or by `async`: results.ready can be sent after `finishResults`. */
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
  credentials: PresentedCredentials;
  correlationId: string;
}

export interface LeanServer extends LeanChanges {
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** Where tokens are asked for, with `oauth`. */
  readonly tokenUrl: string;
  readonly port: number;
  /** Every call but those for a token. */
  readonly calls: readonly RecordedCall[];
  readonly tokenCalls: readonly RecordedCall[];
  readonly faults: FaultQueue;
  /** Meet the token endpoint only, as `faults` meet everything else. */
  readonly tokenFaults: FaultQueue;
  /** How a bank is right now, as `GET /banks/v1` tells. */
  availabilityOf(bank: SimulatedBank): BankAvailability;
  /** Every token given out so far is refused from now on. */
  expireTokens(): void;
  /** Lets `GET /events/v1` know of events, before they are sent. */
  recordEvents(events: readonly WebhookEvent[]): void;
  close(): Promise<void>;
}

const tokenPath = '/oauth2/token';

export async function startLeanServer(options: LeanServerOptions): Promise<LeanServer> {
  const world = createWorld(options);
  const admission = createAdmission(world, options);
  const faults = createFaultQueue();
  const tokenFaults = createFaultQueue();
  const calls: RecordedCall[] = [];
  const tokenCalls: RecordedCall[] = [];
  const { leanServer, leanChainPem } = options.pki;
  const server = createServer({
    cert: leanServer.chainPem,
    key: leanServer.keyPem,
    ca: leanChainPem,
    requestCert: options.requireClientCertificate,
    // Lean answers a bad certificate with a body, so the handshake lets it through to the admission.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  const rawSockets = new Map<number, Socket>();
  server.on('connection', (socket: Socket) => {
    const { remotePort = 0 } = socket;
    rawSockets.set(remotePort, socket);
    socket.once('close', () => rawSockets.delete(remotePort));
  });
  server.on('request', (request, response) => {
    const reset = () => rawSockets.get(request.socket.remotePort ?? 0)?.resetAndDestroy();
    const forToken = options.oauth !== undefined && pathOf(request).pathname === tokenPath;
    const record = forToken ? { calls: tokenCalls, faults: tokenFaults } : { calls, faults };
    serve({ options, world, admission, forToken, reset, ...record }, request, response).catch(() =>
      response.destroy(),
    );
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = `https://127.0.0.1:${port}`;
  return {
    ...world.changes,
    url,
    tokenUrl: `${url}${tokenPath}`,
    port,
    calls,
    tokenCalls,
    faults,
    tokenFaults,
    availabilityOf: (bank) => world.bankState(bank).availability,
    expireTokens: () => admission.expireTokens(),
    recordEvents: (events) => world.events.record(events),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of rawSockets.values()) socket.destroy();
      await closed;
    },
  };
}

interface Serving {
  options: LeanServerOptions;
  world: World;
  admission: Admission;
  forToken: boolean;
  faults: FaultQueue;
  calls: RecordedCall[];
  reset: () => void;
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { options, world, admission, faults } = serving;
  const body = await readBody(request);
  if (options.beforeCall) world.customers = await options.beforeCall();
  const url = pathOf(request);
  const method = request.method ?? 'GET';
  const { credentials, hasBearer, refused } = admission.judge(request);
  const call = { method, path: url.pathname, query: url.searchParams, body, hasBearer };
  const correlationId = correlationIdOf(request) ?? world.newId();
  const record = recordOf({ call, search: url.search, credentials, correlationId });
  serving.calls.push(record);
  response.once('close', () => options.onCall?.(record));
  const isRefused = refused !== null && !serving.forToken;
  const target = url.pathname + url.search;
  const fault = isRefused ? null : faults.take({ method, target, body });
  record.fault = fault?.kind ?? null;
  if (fault?.kind === 'half-open') return;
  if (fault?.kind === 'reset') {
    serving.reset();
    return;
  }
  if (fault?.kind === 'delay') await waitUnlessClosed(response, fault.ms);
  if (fault?.kind === 'refresh' && record.entityId !== null) {
    const entity = existingEntity(world.customers, record.entityId);
    refreshEntity(entity, { at: laterThan(entity.refreshedAt, world.nowMs()) });
  }
  const usual = () => {
    if (serving.forToken) return admission.answerTokenCall({ method, body });
    return refused ?? answerCall(world, call);
  };
  const { onResultsPending } = options;
  const faulted = { call, usual, onResultsPending };
  const reply = fault
    ? faultReply(world, fault, faulted)
    : refused === null && !serving.forToken
      ? answerAsAsked(world, faulted)
      : usual();
  record.httpStatus = reply.httpStatus;
  const headers = {
    'content-type': reply.contentType ?? 'application/json',
    'lean-correlation-id': record.correlationId,
    'lean-trace-id': world.newId().replaceAll('-', ''),
    date: new Date(world.nowMs()).toUTCString(),
    ...faultHeaders(fault),
  };
  await write(response, { fault, reply, headers, reset: serving.reset });
}

/** `async` in the request gets PENDING for data that can be had: 202 in v2, 200 in v1. */
function answerAsAsked(world: World, faulted: Parameters<typeof holdBack>[1]): ApiReply {
  const dialect = asksForAsync(faulted.call);
  const reply = faulted.usual();
  if (dialect === null || reply.httpStatus !== 200) return reply;
  return holdBack(world, { ...faulted, usual: () => reply }, dialect === 'v2' ? 202 : 200);
}

interface Answer {
  fault: Fault | null;
  reply: ApiReply;
  headers: Record<string, string>;
  reset: () => void;
}

async function write(response: ServerResponse, { fault, reply, headers, reset }: Answer): Promise<void> {
  if (fault?.kind !== 'cut' && fault?.kind !== 'slow') {
    response.writeHead(reply.httpStatus, headers).end(reply.body);
    return;
  }
  const bytes = Buffer.from(reply.body);
  response.writeHead(reply.httpStatus, { ...headers, 'content-length': String(bytes.length) });
  if (fault.kind === 'cut') {
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => reset());
    return;
  }
  const pieces = 8;
  const length = Math.ceil(bytes.length / pieces);
  for (let piece = 0; piece < pieces && !response.destroyed; piece += 1) {
    response.write(bytes.subarray(piece * length, (piece + 1) * length));
    await waitUnlessClosed(response, fault.ms / pieces);
  }
  response.end();
}

function recordOf(facts: {
  call: ApiCall;
  search: string;
  credentials: PresentedCredentials;
  correlationId: string;
}): RecordedCall {
  const { call, search, credentials, correlationId } = facts;
  const inPath = /\/entities\/([^/]+)/.exec(call.path)?.[1];
  return {
    at: new Date().toISOString(),
    method: call.method,
    path: call.path,
    query: search,
    entityId: call.query.get('entity_id') ?? inPath ?? bodyMembers(call.body).get('entity_id') ?? null,
    httpStatus: null,
    fault: null,
    credentials,
    correlationId,
  };
}

function correlationIdOf({ headers }: IncomingMessage): string | null {
  const given = headers['lean-correlation-id'];
  return given === undefined ? null : String(given);
}

function pathOf(request: IncomingMessage): URL {
  return new URL(request.url ?? '/', 'https://lean.invalid');
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
