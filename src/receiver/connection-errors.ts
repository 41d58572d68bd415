// Answers what never became a request: bytes that are not HTTP, headers without end, handshakes that failed.
// Never answers in the place of a whole request that waits for its own answer, and repeats nothing of what was sent.
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { connectionFailureTable } from '../core/connection-failure-codes.ts';
import { requestRefusals, type RequestRefusal } from '../core/outcomes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { DeliveryRecord } from './delivery-record.ts';
import { createLineBudget, strangersLines } from './line-budget.ts';
import type { ProxyRefusal } from './proxied-connections.ts';
import { sourceOf } from './sender-address.ts';
import type { CertificateRefusal } from '../tls/judge-certificate.ts';

interface ConnectionErrorsOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ConnectionErrors {
  /** From now on the socket owes this request an answer. */
  readonly opened: (request: IncomingMessage, record: DeliveryRecord) => void;
  /** The request was read to its end and its answer has left. */
  readonly settled: (request: IncomingMessage) => void;
  /** For `clientError` of node:http: the parser gave up, or a request took too long. */
  readonly answer: (error: NodeJS.ErrnoException, socket: Socket) => void;
  /** For `tlsClientError`: the handshake failed; node:tls has closed the socket. */
  readonly handshakeFailed: (error: NodeJS.ErrnoException, socket: TLSSocket) => void;
  /** The handshake went well, and our own judgement refuses the peer; the caller closes the socket. */
  readonly peerRefused: (refusal: CertificateRefusal, socket: TLSSocket) => void;
  /** A newcomer found no room: all connections there may be are at work, or have proven themselves. */
  readonly dropped: (socket: Socket) => void;
  /** A connection that had proven nothing gave way to a newcomer. */
  readonly pushedOut: (socket: Socket) => void;
  /** What came first was no PROXY header, or none from a peer that may send one. */
  readonly proxyRefused: (refusal: ProxyRefusal, socket: Socket) => void;
  /** For `error` of a socket that listens: a connection could not be accepted. */
  readonly acceptFailed: (error: NodeJS.ErrnoException) => void;
}

/** Reasons a connection ended before a request; the labels of a metric, so a closed list, and each a failure code. */
type ConnectionRefusal = keyof typeof connectionFailureTable | CertificateRefusal['code'];

/** How long the answer to bytes that we cannot read may take to leave. */
const lastAnswerMs = 1_000;

export function createConnectionErrors({ logger, metrics }: ConnectionErrorsOptions): ConnectionErrors {
  /** By socket, in order of arrival: a sender may write its next request before it has the answer to the last. */
  const unanswered = new WeakMap<Socket, Map<IncomingMessage, DeliveryRecord>>();
  /** Sent bytes that we cannot read behind requests that we could; closed once those are answered. */
  const ending = new WeakSet<Socket>();
  /** Have the one answer to bytes that we cannot read; whatever follows on them is not even counted. */
  const answered = new WeakSet<Socket>();

  const lines = createLineBudget(strangersLines);

  function refused(reason: ConnectionRefusal, details: { cause?: string; socket?: Socket } = {}): void {
    metrics.connectionsRefused.inc({ reason });
    const unlogged = lines.spend(reason);
    if (unlogged === null) return;
    logger.write('connection_refused', {
      reason: details.cause === undefined ? reason : `${reason} ${details.cause}`,
      remote_address: details.socket && sourceOf(details.socket),
      unlogged: unlogged === 0 ? undefined : unlogged,
      failure_code: reason,
    });
  }

  return {
    opened(request, record) {
      const requests = unanswered.get(request.socket);
      if (requests === undefined) unanswered.set(request.socket, new Map([[request, record]]));
      else requests.set(request, record);
    },
    settled(request) {
      const { socket } = request;
      const requests = unanswered.get(socket);
      requests?.delete(request);
      if (ending.has(socket) && !hasWhole(requests)) socket.destroySoon();
    },
    answer(error, socket) {
      const refusal = refusalOf(error);
      if (answered.has(socket)) return refusal === null ? void socket.destroy() : undefined;
      const requests = unanswered.get(socket);
      if (refusal !== null && hasWhole(requests)) {
        if (!ending.has(socket)) refused(refusal, { socket });
        return void ending.add(socket);
      }
      const record = requests?.values().next().value;
      if (refusal === null || (record && record.outcome !== null))
        return closeUnlessAnswering(socket, record);
      if (record) record.outcome = refusal;
      else refused(refusal, { socket });
      if (!socket.writable) return void socket.destroy();
      answered.add(socket);
      setTimeout(() => socket.destroy(), lastAnswerMs).unref();
      return void socket.end(answerText(refusal), () => socket.destroy());
    },
    handshakeFailed(error, socket) {
      const { reason, cause } = handshakeRefusal(error, socket);
      refused(reason, { cause, socket });
    },
    peerRefused({ code, reason }, socket) {
      metrics.certificatesRefused.inc({ reason });
      refused(code, { cause: reason, socket });
    },
    dropped: (socket) => refused('TOO_MANY_CONNECTIONS', { socket }),
    pushedOut: (socket) => refused('GAVE_WAY', { socket }),
    proxyRefused: (refusal, socket) => refused(refusal, { socket }),
    acceptFailed: (error) => refused('ACCEPT_FAILED', { cause: error.code ?? error.name }),
  };
}

/** Only the last request of a socket can be there in part, and bytes that cannot be read belong to that one. */
function hasWhole(requests: ReadonlyMap<IncomingMessage, DeliveryRecord> | undefined): boolean {
  return requests?.keys().some(({ complete }) => complete) ?? false;
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
