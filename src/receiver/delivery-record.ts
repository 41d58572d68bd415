// What is known of one request while it is answered, and the one line and the figures it leaves behind.
// Never holds the body, a header or the path.
import {
  deliveryOutcomes,
  requestRefusals,
  type DeliveryOutcome,
  type RequestRefusal,
} from '../core/outcomes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Proof } from '../core/delivery.ts';
import type { CertificateReason, PeerCertificate } from './verify-delivery.ts';

/** `ABORTED`: the sender went away before it had an answer. */
export type RequestOutcome = DeliveryOutcome | RequestRefusal | 'ABORTED';

export interface DeliveryRecord {
  readonly receivedAt: string;
  /** performance.now() when the head of the request had been read. */
  readonly startedMs: number;
  readonly remoteAddress: string | undefined;
  peer: PeerCertificate | null;
  /** Why the peer's certificate was refused, or would have been. */
  certificateReason?: CertificateReason;
  /** What the certificate would have come to where it decides nothing. */
  certificateShadow?: 'agreed' | 'would_refuse';
  /** Set once; the first answer is the only one. */
  outcome: RequestOutcome | null;
  /** True from the moment the whole body is here. */
  complete: boolean;
  bodyBytes?: number;
  proof?: Proof;
  sequence?: number;
  verifyMs?: number;
  commitMs?: number;
  error?: unknown;
}

export function beginRecord(remoteAddress: string | undefined): DeliveryRecord {
  return {
    receivedAt: new Date().toISOString(),
    startedMs: performance.now(),
    remoteAddress,
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
  return {
    finish(record) {
      const outcome = record.outcome ?? 'ABORTED';
      const durationMs = performance.now() - record.startedMs;
      metrics.deliveries.inc({ outcome });
      countCertificate(record, metrics);
      metrics.ackSeconds.observe({ outcome }, durationMs / 1000);
      if (record.commitMs !== undefined) metrics.commitSeconds.observe(record.commitMs / 1000);
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
        certificate_shadow: record.certificateShadow,
        // Of Lean's own certificate the hash says enough; of another one the names help to mend the list.
        certificate_names: record.peer?.isLean === false ? record.peer.names : undefined,
        remote_address: record.remoteAddress,
        ...(record.error !== undefined && { error: record.error }),
      });
    },
  };
}

function countCertificate(record: DeliveryRecord, metrics: Metrics): void {
  const { outcome, certificateReason: reason, certificateShadow: verdict } = record;
  if (verdict === undefined && reason !== undefined) metrics.certificatesRefused.inc({ reason });
  // A stranger without a signature says nothing about what Lean presents.
  if (verdict !== undefined && outcome === 'accepted')
    metrics.shadowVerdicts.inc({ verdict, reason: reason ?? 'none' });
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
