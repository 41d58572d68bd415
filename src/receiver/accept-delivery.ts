// The judgements on one request, in the contract's order: address, certificate, load; then, with the whole body
// here, signature and durability. Never lets a later check run before an earlier one has passed.
import type { FastifyRequest } from 'fastify';
import { TLSSocket } from 'node:tls';
import type { DeliveryOutcome, DeliveryRefusal, RequestRefusal } from '../core/outcomes.ts';
import type { DeliveryRecord } from './delivery-record.ts';
import type { KeepDelivery } from './durability.ts';
import type { PeerReader } from './peer-certificate.ts';
import { judgeCertificate, judgeSignature, proofOf, type CertificateRefusal } from './verify-delivery.ts';

export interface AcceptanceRules {
  readonly webhookPath: string;
  readonly verify: { readonly certificate: boolean; readonly signature: boolean };
  /** Judges the certificate too where it decides nothing, for the log and the figures. */
  readonly shadowCertificate: boolean;
  readonly peers: PeerReader;
  readonly now: () => Date;
  /** The secrets in force at this moment. */
  readonly secrets: () => readonly string[];
  readonly inFlightLimit: number;
  /** True from 90 % of the journal's limit. */
  readonly journalFull: () => boolean;
  readonly keep: KeepDelivery;
}

/** node's own bound on header lines is silent and depends on its version; ours is answered with 431. */
const maxHeaderLines = 100;

interface Exchange {
  readonly request: FastifyRequest;
  readonly record: DeliveryRecord;
}

/** What can be said before a byte of the body is read; null = go on. Fills in what it learns about the peer. */
export function judgeHead(
  rules: AcceptanceRules,
  { request, record, inFlight }: { request: FastifyRequest; record: DeliveryRecord; inFlight: number },
): DeliveryRefusal | RequestRefusal | null {
  if (request.raw.rawHeaders.length > 2 * maxHeaderLines) return 'HEADERS_TOO_LARGE';
  if (request.is404)
    return request.url.split('?', 1)[0] === rules.webhookPath ? 'METHOD_NOT_ALLOWED' : 'NOT_FOUND';
  if (rules.verify.certificate) {
    const refusal = judgePeer(rules, { request, record });
    if (refusal !== null) return refusal;
  } else if (rules.shadowCertificate) lookAtPeer(rules, { request, record });
  return inFlight >= rules.inFlightLimit || rules.journalFull() ? 'OVERLOADED' : null;
}

function judgePeer(rules: AcceptanceRules, { request, record }: Exchange): CertificateRefusal['code'] | null {
  const { socket } = request.raw;
  record.peer = socket instanceof TLSSocket ? rules.peers.read(socket, rules.now()) : null;
  const refusal = judgeCertificate(record.peer);
  if (refusal !== null) record.certificateReason = refusal.reason;
  return refusal?.code ?? null;
}

/** Whatever a certificate holds, looking at it must not cost a delivery that is proven otherwise. */
function lookAtPeer(rules: AcceptanceRules, { request, record }: Exchange): void {
  record.certificateShadow = 'would_refuse';
  try {
    if (judgePeer(rules, { request, record }) === null) record.certificateShadow = 'agreed';
  } catch (error) {
    record.error = error;
  }
}

/** Judges the signature over the body's very bytes and keeps them. Never rejects. */
export async function acceptBody(
  rules: AcceptanceRules,
  { request, record, body }: { request: FastifyRequest; record: DeliveryRecord; body: Uint8Array },
): Promise<DeliveryOutcome> {
  record.complete = true;
  record.bodyBytes = body.byteLength;
  if (rules.verify.signature) {
    const startedMs = performance.now();
    const { rawHeaders } = request.raw;
    const refusal = judgeSignature({ rawBody: body, rawHeaders, secrets: rules.secrets() });
    record.verifyMs = performance.now() - startedMs;
    if (refusal !== null) return refusal;
  }
  record.proof = proofOf(rules.verify);
  const startedMs = performance.now();
  const { receivedAt, proof } = record;
  const kept = await rules.keep({ body, receivedAt, proof }, startedMs - record.startedMs);
  record.commitMs = performance.now() - startedMs;
  if (kept.sequence !== undefined) record.sequence = kept.sequence;
  if (kept.error !== undefined) record.error = kept.error;
  return kept.durable ? 'accepted' : 'NOT_DURABLE';
}
