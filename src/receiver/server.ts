// The public HTTP listener around the judgements: reads one POST as raw bytes and says what became of it.
// Never answers 200 before the bytes are durable, and never answers with a byte of the request.
import Fastify from 'fastify';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createChainCache, type ChainCache } from '../tls/chain-cache.ts';
import { judgeCertificate } from '../tls/judge-certificate.ts';
import type { LeafPin } from '../tls/leaf-pins.ts';
import type { ClientPolicy } from '../tls/path-rules.ts';
import { createPeerReader, type PeerReader } from '../tls/peer-certificate.ts';
import {
  createForwardedSource,
  createSocketSource,
  type ForwardedSourceOptions,
} from '../tls/presented-certificate.ts';
import type { TlsMaterial } from '../tls/tls-server.ts';
import type { AcceptanceRules } from './accept-delivery.ts';
import { securityHeaders } from './answer-headers.ts';
import { createAnswers, isBehindTheEnd } from './answers.ts';
import { createConnectionErrors, type ConnectionErrors } from './connection-errors.ts';
import { beginRecord, createDeliveryReport, type DeliveryReport } from './delivery-record.ts';
import { registerDeliveries, type Tracking } from './delivery-routes.ts';
import { createInFlight, type InFlightLimits } from './in-flight.ts';
import { createListener, type Listener, type ListenerLimits, type ListenerOptions } from './listener.ts';
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
  readonly inFlightLimit: number;
  readonly inFlightLimits?: Partial<InFlightLimits>;
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
  const inFlight = createInFlight(inFlightLimits(options));
  const answers = createAnswers(await securityHeaders());
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    exposeHeadRoutes: false,
    clientErrorHandler: errors.answer,
    // An address that cannot be decoded is not ours. Fastify's own answer would quote it.
    frameworkErrors: (_error, { raw: request }, reply) =>
      answers.refuse(reply, track({ request, response: reply.raw }), 'NOT_FOUND'),
    serverFactory(handle) {
      const listener = createListener({
        tls: tlsOf(options.material),
        judgePeer: handshakeJudge({ options, peers, now }),
        proxyProtocol,
        maxConnections,
        errors,
        limits: { ...(forwarded && forwardingLimits), ...options.listenerLimits },
        handle(request, response) {
          if (!isBehindTheEnd(request.socket)) return handle(request, response);
          // It has no answer, no line and no place, because nobody looks at it. What follows is not even taken in: the
          // close that is on its way comes behind all that has been, and that could be megabytes of requests.
          metrics.requestsUnread.inc();
          // In the next tick, because node goes on reading at the end of each request.
          process.nextTick(() => request.socket.pause());
        },
      });
      listeners.push(listener);
      return listener.server;
    },
  });
  const [listener] = listeners;
  if (listener === undefined) throw new TypeError('Fastify made no server');
  const rules = { ...options, peers, now };
  registerDeliveries(app, { rules, listener, inFlight, track, answers, metrics });
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

/** Lean waits for its answer before it sends the next; this much is for senders that are strange, not hostile. */
const unprovenPerConnection = 4;
/** Of memory for what strangers send, or four bodies where those are larger. */
const leastUnprovenBytes = 128 * 1_048_576;

function inFlightLimits(options: ReceiverServerOptions): InFlightLimits {
  return {
    places: options.inFlightLimit,
    unprovenPerConnection,
    unprovenBytes: Math.max(leastUnprovenBytes, 4 * options.bodyLimitBytes),
    ...options.inFlightLimits,
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
