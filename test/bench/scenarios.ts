// Every scenario of the benchmark, in the order in which it runs: what a sender feels first.
import type { Scenario } from './scenario.ts';
import { ackLatency } from './scenarios/ack-latency.ts';
import { ackRedis } from './scenarios/ack-redis.ts';
import { behindHaproxy } from './scenarios/behind-haproxy.ts';
import { bodies } from './scenarios/bodies.ts';
import { coldStart } from './scenarios/cold-start.ts';
import { cpuPerDelivery } from './scenarios/cpu-per-delivery.ts';
import { growthBatches } from './scenarios/growth-batches.ts';
import { growthQueue } from './scenarios/growth-queue.ts';
import { growthViews } from './scenarios/growth-views.ts';
import { keepAlive } from './scenarios/keep-alive.ts';
import { memory } from './scenarios/memory.ts';
import { newConnections } from './scenarios/new-connections.ts';
import { workerBackfill } from './scenarios/worker-backfill.ts';
import { workerDrain } from './scenarios/worker-drain.ts';
import { workerEvents } from './scenarios/worker-events.ts';
import { workerPostToRow } from './scenarios/worker-post-to-row.ts';
import { workerScale } from './scenarios/worker-scale.ts';
import { workerUpsert } from './scenarios/worker-upsert.ts';

export const scenarios: readonly Scenario[] = [
  ackLatency,
  ackRedis,
  keepAlive,
  newConnections,
  bodies,
  behindHaproxy,
  cpuPerDelivery,
  coldStart,
  memory,
  workerPostToRow,
  workerDrain,
  workerEvents,
  workerUpsert,
  workerBackfill,
  workerScale,
  growthBatches,
  growthQueue,
  growthViews,
];
