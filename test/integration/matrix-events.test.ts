// Failure matrix: events that contradict each other, what the gauges tell of them, and rounds of the reconciler when
// nothing is left to do or when another worker is at it.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { EventQueueJob, SyncQueueJob } from '../../src/queue/work-queues.ts';
import { tryLock } from '../../src/store/advisory-lock.ts';
import { startBacklogGauges } from '../../src/worker/backlog-gauges.ts';
import { startReconciler, type Reconciler } from '../../src/worker/reconciler.ts';
import { createRetention } from '../../src/worker/retention.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { createWorkerParts, eventRows } from '../support/worker-parts.ts';

const entityId = 'ed20559b-11f4-40dd-b912-629b7f37855b';
const customerId = '80f315e8-d429-48fe-a902-8b202bb32403';
const contradicting = ['One bank', 'Another bank'].map((bankName) =>
  Buffer.from(entityBody({ eventId: 'told-twice', entityId, customerId, bankName })).toString(),
);

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase();
});
afterEach(() => test.drop());

describe('same event_id with a different payload', () => {
  it('both are kept, the second in quarantine, and an alarm line and the gauge say so', async (context) => {
    const world = await createWorkerWorld({ customers: generateCustomers({ seed: 'none', entities: 0 }) });
    context.onTestFinished(() => world.close());
    await world.start();
    for (const body of contradicting) await world.deliver([body]);
    await eventually(async () =>
      expect((await eventRows(world.test.database)).map(({ state }) => state).toSorted()).toEqual([
        'processed',
        'quarantined',
      ]),
    );
    const rows = await eventRows(world.test.database);
    expect(rows.every(({ body }) => body !== null && body.length > 0)).toBe(true);
    await eventually(() =>
      expect(world.lines.filter(({ event }) => event === 'events_quarantined')).toEqual([
        {
          event: 'events_quarantined',
          fields: { failure_code: 'EVENT_BODY_CONFLICT', events: 1 },
        },
      ]),
    );
  });

  it('the same payload written in another way is counted and no conflict', async () => {
    const parts = createWorkerParts(test.database);
    const [text = ''] = contradicting;
    const respelled = JSON.stringify(JSON.parse(text), null, 2);
    await parts.intake([{ body: Buffer.from(text) }]);
    await parts.intake([{ body: Buffer.from(respelled) }]);
    expect(await eventRows(test.database)).toMatchObject([{ event_key: 'told-twice', delivery_count: 2 }]);
  });
});

describe('backlog age and quarantine size', () => {
  it('are gauges, the same in every worker, and zero again when all is concluded', async (context) => {
    const { database } = test;
    const anHourAgo = new Date(Date.now() - 3_600_000).toISOString();
    const parts = createWorkerParts(database);
    await parts.intake(contradicting.map((text) => ({ body: Buffer.from(text), receivedAt: anHourAgo })));
    const workers = [1, 2].map(() => {
      const metrics = createMetrics({ processMetrics: false });
      const gauges = startBacklogGauges({ database, metrics, intervalMs: 20 });
      context.onTestFinished(() => gauges.close());
      return metrics;
    });
    const value = async (metrics: (typeof workers)[number], name: string, labels = '') => {
      const text = await metrics.registry.metrics();
      const line = text.split('\n').find((one) => one.startsWith(`${name}${labels} `));
      return Number(line?.split(' ')[1]);
    };
    for (const metrics of workers) {
      await eventually(async () => {
        expect(await value(metrics, 'lean_events_open')).toBe(1);
        expect(await value(metrics, 'lean_quarantine_events', '{state="quarantined"}')).toBe(1);
        expect(await value(metrics, 'lean_quarantine_events', '{state="failed"}')).toBe(0);
        const age = await value(metrics, 'lean_events_oldest_open_age_seconds');
        expect(Math.abs(age - 3_600)).toBeLessThan(60);
      });
    }
    await createWorkerParts(database).applyEvent('told-twice');
    for (const metrics of workers) {
      await eventually(async () => {
        expect(await value(metrics, 'lean_events_open')).toBe(0);
        expect(await value(metrics, 'lean_events_oldest_open_age_seconds')).toBe(0);
      });
    }
  });
});

/** Every row of the schema with the transaction that wrote it: any write, even of the same values, changes this. */
async function versionsOfAllRows({ database, schema }: TestDatabase): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${schema} and table_type = 'BASE TABLE' order by table_name
  `.execute(database.db);
  const versions = tables.map(async ({ name }) => {
    const { rows } = await sql<{ versions: string | null }>`
      select string_agg(xmin::text || ctid::text, ' ' order by ctid) as versions from ${sql.id(schema, name)}
    `.execute(database.db);
    return `${name}: ${rows[0]?.versions ?? ''}`;
  });
  return (await Promise.all(versions)).join('\n');
}

describe('a round of the reconciler', () => {
  let reconciler: Reconciler;
  afterEach(() => reconciler.close());

  function start(): { rounds: () => number; added: (EventQueueJob | SyncQueueJob)[] } {
    const added: (EventQueueJob | SyncQueueJob)[] = [];
    let rounds = 0;
    const metrics = createMetrics({ processMetrics: false });
    const remember = (jobs: readonly (EventQueueJob | SyncQueueJob)[]) =>
      Promise.resolve(void added.push(...jobs));
    reconciler = startReconciler({
      database: test.database,
      eventQueue: {
        add: remember,
        publishInstallation(id) {
          rounds += 1;
          return Promise.resolve(id);
        },
      },
      syncQueue: { add: remember },
      installationId: 'installation',
      logger: silentLogger,
      metrics,
      retention: createRetention({
        database: test.database,
        keepDays: { bodies: 30, quarantine: 90, eventKeys: 120, changes: 30 },
        logger: silentLogger,
        metrics,
      }),
      intervalMs: 20,
      olderThanMs: 0,
    });
    return { rounds: () => rounds, added };
  }

  it('is a no-op when nothing is left: no row is written and no job is added', async () => {
    const parts = createWorkerParts(test.database);
    await parts.intake(contradicting.map((text) => ({ body: Buffer.from(text) })));
    await parts.applyEvent('told-twice');
    const before = await versionsOfAllRows(test);
    expect(before).toContain('webhook_events: ');
    const { rounds, added } = start();
    await eventually(() => expect(rounds()).toBeGreaterThan(5));
    expect(await versionsOfAllRows(test)).toBe(before);
    expect(added).toEqual([]);
  });

  it('is left to the worker that is at it: of two workers only one does the round', async (context) => {
    context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
    const { database } = test;
    await createWorkerParts(database).intake([{ body: entityBody({ eventId: 'open', entityId }) }]);
    const other = Promise.withResolvers<void>();
    const isAtIt = Promise.withResolvers<boolean>();
    const round = database.transaction(async (transaction) => {
      isAtIt.resolve(await tryLock(database, transaction, 'reconcile'));
      await other.promise;
    });
    expect(await isAtIt.promise).toBe(true);
    const { rounds, added } = start();
    await eventually(() => expect(rounds()).toBeGreaterThan(5));
    expect(added).toEqual([]);
    other.resolve();
    await round;
    await eventually(() => expect(added.map(({ data }) => data)).toContainEqual({ eventKey: 'open' }));
  });
});
