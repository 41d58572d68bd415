// The numbers of one process, for `/metrics`. Labels come from our own closed lists, never from a request,
// a payload or Lean's words, so the number of series is bounded.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';
import { processMetrics as ownProcessMetrics, queueMetrics, upkeepGauges } from './watched-metrics.ts';

const ackBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 8];
const workBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface MetricsOptions {
  /** Memory, CPU and event-loop figures of the process; on unless said otherwise. */
  readonly processMetrics?: boolean;
  /** Whose checks `lean_ready` shows; none when left out. */
  readonly readiness?: Pick<Readiness, 'report'>;
}

/** Hand the result in; there is no global registry, so two roles in one process share one on purpose only. */
export function createMetrics({ processMetrics = true, readiness }: MetricsOptions = {}) {
  const registry = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: registry });
  return {
    registry,
    ...receiverMetrics(registry),
    ...journalMetrics(registry),
    ...workerMetrics(registry),
    ...upkeepMetrics(registry),
    ...backlogMetrics(registry),
    ...materialMetrics(registry),
    ...queueMetrics(registry),
    ...upkeepGauges(registry),
    ...ownProcessMetrics(registry, readiness),
    close: () => registry.clear(),
  };
}
export type Metrics = ReturnType<typeof createMetrics>;

function receiverMetrics(registry: Registry) {
  const registers = [registry];
  return {
    deliveries: new Counter({
      name: 'lean_webhook_deliveries_total',
      help: 'Deliveries answered, by outcome: accepted or a code of the contract.',
      labelNames: ['outcome'],
      registers,
    }),
    refusedAsLean: new Counter({
      name: 'lean_webhook_refused_as_lean_total',
      help: "Refused deliveries that looked like Lean's: under a certificate of its chain, or with a signature; by code.",
      labelNames: ['outcome'],
      registers,
    }),
    ackSeconds: new Histogram({
      name: 'lean_webhook_ack_seconds',
      help: 'From the first byte of a delivery to its answer.',
      labelNames: ['outcome'],
      buckets: ackBuckets,
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'lean_webhook_commit_seconds',
      help: 'From handing a delivery to the journal to its fsync.',
      buckets: ackBuckets,
      registers,
    }),
    connectionsRefused: new Counter({
      name: 'lean_webhook_connections_refused_total',
      help: 'Connections that ended before a request, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    certificatesRefused: new Counter({
      name: 'lean_webhook_certificates_refused_total',
      help: 'Client certificates refused by our own verification, by its reason.',
      labelNames: ['reason'],
      registers,
    }),
    shadowVerdicts: new Counter({
      name: 'lean_webhook_shadow_verdicts_total',
      help: 'What the method of VERIFY_SHADOW would have said of accepted deliveries: agreed or would_refuse, with its reason.',
      labelNames: ['method', 'verdict', 'reason'],
      registers,
    }),
    inFlight: new Gauge({
      name: 'lean_webhook_in_flight',
      help: 'Deliveries being answered at this moment.',
      registers,
    }),
    overloads: new Counter({
      name: 'lean_webhook_overloads_total',
      help: 'Deliveries answered OVERLOADED, by reason: JOURNAL_FULL, NO_PLACE_LEFT; GAVE_WAY and PIPELINED are of strangers.',
      labelNames: ['reason'],
      registers,
    }),
    requestsUnread: new Counter({
      name: 'lean_webhook_requests_unread_total',
      help: 'Requests written behind an answer that ended their connection; nobody looked at them.',
      registers,
    }),
  };
}

function journalMetrics(registry: Registry) {
  const registers = [registry];
  return {
    journalRows: new Gauge({ name: 'lean_journal_rows', help: 'Deliveries kept in the journal.', registers }),
    journalBytes: new Gauge({
      name: 'lean_journal_bytes',
      help: 'Bytes the journal uses on disk.',
      registers,
    }),
    journalLimitBytes: new Gauge({
      name: 'lean_journal_limit_bytes',
      help: 'JOURNAL_LIMIT_BYTES; deliveries are refused from 90 % of it.',
      registers,
    }),
    journalOldestAgeSeconds: new Gauge({
      name: 'lean_journal_oldest_age_seconds',
      help: 'Age of the oldest delivery that is not in Postgres yet; 0 when there is none.',
      registers,
    }),
    journalSecondsUntilFull: new Gauge({
      name: 'lean_journal_seconds_until_full',
      help: 'At the rate of the last minutes, until deliveries are refused for want of room; +Inf while it does not fill.',
      registers,
    }),
    journalWritable: new Gauge({
      name: 'lean_journal_writable',
      help: '1 while deliveries can be made durable, else 0.',
      registers,
    }),
    batchesOutstanding: new Gauge({
      name: 'lean_forwarder_batches_outstanding',
      help: 'Batches handed to Redis and not yet in Postgres.',
      registers,
    }),
    batches: new Counter({
      name: 'lean_forwarder_batches_total',
      help: 'What became of batches: added, stored, added_again, retried, retry_refused.',
      labelNames: ['outcome'],
      registers,
    }),
    forwarderRefused: new Gauge({
      name: 'lean_forwarder_wrong_installation',
      help: '1 while Redis belongs to another installation, so that nothing is forwarded, else 0.',
      registers,
    }),
    forwarderFailures: new Counter({
      name: 'lean_forwarder_failures_total',
      help: 'Tries to hand a batch to Redis that failed, by reason: timeout, oom, readonly, noauth, connection, other.',
      labelNames: ['reason'],
      registers,
    }),
  };
}

function workerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    jobs: new Counter({
      name: 'lean_jobs_total',
      help: 'Job attempts, by queue, operation (of calls to Lean) and outcome.',
      labelNames: ['queue', 'operation', 'outcome'],
      registers,
    }),
    jobSeconds: new Histogram({
      name: 'lean_job_seconds',
      help: 'How long one attempt of a job took, with what it waited for its turn.',
      labelNames: ['queue', 'operation', 'outcome'],
      buckets: workBuckets,
      registers,
    }),
    events: new Counter({
      name: 'lean_events_total',
      help: 'Events concluded, by state.',
      labelNames: ['state'],
      registers,
    }),
    eventBatches: new Counter({
      name: 'lean_event_batches_total',
      help: 'Events of several entities taken together, by outcome: shared (one transaction), apart and failed (each alone after all).',
      labelNames: ['outcome'],
      registers,
    }),
    eventWarnings: new Counter({
      name: 'lean_event_warnings_total',
      help: 'Deliveries that were read although something about them is odd, by warning: DUPLICATE_KEY, TIMESTAMP_TOO_LONG.',
      labelNames: ['warning'],
      registers,
    }),
    leanCalls: new Counter({
      name: 'lean_calls_total',
      help: 'Calls to Lean, by operation and outcome.',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
    leanCallSeconds: new Histogram({
      name: 'lean_call_seconds',
      help: 'How long one call to Lean took.',
      labelNames: ['operation', 'outcome'],
      buckets: workBuckets,
      registers,
    }),
    itemWarnings: new Counter({
      name: 'lean_item_warnings_total',
      help: "Items of Lean's lists about which something is odd, by kind of data and warning; ITEM_UNREADABLE is not stored.",
      labelNames: ['data', 'warning'],
      registers,
    }),
    immutableChanged: new Counter({
      name: 'lean_immutable_transactions_changed_total',
      help: 'Transactions that the bank had called IMMUTABLE and that say something else now; any is worth an alarm.',
      registers,
    }),
    syncs: new Counter({
      name: 'lean_syncs_total',
      help: 'Syncs that ended, by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
  };
}

/** What goes on by itself, without an event that has just come. */
function upkeepMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'lean_requests_total',
      help: 'What became of what the application asked for, by outcome: picked_up, later, given_back, done, failed.',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    changesPublished: new Counter({
      name: 'lean_changes_published_total',
      help: 'Changes numbered for the application.',
      registers,
    }),
    reconciled: new Counter({
      name: 'lean_reconciled_total',
      help: 'What the reconciler queued again, by kind.',
      labelNames: ['kind'],
      registers,
    }),
    sweepFound: new Counter({
      name: 'lean_sweep_found_total',
      help: 'What only a sweep found, because no webhook had brought it: events, banks, entities, refreshes.',
      labelNames: ['kind'],
      registers,
    }),
    bankPauses: new Counter({
      name: 'lean_bank_pauses_total',
      help: 'Pauses of one bank after calls that failed for its sake.',
      registers,
    }),
    retained: new Counter({
      name: 'lean_retention_rows_total',
      help: 'Rows emptied or deleted because they had been kept long enough: bodies, event_keys, changes, batches, steps, results, requests.',
      labelNames: ['kind'],
      registers,
    }),
  };
}

function backlogMetrics(registry: Registry) {
  const registers = [registry];
  return {
    quarantineEvents: new Gauge({
      name: 'lean_quarantine_events',
      help: 'Events kept in quarantine, by state: quarantined, failed. Counted up to 10,000; the same in every worker.',
      labelNames: ['state'],
      registers,
    }),
    openEvents: new Gauge({
      name: 'lean_events_open',
      help: 'Events in Postgres that are not concluded yet. Counted up to 10,000; the same in every worker.',
      registers,
    }),
    oldestOpenEventSeconds: new Gauge({
      name: 'lean_events_oldest_open_age_seconds',
      help: 'Since the event that waits longest was received; 0 when none waits. The same in every worker.',
      registers,
    }),
  };
}

function materialMetrics(registry: Registry) {
  const registers = [registry];
  return {
    certificateExpirySeconds: new Gauge({
      name: 'lean_certificate_expires_in_seconds',
      help: 'Time left on every certificate and revocation list in use, by what it is for and the start of its SHA-256.',
      labelNames: ['material', 'sha256'],
      registers,
    }),
    materialReloads: new Counter({
      name: 'lean_material_reloads_total',
      help: 'Files read again after a change, by which one and outcome: loaded or refused.',
      labelNames: ['material', 'outcome'],
      registers,
    }),
  };
}
