// Answers what never became a request: bytes that are not HTTP, headers without end, handshakes that failed.
// Answers a socket once at most, with a fixed text that repeats nothing of what was sent, and closes it.
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { requestRefusals, type RequestRefusal } from '../core/outcomes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { DeliveryRecord } from './delivery-record.ts';

interface ConnectionErrorsOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ConnectionErrors {
  /** From now on this request is what the socket is busy with. */
  readonly opened: (request: IncomingMessage, record: DeliveryRecord) => void;
  /** The request was read to its end and answered: the socket is free for the next one. */
  readonly settled: (request: IncomingMessage) => void;
  /** For `clientError` of node:http: the parser gave up, or a request took too long. */
  readonly answer: (error: NodeJS.ErrnoException, socket: Socket) => void;
  /** For `tlsClientError`: the handshake failed; node:tls has closed the socket. */
  readonly handshakeFailed: (error: NodeJS.ErrnoException, socket: TLSSocket) => void;
  /** For `drop` of node:net: too many connections. */
  readonly dropped: () => void;
}

/** Reasons a connection ended before a request; the labels of a metric, so a closed list. */
type ConnectionRefusal =
  | 'CERTIFICATE_REQUIRED'
  | 'CERTIFICATE_INVALID'
  | 'HANDSHAKE_FAILED'
  | 'TOO_MANY_CONNECTIONS'
  | RequestRefusal;

export function createConnectionErrors({ logger, metrics }: ConnectionErrorsOptions): ConnectionErrors {
  const busyWith = new WeakMap<Socket, DeliveryRecord>();

  function refused(reason: ConnectionRefusal, details: { cause?: string; socket?: Socket } = {}): void {
    metrics.connectionsRefused.inc({ reason });
    const isCode = reason === 'CERTIFICATE_REQUIRED' || reason === 'CERTIFICATE_INVALID';
    logger.write('connection_refused', {
      reason: details.cause === undefined ? reason : `${reason} ${details.cause}`,
      remote_address: details.socket?.remoteAddress,
      ...(isCode && { failure_code: reason }),
    });
  }

  return {
    opened: (request, record) => void busyWith.set(request.socket, record),
    settled: (request) => void busyWith.delete(request.socket),
    answer(error, socket) {
      const refusal = refusalOf(error);
      const record = busyWith.get(socket);
      const unanswered = record === undefined || (record.outcome === null && !record.complete);
      // Nothing may be written where an answer was given already, nor where the next one belongs to an earlier
      // request that is still being made durable: that sender gets no answer and sends again.
      if (refusal === null || !unanswered) return closeUnlessAnswering(socket, record);
      if (record) record.outcome = refusal;
      else refused(refusal, { socket });
      if (!socket.writable) return void socket.destroy();
      return void socket.end(answerText(refusal), () => socket.destroy());
    },
    handshakeFailed(error, socket) {
      const { reason, cause } = handshakeRefusal(error, socket);
      refused(reason, { cause, socket });
    },
    dropped: () => refused('TOO_MANY_CONNECTIONS'),
  };
}

/** An early refusal is on its way out and closes the socket itself. */
function closeUnlessAnswering(socket: Socket, record: DeliveryRecord | undefined): void {
  const answering = record !== undefined && record.outcome !== null && !record.complete;
  if (answering) socket.destroySoon();
  else socket.destroy();
}

/** null: the connection broke, there is nobody to answer. */
function refusalOf({ code }: NodeJS.ErrnoException): RequestRefusal | null {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return code?.startsWith('HPE_') === true ? 'BAD_REQUEST' : null;
}

const reasonPhrases = {
  BAD_REQUEST: 'Bad Request',
  HEADERS_TOO_LARGE: 'Request Header Fields Too Large',
  METHOD_NOT_ALLOWED: 'Method Not Allowed',
  NOT_FOUND: 'Not Found',
  REQUEST_TIMEOUT: 'Request Timeout',
} as const satisfies Record<RequestRefusal, string>;

function answerText(refusal: RequestRefusal): string {
  const body = JSON.stringify({ code: refusal });
  const head = [
    `HTTP/1.1 ${requestRefusals[refusal].status} ${reasonPhrases[refusal]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function handshakeRefusal(
  error: NodeJS.ErrnoException,
  socket: TLSSocket,
): { reason: ConnectionRefusal; cause: string } {
  const cause = error.code ?? error.name;
  if (cause === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return { reason: 'CERTIFICATE_REQUIRED', cause };
  // The verdict about the chain, when it is what closed the socket; node:tls types it as an Error and gives a string.
  const verdict: unknown = socket.authorizationError;
  if (verdict) return { reason: 'CERTIFICATE_INVALID', cause: typeof verdict === 'string' ? verdict : cause };
  return { reason: 'HANDSHAKE_FAILED', cause };
}
