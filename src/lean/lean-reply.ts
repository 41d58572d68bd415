// From one exchange to what it means: data, "later", or a failure. `status` in the body is looked at before the data:
// a failed call to a bank is HTTP 200 with no data, and must never pass for an empty list.
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import { isJsonObject, parseLossless } from '../core/lossless-json.ts';
import { readHttpDate, readRetryAfter, readTraceId } from './http-headers.ts';
import { failureOfNetwork, failureOfReply, unreadableReply, type LeanFailure } from './lean-failures.ts';
import type { ExchangeResult } from './lean-http.ts';
import { wireReplySchema, type WireReply } from './wire-reply.ts';

export type LeanOperation =
  | 'accounts'
  | 'balances'
  | 'transactions'
  | 'identity'
  | 'account_identities'
  | 'beneficiaries'
  | 'direct_debits'
  | 'standing_orders'
  | 'scheduled_payments'
  | 'results'
  | 'entity'
  | 'entities'
  | 'entities_by_date'
  | 'consents'
  | 'banks'
  | 'refreshes'
  | 'refresh'
  | 'start_refresh'
  | 'events';

/** For the log line; nothing of a customer's. */
export interface CallFacts {
  readonly operation: LeanOperation;
  /** Null where there was no reply. */
  readonly httpStatus: number | null;
  readonly durationMs: number;
  readonly correlationId: string | null;
  readonly traceId: string | null;
  readonly resultsId: string | null;
  /** The stable code of what broke on the network, null where a reply came. */
  readonly networkError: string | null;
}

export interface ReplyAround {
  readonly facts: CallFacts;
  /** When Lean last asked the bank; its text must be equal on all pages of a list. */
  readonly refreshedAt: Instant | null;
  readonly timestamp: Instant | null;
  readonly httpDate: Instant | null;
  readonly bodyText: string;
}

export interface PendingReply {
  readonly kind: 'pending';
  readonly resultsId: string;
  readonly facts: CallFacts;
}

export interface FailedReply {
  readonly kind: 'failed';
  readonly failure: LeanFailure;
  readonly facts: CallFacts;
}

/** `Data` is what the operation is about; the rest comes with every reply. */
export type LeanReply<Data> = ({ readonly kind: 'ok' } & ReplyAround & Data) | PendingReply | FailedReply;

export interface ReplySource {
  /** Parsed losslessly. */
  readonly body: unknown;
  readonly bodyText: string;
  readonly reply: WireReply;
}

export interface Judgement<Data> {
  readonly operation: LeanOperation;
  readonly result: ExchangeResult;
  readonly durationMs: number;
  readonly nowMs: number;
  /** Data calls say OK in the body; an entity, a refresh and most lists that are no bank data come bare. */
  readonly isEnveloped: boolean;
  /** Null where the reply does not hold what it should. */
  readonly read: (source: ReplySource) => Data | null;
}

export function judgeReply<Data>(judgement: Judgement<Data>): LeanReply<Data> {
  const { operation, result, durationMs, nowMs, isEnveloped, read } = judgement;
  if (result.kind === 'no_reply') {
    const { networkError } = result;
    const facts = { ...noFacts, operation, durationMs, networkError };
    return { kind: 'failed', failure: failureOfNetwork(networkError), facts };
  }
  const { httpStatus, headers, bodyText } = result;
  const body = parseBody(bodyText);
  const reply = readReply(body, isEnveloped);
  const facts: CallFacts = {
    ...noFacts,
    operation,
    durationMs,
    httpStatus,
    correlationId: readTraceId(headers, 'lean-correlation-id'),
    traceId: readTraceId(headers, 'lean-trace-id'),
    resultsId: reply?.results_id ?? null,
  };
  const isSuccess = httpStatus >= 200 && httpStatus < 300;
  if (isSuccess && reply && isPending(reply) && reply.results_id !== null) {
    return { kind: 'pending', resultsId: reply.results_id, facts };
  }
  if (isSuccess && reply && (reply.status === 'OK' || (!isEnveloped && !isError(reply)))) {
    const data = read({ body, bodyText, reply });
    if (data === null) return { kind: 'failed', failure: unreadableReply(reply), facts };
    return { kind: 'ok', ...data, ...readAround(reply), httpDate: readHttpDate(headers), bodyText, facts };
  }
  const retryAfterMs = readRetryAfter(headers, nowMs);
  const failure = failureOfReply({ httpStatus, reply, retryAfterMs });
  return { kind: 'failed', failure: { ...failure, at: readHttpDate(headers) ?? undefined }, facts };
}

/** What is not known of a call. */
export const noFacts = {
  httpStatus: null,
  correlationId: null,
  traceId: null,
  resultsId: null,
  networkError: null,
};

function readAround({ refreshed_at, timestamp }: WireReply) {
  return { refreshedAt: readInstant(refreshed_at), timestamp: readInstant(timestamp) };
}

function isPending({ status }: WireReply): boolean {
  return status === 'PENDING' || status === 'PROCESSING_STARTED';
}

/** A bare thing may have a status of its own (an entity is ACTIVE); an error has one of Lean's codes. */
function isError({ status }: WireReply): boolean {
  return status === 'FAILED' || status === 'RECONNECT_REQUIRED' || status === 'CONSENT_EXPIRED';
}

/** Some lists come without anything around them. */
function readReply(body: unknown, isEnveloped: boolean): WireReply | null {
  if (isJsonObject(body)) return wireReplySchema.parse(body);
  return Array.isArray(body) && !isEnveloped ? wireReplySchema.parse({}) : null;
}

/** Null for what is no JSON. */
export function parseBody(bodyText: string): unknown {
  try {
    return parseLossless(bodyText);
  } catch {
    return null;
  }
}
