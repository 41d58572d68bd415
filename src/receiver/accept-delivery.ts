// The judgements on one request, in the contract's order: address, certificate, load; then, with the whole body
// here, signature and durability. Never lets a later check run before an earlier one has passed.
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { DeliveryOutcome, DeliveryRefusal, RequestRefusal } from '../core/outcomes.ts';
import { hasTooManyLines, headerValues } from '../core/raw-headers.ts';
import { judgeCertificate, type CertificateRefusal } from '../tls/judge-certificate.ts';
import type { PeerReader } from '../tls/peer-certificate.ts';
import type { DeliveryRecord } from './delivery-record.ts';
import type { KeepDelivery } from './durability.ts';
import { judgeInShadow, type VerifyMethod } from './shadow-verdict.ts';
import { judgeSignature, proofOf, type SignatureRefusal } from './verify-delivery.ts';

export interface AcceptanceRules {
  readonly webhookPath: string;
  readonly verify: { readonly certificate: boolean; readonly signature: boolean };
  /** Judged too, of what got in, where it decides nothing: for the log and the figures. */
  readonly shadow: VerifyMethod | null;
  readonly peers: PeerReader;
  readonly now: () => Date;
  /** The secrets in force at this moment. */
  readonly secrets: () => readonly string[];
  /** True from 90 % of the journal's limit. */
  readonly journalFull: () => boolean;
  readonly keep: KeepDelivery;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly record: DeliveryRecord;
}

interface HeadExchange extends Exchange {
  /** A place among the requests in flight; false when there is none, with the reason in the record. */
  readonly takePlace: () => boolean;
}

/** What can be said before a byte of the body is read; null = go on. Fills in what it learns about the peer. */
export function judgeHead(
  rules: AcceptanceRules,
  { request, record, takePlace }: HeadExchange,
): DeliveryRefusal | RequestRefusal | null {
  if (hasTooManyLines(request.raw.rawHeaders)) return 'HEADERS_TOO_LARGE';
  if (!isPlainRequest(request.raw)) return 'BAD_REQUEST';
  if (request.is404)
    return request.url.split('?', 1)[0] === rules.webhookPath ? 'METHOD_NOT_ALLOWED' : 'NOT_FOUND';
  if (rules.verify.certificate) {
    const refusal = judgePeer(rules, { request, record });
    if (refusal !== null) return refusal.code;
    record.isProven = true;
  }
  if (rules.journalFull()) {
    // Asked first, so that nobody gives way to a request that is refused all the same.
    record.overload = 'JOURNAL_FULL';
    return 'OVERLOADED';
  }
  return takePlace() ? null : 'OVERLOADED';
}

/**
 * What node lets through and a load balancer may read otherwise: another version, no Host or two (RFC 9112, section 3.2;
 * node is told to leave that to us), a coding that is not just chunks, chunks before HTTP/1.1 (section 6.1).
 */
function isPlainRequest({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const hosts = headerValues(rawHeaders, 'host').length;
  const codings = headerValues(rawHeaders, 'transfer-encoding');
  if (httpVersion === '1.0') return hosts <= 1 && codings.length === 0;
  if (httpVersion !== '1.1' || hosts !== 1) return false;
  return codings.length === 0 || (codings.length === 1 && codings[0]?.toLowerCase() === 'chunked');
}

function judgePeer(rules: AcceptanceRules, { request, record }: Exchange): CertificateRefusal | null {
  const reading = rules.peers.read(request.raw, rules.now());
  record.peer = reading.kind === 'presented' ? reading.peer : null;
  const refusal = judgeCertificate(reading);
  if (refusal !== null) record.certificateReason = refusal.reason;
  return refusal;
}

interface WholeExchange extends Exchange {
  readonly body: Uint8Array;
}

/** Judges the signature over the body's very bytes; null = authentic, and the record says by what proof. */
export function judgeWhole(rules: AcceptanceRules, exchange: WholeExchange): SignatureRefusal | null {
  const { record, body } = exchange;
  record.complete = true;
  record.bodyBytes = body.byteLength;
  if (rules.verify.signature) {
    const startedMs = performance.now();
    const refusal = judgeBody(rules, exchange);
    record.verifyMs = performance.now() - startedMs;
    if (refusal !== null) return refusal;
  }
  record.proof = proofOf(rules.verify);
  return null;
}

/** Keeps what was judged authentic. Never rejects. */
export async function keepDelivery(
  rules: AcceptanceRules,
  exchange: WholeExchange,
): Promise<DeliveryOutcome> {
  const { record, body } = exchange;
  const { proof = 'none', receivedAt } = record;
  lookInShadow(rules, exchange);
  const startedMs = performance.now();
  const kept = await rules.keep({ body, receivedAt, proof }, startedMs - record.startedMs);
  record.commitMs = performance.now() - startedMs;
  if (kept.sequence !== undefined) record.sequence = kept.sequence;
  if (kept.error !== undefined) record.error = kept.error;
  return kept.durable ? 'accepted' : 'NOT_DURABLE';
}

function judgeBody(rules: AcceptanceRules, { request, body }: WholeExchange): SignatureRefusal | null {
  return judgeSignature({
    rawBody: body,
    rawHeaders: request.raw.rawHeaders,
    secrets: rules.secrets(),
  });
}

/** Whatever a certificate or a signature holds, looking at it must not cost a delivery that is proven otherwise. */
function lookInShadow(rules: AcceptanceRules, exchange: WholeExchange): void {
  const { shadow } = rules;
  if (shadow === null) return;
  const { record } = exchange;
  record.shadow = judgeInShadow(shadow, {
    judge: () =>
      shadow === 'certificate' ? (judgePeer(rules, exchange)?.reason ?? null) : judgeBody(rules, exchange),
    onError: (error) => {
      record.error = error;
    },
  });
}
