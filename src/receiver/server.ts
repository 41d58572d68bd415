// The public HTTP listener around the judgements: reads one POST as raw bytes and says what became of it.
// Never answers 200 before the bytes are durable, and never answers with a byte of the request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  deliveryOutcomes,
  requestRefusals,
  type DeliveryOutcome,
  type RequestRefusal,
} from '../core/outcomes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createChainCache, type ChainCache } from '../tls/chain-cache.ts';
import { judgeCertificate } from '../tls/judge-certificate.ts';
import type { LeafPin } from '../tls/leaf-pins.ts';
import type { ClientPolicy } from '../tls/path-rules.ts';
import { acceptBody, judgeHead, type AcceptanceRules } from './accept-delivery.ts';
import { createConnectionErrors, type ConnectionErrors } from './connection-errors.ts';
import {
  beginRecord,
  createDeliveryReport,
  type DeliveryRecord,
  type DeliveryReport,
} from './delivery-record.ts';
import { createListener, type Listener, type ListenerLimits, type ListenerOptions } from './listener.ts';
import { createPeerReader, type PeerReader } from '../tls/peer-certificate.ts';
import {
  createForwardedSource,
  createSocketSource,
  type ForwardedSourceOptions,
} from '../tls/presented-certificate.ts';
import type { TlsMaterial } from '../tls/tls-server.ts';
import type { ReceiverMaterial } from './live-material.ts';

export interface ReceiverServerOptions extends Omit<AcceptanceRules, 'peers' | 'now'> {
  /** Without a pair of our own a proxy ended TLS, and plain HTTP is spoken here. */
  readonly material: ReceiverMaterial;
  /** null: a certificate is what the TLS connection shows, and every forwarding header is ignored. */
  readonly forwarded: ForwardedSourceOptions | null;
  readonly proxyProtocol: ListenerOptions['proxyProtocol'];
  readonly pins: readonly LeafPin[];
  readonly clientPolicy: ClientPolicy;
  /** The system's clock when left out. */
  readonly now?: () => Date;
  /** Where verdicts on chains come from; the verifier with its memory when left out. */
  readonly chains?: ChainCache;
  readonly bodyLimitBytes: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly listenerLimits?: Partial<ListenerLimits>;
}

export interface ReceiverServer {
  /** Resolves with the port; rejects with node:net's error (EADDRINUSE, EACCES and so on). */
  listen(address: { host: string; port: number }): Promise<number>;
  /** For new handshakes and requests. When the anchors changed, TLS connections of before end with their next answer. */
  replaceMaterial(material: ReceiverMaterial): void;
  /** Stops accepting, finishes what is in flight within `timeoutMs`, then cuts what is left. */
  close(options: { timeoutMs: number }): Promise<void>;
}

export async function createReceiverServer(options: ReceiverServerOptions): Promise<ReceiverServer> {
  const { logger, metrics, pins, clientPolicy: policy, forwarded, proxyProtocol } = options;
  const { now = () => new Date(), chains = createChainCache() } = options;
  let trust = options.material.clients;
  const source = forwarded === null ? createSocketSource() : createForwardedSource(forwarded);
  const peers = createPeerReader({ source, pins, policy, trust: () => trust, chains });
  const errors = createConnectionErrors({ logger, metrics });
  const maxConnections = Math.max(256, 4 * options.inFlightLimit);
  const listeners: Listener[] = [];
  const report = createDeliveryReport({ logger, metrics });
  const track = createTracking({ errors, report, sourceOf: (socket) => listener?.sourceOf(socket) });
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    exposeHeadRoutes: false,
    clientErrorHandler: errors.answer,
    // An address that cannot be decoded is not ours. Fastify's own answer would quote it.
    frameworkErrors: (_error, { raw: request }, reply) =>
      refuse(reply, track({ request, response: reply.raw }), 'NOT_FOUND'),
    serverFactory(handle) {
      const listener = createListener({
        tls: tlsOf(options.material),
        judgePeer: handshakeJudge({ options, peers, now }),
        proxyProtocol,
        maxConnections,
        errors,
        limits: { ...(forwarded && forwardingLimits), ...options.listenerLimits },
        handle,
      });
      listeners.push(listener);
      return listener.server;
    },
  });
  const [listener] = listeners;
  if (listener === undefined) throw new TypeError('Fastify made no server');
  const records = new WeakMap<FastifyRequest, DeliveryRecord>();
  // Before helmet's hook, which waits: the next bytes of the same sender may be no HTTP, and then this must be known.
  app.addHook('onRequest', (request, reply, done) => {
    records.set(request, track({ request: request.raw, response: reply.raw }));
    done();
  });
  await app.register(helmet);
  const rules = { ...options, peers, now };
  registerDeliveries({ app, rules, listener, records, metrics });
  await app.ready();
  return {
    listen: (address) => listener.listen(address),
    replaceMaterial(material) {
      const tls = tlsOf(material);
      if (tls !== null) listener.replaceTls(tls);
      trust = material.clients;
    },
    async close(closing) {
      await listener.drain(closing);
      await app.close();
    },
  };
}

/** A forwarded chain of three RSA-4096 certificates takes some 9 kB of the bytes that all headers share. */
const forwardingLimits = { maxHeaderBytes: 32_768 };

function tlsOf({ pair, clients }: ReceiverMaterial): TlsMaterial | null {
  return pair && { pair, clients };
}

/** Who decides at the end of a handshake: nobody where the certificate is only looked at, we ourselves, or (null) node:tls. */
function handshakeJudge(parts: {
  options: ReceiverServerOptions;
  peers: PeerReader;
  now: () => Date;
}): ListenerOptions['judgePeer'] {
  const { options, peers, now } = parts;
  if (options.shadow === 'certificate') return () => null;
  if (options.clientPolicy.purpose === 'clientAuth') return null;
  return (socket) => judgeCertificate(peers.read({ socket, rawHeaders: [] }, now()));
}

/** Begins the record of a request, which leaves its line and figures when the answer has left or the sender has. */
type Tracking = (exchange: { request: IncomingMessage; response: ServerResponse }) => DeliveryRecord;

function createTracking(parts: {
  errors: ConnectionErrors;
  report: DeliveryReport;
  sourceOf: Listener['sourceOf'];
}): Tracking {
  const { errors, report, sourceOf } = parts;
  return ({ request, response }) => {
    const record = beginRecord(sourceOf(request.socket));
    errors.opened(request, record);
    response.once('close', () => {
      report.finish(record);
      if (record.complete) errors.settled(request);
    });
    return record;
  };
}

interface Registration {
  readonly app: FastifyInstance;
  readonly rules: AcceptanceRules;
  readonly listener: Listener;
  readonly records: WeakMap<FastifyRequest, DeliveryRecord>;
  readonly metrics: Metrics;
}

function registerDeliveries({ app, rules, listener, records, metrics }: Registration): void {
  let inFlight = 0;
  const recordOf = (request: FastifyRequest) => records.get(request) ?? beginRecord(request.ip);

  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    // An answer that ends the connection was the last word on it (RFC 9112, 9.6): what came behind is not looked at, and
    // nothing would say when it is over.
    if (ended.has(socket) || socket.destroyed) return void reply.hijack();
    const record = recordOf(request);
    const refusal = judgeHead(rules, { request, record, inFlight });
    if (refusal !== null) return refuse(reply, record, refusal);
    metrics.inFlight.set((inFlight += 1));
    reply.raw.once('close', () => metrics.inFlight.set((inFlight -= 1)));
    // The bytes are kept whatever they are called: a type Fastify cannot read must not cost an authentic delivery.
    request.raw.headers['content-type'] = 'application/octet-stream';
    done();
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  // The router takes a single colon for the start of a parameter.
  app.post(rules.webhookPath.replaceAll(':', '::'), async (request, reply) => {
    const record = recordOf(request);
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
    record.outcome = await acceptBody(rules, { request, record, body });
    const { socket } = request.raw;
    if (record.outcome === 'accepted' && record.proof !== 'none') listener.markProven(socket);
    return send(reply, { outcome: record.outcome, close: listener.mustClose(socket) });
  });

  app.setErrorHandler((error, request, reply) => {
    const record = recordOf(request);
    const refusal = refusalOf(error);
    if (refusal === 'NOT_DURABLE') record.error = error;
    return refuse(reply, record, refusal);
  });
}

/** Ends a request before its body was read; the connection cannot be used any further. */
function refuse(reply: FastifyReply, record: DeliveryRecord, refusal: Refusal): void {
  record.outcome ??= refusal;
  send(reply, { outcome: refusal, close: true });
}

type Refusal = Exclude<DeliveryOutcome, 'accepted'> | RequestRefusal;

/** What reading the body can fail with. A mistake of ours is never blamed on the sender, and never answered 200. */
function refusalOf(error: unknown): Refusal {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'BODY_TOO_LARGE';
  const sender = code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'ECONNRESET';
  return sender ? 'BAD_REQUEST' : 'NOT_DURABLE';
}

const answers: Readonly<Record<DeliveryOutcome | RequestRefusal, Answer>> = {
  ...deliveryOutcomes,
  ...requestRefusals,
};

interface Answer {
  readonly status: number;
  readonly retryAfterSeconds: number | null;
}

/** Connections whose last answer has been given. */
const ended = new WeakSet<Socket>();

function send(
  reply: FastifyReply,
  { outcome, close }: { outcome: DeliveryOutcome | RequestRefusal; close: boolean },
): FastifyReply {
  const { status, retryAfterSeconds } = answers[outcome];
  reply.code(status).header('content-type', 'application/json; charset=utf-8');
  if (close) {
    ended.add(reply.request.raw.socket);
    reply.header('connection', 'close');
  }
  if (retryAfterSeconds !== null) reply.header('retry-after', String(retryAfterSeconds));
  if (outcome === 'METHOD_NOT_ALLOWED') reply.header('allow', 'POST');
  return reply.send(JSON.stringify(outcome === 'accepted' ? { outcome } : { code: outcome }));
}
