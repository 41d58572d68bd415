// The numbers that somebody looks up from time to time, for the alerts: queues, upkeep, clocks, readiness. A part of
// metrics.ts. Labels are names of our own queues, sweeps and checks, so the number of series is bounded.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';

/** Of queues in Redis, by a worker: the same in every one. */
export function queueMetrics(registry: Registry) {
  const registers = [registry];
  return {
    queueJobs: new Gauge({
      name: 'lean_queue_jobs',
      help: 'Jobs in Redis, by queue and state: waiting, active, delayed, failed. The same in every worker.',
      labelNames: ['queue', 'state'],
      registers,
    }),
    queueOldestAgeSeconds: new Gauge({
      name: 'lean_queue_oldest_age_seconds',
      help: 'Since the job that is next in turn was added to its queue; 0 when none waits. The same in every worker.',
      labelNames: ['queue'],
      registers,
    }),
    redisEvicts: new Gauge({
      name: 'lean_redis_evicts',
      help: '1 while Redis is set to throw keys away when it is full, and with them jobs; else 0.',
      registers,
    }),
    rateLimitWaitSeconds: new Histogram({
      name: 'lean_rate_limit_wait_seconds',
      help: 'How long all workers pause, each time that Lean answers 429.',
      buckets: [0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600],
      registers,
    }),
  };
}

/** What Postgres says of work that nobody waits for, by a worker: the same in every one. */
export function upkeepGauges(registry: Registry) {
  const registers = [registry];
  return {
    oldestDueStepSeconds: new Gauge({
      name: 'lean_sync_steps_oldest_due_age_seconds',
      help: 'Since the call to Lean that waits longest was due; 0 when none is. The same in every worker.',
      registers,
    }),
    oldestSyncSeconds: new Gauge({
      name: 'lean_entities_oldest_sync_age_seconds',
      help: 'Since the active entity longest without a finished sync had one, or appeared; 0 without any. The same in every worker.',
      registers,
    }),
    actionRequired: new Gauge({
      name: 'lean_entities_action_required',
      help: 'Entities whose customer must act before anything more is fetched. Counted up to 10,000; the same in every worker.',
      registers,
    }),
    oldestUnpublishedSeconds: new Gauge({
      name: 'lean_changes_oldest_unpublished_age_seconds',
      help: 'Since the change was written that waits longest for its number in the feed; 0 when none waits. The same in every worker.',
      registers,
    }),
    sweepFailures: new Gauge({
      name: 'lean_sweep_failures_in_a_row',
      help: 'How often a sweep has failed since it last got on, by sweep. The same in every worker.',
      labelNames: ['sweep'],
      registers,
    }),
    sweepFinishedSeconds: new Gauge({
      name: 'lean_sweep_finished_age_seconds',
      help: 'Since a sweep last came to its end, by sweep. The same in every worker.',
      labelNames: ['sweep'],
      registers,
    }),
    firstBalanceSeconds: new Histogram({
      name: 'lean_first_balance_seconds',
      help: "From the arrival of an entity's first event to its first balance in Postgres.",
      buckets: [1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 86_400],
      registers,
    }),
  };
}

export function processMetrics(registry: Registry, readiness: Pick<Readiness, 'report'> | undefined) {
  const registers = [registry];
  return {
    ready: new Gauge({
      name: 'lean_ready',
      help: '1 for every check of /readyz that is well, else 0, by check.',
      labelNames: ['check'],
      registers,
      collect() {
        for (const [check, { ok }] of Object.entries(readiness?.report().checks ?? {}))
          this.set({ check }, ok ? 1 : 0);
      },
    }),
    operationsRefused: new Counter({
      name: 'lean_operations_refused_total',
      help: 'Requests for /status and /queues that came with a wrong OPS_TOKEN.',
      registers,
    }),
    processTimeSeconds: new Gauge({
      name: 'lean_process_time_seconds',
      help: "This machine's clock at this moment, seconds since 1970; to be compared with that of Prometheus.",
      registers,
      collect() {
        this.set(Date.now() / 1000);
      },
    }),
    databaseClockAheadSeconds: new Gauge({
      name: 'lean_database_clock_ahead_seconds',
      help: "How far the clock of Postgres is ahead of this worker's; below 0 when it is behind.",
      registers,
    }),
  };
}
