// What makes jobs again from Postgres, with a real database and queues that can be out of reach.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { EventQueueJob, SyncQueueJob } from '../../src/queue/work-queues.ts';
import { requestSync } from '../../src/store/sync-store.ts';
import { startReconciler, type Reconciler, type ReconcilerOptions } from '../../src/worker/reconciler.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { entityBody } from '../support/event-bodies.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

const aDayMs = 86_400_000;
const wanted = {
  customerId: 'customer',
  reason: 'refresh',
  eventKey: null,
  dataStatus: null,
  fullHistory: false,
  rereadEntity: false,
} as const;

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
  // Stored, and its job "lost": the parts' queues only remember.
  await createWorkerParts(test.database).intake([{ body: entityBody({ entityId: 'entity' }) }]);
});
afterAll(() => test.drop());

/** Event jobs as a Redis would see them; out of reach until `back`. */
function queueAway() {
  const added: EventQueueJob[] = [];
  const state = { away: true, refused: 0 };
  return {
    added,
    state,
    async add(jobs: readonly EventQueueJob[]): Promise<void> {
      if (state.away) {
        state.refused += 1;
        throw new AppError('QUEUE_UNAVAILABLE', 'out of reach');
      }
      added.push(...jobs);
    },
    publishInstallation: (id: string) => Promise.resolve(id),
  };
}

describe('the reconciler', () => {
  let reconciler: Reconciler;
  const start = (
    eventQueue: ReturnType<typeof queueAway>,
    options: Partial<ReconcilerOptions> = {},
  ): void => {
    reconciler = startReconciler({
      database: test.database,
      eventQueue,
      syncQueue: { add: () => Promise.resolve() },
      installationId: 'installation',
      logger: silentLogger,
      metrics: createMetrics({ processMetrics: false }),
      intervalMs: aDayMs,
      olderThanMs: aDayMs,
      ...options,
    });
  };

  it('leaves alone what is young enough to have its job', async () => {
    const eventQueue = queueAway();
    eventQueue.state.away = false;
    start(eventQueue);
    await reconciler.close();
    expect(eventQueue.added).toEqual([]);
  });

  it('adds all that is unfinished in one round, however many pages that are', async () => {
    const { database } = test;
    const bodies = [1, 2, 3, 4].map((entity) => entityBody({ entityId: `entity-${entity}` }));
    await createWorkerParts(database).intake(bodies.map((body) => ({ body })));
    const entityIds = Array.from({ length: 7 }, (_, index) => `entity-${index}`);
    await database.transaction(async (inside) => {
      for (const entityId of entityIds) await requestSync(database, inside, { ...wanted, entityId });
    });
    const eventQueue = queueAway();
    eventQueue.state.away = false;
    const steps: SyncQueueJob[] = [];
    const syncQueue = { add: (jobs: readonly SyncQueueJob[]) => Promise.resolve(void steps.push(...jobs)) };
    start(eventQueue, { syncQueue, olderThanMs: 0, limit: 2 });
    await eventually(() => expect([eventQueue.added.length, steps.length]).toEqual([5, 7]));
    await reconciler.close();
    expect(new Set(eventQueue.added.map(({ id }) => id)).size).toBe(5);
    expect(new Set(steps.map(({ id }) => id)).size).toBe(7);
    await database.db.deleteFrom('webhook_events').where('entity_id', 'in', entityIds).execute();
  });

  it('adds what was missed, of any age, as soon as Redis is back', async () => {
    const eventQueue = queueAway();
    start(eventQueue);
    reconciler.jobsMissed();
    await eventually(() => expect(eventQueue.state.refused).toBeGreaterThan(1));
    eventQueue.state.away = false;
    await eventually(() => expect(eventQueue.added).toHaveLength(1));
    await reconciler.close();
    expect(eventQueue.added).toHaveLength(1);
  });
});
