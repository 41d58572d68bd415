// What is known of one request while it is answered, and the one line and the figures it leaves behind.
// Never holds the body, a header or the path.
import { isoTime } from '../core/iso-time.ts';
import {
  deliveryOutcomes,
  requestRefusals,
  type DeliveryOutcome,
  type RequestRefusal,
} from '../core/outcomes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Proof } from '../core/delivery.ts';
import type { OverloadReason } from './in-flight.ts';
import { createLineBudget, strangersLines } from './line-budget.ts';
import { createCertificateObserver, type CertificateObserver, type ShadowVerdict } from './shadow-verdict.ts';
import type { CertificateReason, PeerCertificate } from '../tls/judge-certificate.ts';

/** `ABORTED`: the sender went away before it had an answer. */
export type RequestOutcome = DeliveryOutcome | RequestRefusal | 'ABORTED';

export interface DeliveryRecord {
  /** Counts up: of two requests of one connection the later has the greater. */
  readonly number: number;
  readonly receivedAt: string;
  /** performance.now() when the head of the request had been read. */
  readonly startedMs: number;
  readonly remoteAddress: string | undefined;
  /** It, or its connection, has shown that it comes from Lean. */
  isProven: boolean;
  peer: PeerCertificate | null;
  /** Why the peer's certificate was refused, or would have been. */
  certificateReason?: CertificateReason;
  /** What the method that decides nothing would have said; counts once the delivery was accepted. */
  shadow?: ShadowVerdict;
  /** Set once; the first answer is the only one. */
  outcome: RequestOutcome | null;
  /** True from the moment the whole body is here. */
  complete: boolean;
  /** Why there was no place for it, or no longer. */
  overload?: OverloadReason;
  bodyBytes?: number;
  proof?: Proof;
  sequence?: number;
  verifyMs?: number;
  commitMs?: number;
  error?: unknown;
}

let begun = 0;

export function beginRecord(remoteAddress: string | undefined): DeliveryRecord {
  return {
    number: (begun += 1),
    receivedAt: isoTime(Date.now()),
    startedMs: performance.now(),
    remoteAddress,
    isProven: false,
    peer: null,
    outcome: null,
    complete: false,
  };
}

export interface DeliveryReport {
  /** Writes the line and counts. To be called once per request, when its answer has left or its sender has. */
  finish(record: DeliveryRecord): void;
}

export function createDeliveryReport({
  logger,
  metrics,
}: {
  logger: Logger;
  metrics: Metrics;
}): DeliveryReport {
  const observe = createCertificateObserver(logger);
  const lines = createLineBudget(strangersLines);
  return {
    finish(record) {
      const outcome = record.outcome ?? 'ABORTED';
      const durationMs = performance.now() - record.startedMs;
      metrics.deliveries.inc({ outcome });
      if (looksLikeLean(record)) metrics.refusedAsLean.inc({ outcome });
      if (outcome === 'OVERLOADED' && record.overload !== undefined)
        metrics.overloads.inc({ reason: record.overload });
      const shadow = outcome === 'accepted' ? record.shadow : undefined;
      if (record.shadow === undefined && record.certificateReason !== undefined)
        metrics.certificatesRefused.inc({ reason: record.certificateReason });
      if (shadow !== undefined) reportShadow({ record, shadow, metrics, observe });
      metrics.ackSeconds.observe({ outcome }, durationMs / 1000);
      if (record.commitMs !== undefined) metrics.commitSeconds.observe(record.commitMs / 1000);
      const unlogged = concernsLean(record) ? 0 : lines.spend(outcome);
      if (unlogged === null) return;
      logger.write('delivery', {
        outcome,
        http_status: statuses[outcome].status,
        duration_ms: tenths(durationMs),
        body_bytes: record.bodyBytes,
        proof: record.proof,
        sequence: record.sequence,
        verify_ms: record.verifyMs === undefined ? undefined : tenths(record.verifyMs),
        commit_ms: record.commitMs === undefined ? undefined : tenths(record.commitMs),
        certificate_sha256_prefix: record.peer?.sha256.slice(0, 16),
        certificate_reason: record.certificateReason,
        overload_reason: record.overload,
        ...shadowFields(shadow),
        // Of Lean's own certificate the hash says enough; of another one the names help to mend the list.
        certificate_names: record.peer?.isLean === false ? record.peer.names : undefined,
        remote_address: record.remoteAddress,
        unlogged: unlogged === 0 ? undefined : unlogged,
        ...(record.error !== undefined && { error: record.error }),
      });
    },
  };
}

/** Each of these has its line. All else strangers can have us say as often as they like. */
function concernsLean({ outcome, isProven }: DeliveryRecord): boolean {
  return outcome === 'accepted' || outcome === 'NOT_DURABLE' || (outcome === 'OVERLOADED' && isProven);
}

/** What is refused for good when nobody wakes up: a stranger has neither a certificate of Lean's chain nor a signature. */
function looksLikeLean({ outcome, isProven, peer }: DeliveryRecord): boolean {
  if (outcome === 'CERTIFICATE_NOT_LEAN' || outcome === 'SIGNATURE_INVALID') return true;
  const isRefused = outcome === 'BODY_TOO_LARGE' || outcome === 'SIGNATURE_MISSING';
  return isRefused && (isProven || peer?.isLean === true);
}

/** Of what got in only: a stranger says nothing about what Lean presents or signs. */
function reportShadow(parts: {
  record: DeliveryRecord;
  shadow: ShadowVerdict;
  metrics: Metrics;
  observe: CertificateObserver;
}): void {
  const { record, shadow, metrics, observe } = parts;
  const { method, verdict, reason } = shadow;
  metrics.shadowVerdicts.inc({ method, verdict, reason: reason ?? 'none' });
  if (method === 'certificate' && record.peer !== null) observe(record.peer, shadow);
}

function shadowFields(shadow: ShadowVerdict | undefined) {
  if (shadow === undefined) return {};
  const { method, verdict, reason } = shadow;
  return method === 'certificate'
    ? { certificate_shadow: verdict, certificate_reason: reason ?? undefined }
    : { signature_shadow: verdict, signature_reason: reason ?? undefined };
}

const statuses: Readonly<Record<RequestOutcome, { readonly status: number }>> = {
  ...deliveryOutcomes,
  ...requestRefusals,
  // Nothing was sent.
  ABORTED: { status: 0 },
};

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
