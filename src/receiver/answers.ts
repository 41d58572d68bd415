// What is said over HTTP for each outcome, and which connections have had their last word.
// Never repeats a byte of the request, and never promises a patience that a connection does not have.
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import {
  deliveryOutcomes,
  requestRefusals,
  type DeliveryRefusal,
  type DeliveryOutcome,
  type RequestRefusal,
} from '../core/outcomes.ts';
import type { DeliveryRecord } from './delivery-record.ts';

export type Refusal = DeliveryRefusal | RequestRefusal;

interface Answer {
  readonly status: number;
  readonly retryAfterSeconds: number | null;
}

const answers: Readonly<Record<DeliveryOutcome | RequestRefusal, Answer>> = {
  ...deliveryOutcomes,
  ...requestRefusals,
};

/** By connection: the number of the request whose answer, decided if not given yet, is the last one. */
const lastAnswered = new WeakMap<Socket, number>();

/**
 * An answer that ends the connection is the last word on it (RFC 9112, 9.6): what comes behind is not looked at, and
 * nothing would say when it is over. What came before has its answers still.
 */
export function endConnection(socket: Socket, { number }: DeliveryRecord): void {
  lastAnswered.set(socket, Math.min(number, lastAnswered.get(socket) ?? Infinity));
}

/** Without a record: asked of a request that has just been read. */
export function isBehindTheEnd(socket: Socket, record?: DeliveryRecord): boolean {
  const last = lastAnswered.get(socket);
  return socket.destroyed || (last !== undefined && (record === undefined || record.number > last));
}

export interface Answers {
  /** Once a request; what Fastify would have answered is not asked any more. */
  answer(
    reply: FastifyReply,
    parts: { record: DeliveryRecord; outcome: DeliveryOutcome | RequestRefusal; close: boolean },
  ): void;
  /** Ends a request before its body was read; the connection cannot be used any further. */
  refuse(reply: FastifyReply, record: DeliveryRecord, refusal: Refusal): void;
}

/** `security`: names and values in turn, for every answer. */
export function createAnswers(security: readonly string[]): Answers {
  const prepared = new Map<DeliveryOutcome | RequestRefusal, PreparedAnswer>();

  function prepare(outcome: DeliveryOutcome | RequestRefusal): PreparedAnswer {
    const known = prepared.get(outcome);
    if (known !== undefined) return known;
    const made = prepareAnswer(outcome, security);
    prepared.set(outcome, made);
    return made;
  }

  function answer(
    reply: FastifyReply,
    {
      record,
      outcome,
      close,
    }: { record: DeliveryRecord; outcome: DeliveryOutcome | RequestRefusal; close: boolean },
  ): void {
    if (reply.sent) return;
    const { status, headers, body } = prepare(outcome);
    const { raw } = reply.hijack();
    // A head as one list of lines, behind Fastify's back: by name it costs more than everything else of an answer.
    if (close) {
      endConnection(reply.request.raw.socket, record);
      raw.writeHead(status, headers.closing);
    } else if (!record.isProven && raw.shouldKeepAlive) {
      // Written by ourselves: node would add for how long, in the words of connections that have a proof.
      raw.writeHead(status, headers.keepingAlive);
    } else {
      raw.writeHead(status, headers.plain);
    }
    raw.end(body, 'latin1');
  }

  return {
    answer,
    refuse(reply, record, refusal) {
      record.outcome ??= refusal;
      answer(reply, { record, outcome: refusal, close: true });
    },
  };
}

interface PreparedAnswer {
  readonly status: number;
  readonly headers: { readonly plain: string[]; readonly closing: string[]; readonly keepingAlive: string[] };
  readonly body: string;
}

function prepareAnswer(
  outcome: DeliveryOutcome | RequestRefusal,
  security: readonly string[],
): PreparedAnswer {
  const { status, retryAfterSeconds } = answers[outcome];
  const body = JSON.stringify(outcome === 'accepted' ? { outcome } : { code: outcome });
  const plain = [...security, 'content-type', 'application/json; charset=utf-8'];
  plain.push('content-length', String(body.length));
  if (retryAfterSeconds !== null) plain.push('retry-after', String(retryAfterSeconds));
  if (outcome === 'METHOD_NOT_ALLOWED') plain.push('allow', 'POST');
  const closing = [...plain, 'connection', 'close'];
  return { status, headers: { plain, closing, keepingAlive: [...plain, 'connection', 'keep-alive'] }, body };
}

/** What reading the body can fail with. A mistake of ours is never blamed on the sender, and never answered 200. */
export function refusalOf(error: unknown): Refusal {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'BODY_TOO_LARGE';
  const sender = code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'ECONNRESET';
  return sender ? 'BAD_REQUEST' : 'NOT_DURABLE';
}
