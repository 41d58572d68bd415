// One request from its head to its answer, in Fastify's steps: decided where the head was read.
// Never looks at what comes behind a last answer, and never holds a place for a request that is over.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../observability/metrics.ts';
import { judgeHead, judgeWhole, keepDelivery, type AcceptanceRules } from './accept-delivery.ts';
import { endConnection, isBehindTheEnd, refusalOf, type Answers, type Refusal } from './answers.ts';
import { beginRecord, type DeliveryRecord } from './delivery-record.ts';
import type { InFlight, Place } from './in-flight.ts';
import type { Listener } from './listener.ts';

/** Begins the record of a request, which leaves its line and figures when the answer has left or the sender has. */
export type Tracking = (exchange: { request: IncomingMessage; response: ServerResponse }) => DeliveryRecord;

export interface DeliveryRoutesOptions {
  readonly rules: AcceptanceRules;
  readonly listener: Listener;
  readonly inFlight: InFlight;
  readonly track: Tracking;
  readonly answers: Answers;
  readonly metrics: Metrics;
}

interface Exchange {
  readonly record: DeliveryRecord;
  /** Decided, and said as soon as it may be. */
  refusal: Refusal | null;
  /** False while other requests of the same read may not have been begun. */
  isAnswerable: boolean;
  place: Place | null;
}

const bytesType = 'application/octet-stream';

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange | null;
  }
}

export function registerDeliveries(app: FastifyInstance, options: DeliveryRoutesOptions): void {
  const { answers } = options;
  app.decorateRequest('exchange', null);

  app.addHook('onRequest', (request, reply, done) => {
    const exchange = newExchange(options.track({ request: request.raw, response: reply.raw }));
    request.exchange = exchange;
    exchange.record.isProven = options.listener.isProven(request.raw.socket);
    exchange.refusal = judgeHead(options.rules, {
      request,
      record: exchange.record,
      takePlace: () => takePlace(options, { request, reply, exchange }),
    });
    // By the next tick all requests of the same read have been begun, and the next bytes of the sender may be no HTTP.
    process.nextTick(() => {
      exchange.isAnswerable = true;
      if (exchange.refusal !== null) answers.refuse(reply, exchange.record, exchange.refusal);
    });
    if (exchange.refusal !== null) return endConnection(request.raw.socket, exchange.record);
    // The bytes are kept whatever they are called: a type Fastify cannot read must not cost an authentic delivery.
    request.raw.headers['content-type'] = bytesType;
    // Fastify begins to read in the same turn, so that listening here as well takes no byte away from it.
    if (!exchange.record.isProven)
      request.raw.on('data', (chunk: Uint8Array) => exchange.place?.received(chunk.byteLength));
    done();
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(bytesType, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.post(options.rules.webhookPath, (request, reply) =>
    answerWhole(options, { request, reply, exchange: exchangeOf(request) }),
  );

  app.setErrorHandler((error, request, reply) => {
    const { record } = exchangeOf(request);
    const refusal = refusalOf(error);
    if (refusal === 'NOT_DURABLE') record.error = error;
    answers.refuse(reply, record, refusal);
  });
}

function exchangeOf(request: FastifyRequest): Exchange {
  return request.exchange ?? newExchange(beginRecord(request.ip));
}

function newExchange(record: DeliveryRecord): Exchange {
  return { record, refusal: null, isAnswerable: false, place: null };
}

interface Handling {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly exchange: Exchange;
}

/** False when there is none. Whoever has one may have to give it up again until its body is whole. */
function takePlace(options: DeliveryRoutesOptions, { request, reply, exchange }: Handling): boolean {
  const { inFlight, metrics, answers } = options;
  const { socket } = request.raw;
  const { record } = exchange;
  const giveWay = (): void => {
    exchange.refusal = 'OVERLOADED';
    record.overload = 'GAVE_WAY';
    endConnection(socket, record);
    metrics.inFlight.set(inFlight.count());
    if (exchange.isAnswerable) answers.refuse(reply, record, 'OVERLOADED');
  };
  const place = inFlight.enter({ connection: socket, isProven: record.isProven, giveWay });
  if (typeof place === 'string') {
    record.overload = place;
    return false;
  }
  exchange.place = place;
  metrics.inFlight.set(inFlight.count());
  reply.raw.once('close', () => {
    place.leave();
    metrics.inFlight.set(inFlight.count());
  });
  return true;
}

/** With the whole body here. */
async function answerWhole(
  { rules, listener, inFlight, answers }: DeliveryRoutesOptions,
  { request, reply, exchange }: Handling,
): Promise<void> {
  const { record, place } = exchange;
  const { socket } = request.raw;
  if (isBehindTheEnd(socket, record)) return void reply.hijack();
  place?.keep();
  const whole = {
    request,
    record,
    body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
  };
  const refusal = judgeWhole(rules, whole);
  if (record.proof !== undefined && record.proof !== 'none') {
    record.isProven = true;
    listener.markProven(socket);
    inFlight.prove(socket);
  }
  // Over a connection without a proof a stranger could go on with refusals as fast as he can write them. One with a proof
  // stays: it is Lean's, or a proxy's that brings Lean's deliveries among those of others, who must not cost Lean its way.
  const endsIt = refusal !== null && !record.isProven;
  if (endsIt) endConnection(socket, record);
  record.outcome = refusal ?? (await keepDelivery(rules, whole));
  const close = endsIt || listener.mustClose(socket) || (record.outcome !== 'accepted' && !record.isProven);
  answers.answer(reply, { record, outcome: record.outcome, close });
}
