// The public HTTP listener around the judgements: reads one POST as raw bytes and says what became of it.
// Never answers 200 before the bytes are durable, and never answers with a byte of the request.
import type { IncomingMessage, ServerResponse } from 'node:http';
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
import { createPeerReader, type PeerReader } from './peer-certificate.ts';
import type { TlsMaterial } from './tls-server.ts';
import { judgeCertificate } from './verify-delivery.ts';

export interface ReceiverServerOptions extends Omit<AcceptanceRules, 'peers' | 'now'> {
  /** null: a proxy ended TLS, and plain HTTP is spoken here. */
  readonly tls: TlsMaterial | null;
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
  /** For new handshakes. When the anchors changed, connections of before are let go after their present answer. */
  replaceTls(material: TlsMaterial): void;
  /** Stops accepting, finishes what is in flight within `timeoutMs`, then cuts what is left. */
  close(options: { timeoutMs: number }): Promise<void>;
}

export async function createReceiverServer(options: ReceiverServerOptions): Promise<ReceiverServer> {
  const { logger, metrics, tls, pins, clientPolicy, listenerLimits: limits = {} } = options;
  const { now = () => new Date(), chains = createChainCache() } = options;
  let trust = tls?.clients ?? null;
  const peers = createPeerReader({ pins, policy: clientPolicy, trust: () => trust, chains });
  const errors = createConnectionErrors({ logger, metrics });
  const maxConnections = Math.max(256, 4 * options.inFlightLimit);
  const listeners: Listener[] = [];
  const report = createDeliveryReport({ logger, metrics });
  const track = createTracking({ errors, report });
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
        tls,
        judgePeer: handshakeJudge({ options, peers, now }),
        maxConnections,
        errors,
        limits,
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
    replaceTls(material) {
      listener.replaceTls(material);
      trust = material.clients;
    },
    async close(closing) {
      await listener.drain(closing);
      await app.close();
    },
  };
}

/** Who decides at the end of a handshake: nobody where the certificate is only looked at, we ourselves, or (null) node:tls. */
function handshakeJudge(parts: {
  options: ReceiverServerOptions;
  peers: PeerReader;
  now: () => Date;
}): ListenerOptions['judgePeer'] {
  const { options, peers, now } = parts;
  if (options.shadowCertificate) return () => null;
  if (options.clientPolicy.purpose === 'clientAuth') return null;
  return (socket) => judgeCertificate(peers.read(socket, now()));
}

/** Begins the record of a request, which leaves its line and figures when the answer has left or the sender has. */
type Tracking = (exchange: { request: IncomingMessage; response: ServerResponse }) => DeliveryRecord;

function createTracking(parts: { errors: ConnectionErrors; report: DeliveryReport }): Tracking {
  const { errors, report } = parts;
  return ({ request, response }) => {
    const record = beginRecord(request.socket.remoteAddress);
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
    return send(reply, { outcome: record.outcome, close: listener.mustClose(request.raw.socket) });
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

function send(
  reply: FastifyReply,
  { outcome, close }: { outcome: DeliveryOutcome | RequestRefusal; close: boolean },
): FastifyReply {
  const { status, retryAfterSeconds } = answers[outcome];
  reply.code(status).header('content-type', 'application/json; charset=utf-8');
  if (close) reply.header('connection', 'close');
  if (retryAfterSeconds !== null) reply.header('retry-after', String(retryAfterSeconds));
  if (outcome === 'METHOD_NOT_ALLOWED') reply.header('allow', 'POST');
  return reply.send(JSON.stringify(outcome === 'accepted' ? { outcome } : { code: outcome }));
}
