// What is kept long enough goes, oldest first and a little at a time; what is not yet due, or not yet done, stays.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { publishChanges } from '../../src/store/change-store.ts';
import type { Database } from '../../src/store/database.ts';
import { retentionStatements } from '../../src/store/retention-store.ts';
import { createRetention, type RetentionOptions } from '../../src/worker/retention.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { createRecordingLogger } from '../support/silent-logger.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { createWorkerParts, eventRows } from '../support/worker-parts.ts';

const keepDays = { bodies: 7, quarantine: 30, eventKeys: 120, changes: 30 };

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
});
afterEach(() => test.drop());

interface EventOfDays {
  readonly key: string;
  readonly state: 'received' | 'processed' | 'ignored' | 'quarantined' | 'failed';
  /** Since it was concluded, or received. */
  readonly days: number;
  /** Since the event's own date. */
  readonly occurredDays?: number;
  readonly hasBody?: boolean;
}

async function insertEvents(events: readonly EventOfDays[]): Promise<void> {
  for (const { key, state, days, occurredDays = days, hasBody = true } of events) {
    await sql`
      insert into ${database.table('webhook_events')}
        (event_key, state, concluded_at, received_at, occurred_at, proof, body, body_sha256)
      select ${key}, ${state}, case when ${state} <> 'received' then at end, at,
        now() - make_interval(days => ${occurredDays}), 'signature', case when ${hasBody} then '\\x00'::bytea end, ''
      from (select now() - make_interval(days => ${days}) as at) as concluded
    `.execute(database.db);
  }
}

function retention(options: Partial<RetentionOptions> = {}) {
  const metrics = createMetrics({ processMetrics: false });
  const { logger, lines } = createRecordingLogger();
  return { metrics, lines, ...createRetention({ database, keepDays, logger, metrics, ...options }) };
}

const bodies = async () =>
  Object.fromEntries((await eventRows(database)).map((row) => [row.event_key, row.body !== null]));

const withBodies = async () =>
  Object.entries(await bodies())
    .filter(([, has]) => has)
    .map(([key]) => key);

async function age(table: string, column: string, days: number): Promise<void> {
  await sql`
    update ${database.table(table)} set ${sql.ref(column)} = now() - make_interval(days => ${days})
  `.execute(database.db);
}

describe('a round of retention', () => {
  it('empties bodies by the state of their event and forgets keys, and leaves alone what is not due', async () => {
    await insertEvents([
      { key: 'young', state: 'processed', days: 6 },
      { key: 'applied', state: 'processed', days: 8 },
      { key: 'ignored', state: 'ignored', days: 8 },
      { key: 'in quarantine', state: 'quarantined', days: 29 },
      { key: 'long in quarantine', state: 'quarantined', days: 31 },
      { key: 'failed', state: 'failed', days: 31 },
      { key: 'not forgotten yet', state: 'processed', days: 119, hasBody: false },
      { key: 'forgotten', state: 'processed', days: 121, hasBody: false },
      { key: 'dated later than it came', state: 'processed', days: 121, occurredDays: 119, hasBody: false },
    ]);
    const { run, lines, metrics } = retention();
    await run();
    expect(await bodies()).toEqual({
      young: true,
      applied: false,
      ignored: false,
      'in quarantine': true,
      'long in quarantine': false,
      failed: false,
      'not forgotten yet': false,
      'dated later than it came': false,
    });
    expect(lines).toMatchObject([
      { event: 'retention', fields: { outcome: 'done', bodies: 4, event_keys: 1 } },
    ]);
    expect(await metrics.registry.getSingleMetricAsString('lean_retention_rows_total')).toContain(
      'kind="bodies"} 4',
    );
  });

  it('never touches an event that is not concluded, however old it is', async () => {
    await insertEvents([{ key: 'open', state: 'received', days: 3_000 }]);
    await retention().run();
    expect(await bodies()).toEqual({ open: true });
  });

  it('keeps a key as long as the body, where bodies are kept longer', async () => {
    await insertEvents([{ key: 'kept', state: 'quarantined', days: 200 }]);
    await retention({ keepDays: { ...keepDays, quarantine: 365 } }).run();
    expect(await bodies()).toEqual({ kept: true });
  });

  it('deletes numbered changes that are old enough and never one that has no number yet', async () => {
    const insert = async (names: readonly string[]) => {
      await database.db
        .insertInto('changes')
        .values(names.map((change) => ({ change, details: '{}' })))
        .execute();
    };
    await insert(['old', 'also old']);
    await publishChanges(database, { limit: 10 });
    await age('changes', 'at', 31);
    await insert(['young']);
    await publishChanges(database, { limit: 10 });
    await insert(['not numbered']);
    await sql`
      update ${database.table('changes')} set at = now() - interval '31 days' where change = 'not numbered'
    `.execute(database.db);
    await retention().run();
    const rows = await database.db.selectFrom('changes').select('change').orderBy('change_id').execute();
    expect(rows.map(({ change }) => change)).toEqual(['young', 'not numbered']);
    const bounds = await sql`select * from ${database.table('change_feed_bounds')}`.execute(database.db);
    expect(bounds.rows).toEqual([{ forgotten_up_to: 2n, last_position: 3n }]);
    await retention().run();
    expect(
      (await sql`select * from ${database.table('change_feed_bounds')}`.execute(database.db)).rows,
    ).toEqual(bounds.rows);
  });

  it('deletes the steps of syncs that have ended, results that came and batches, and no step of a sync that runs', async () => {
    const parts = partsOfTwoAccounts(database);
    await parts.request({ entityId: 'ended' });
    await parts.drain();
    const { syncId } = await parts.request({ entityId: 'running' });
    const [first] = parts.queue.values();
    if (first !== undefined) await parts.run(first.data);
    await createWorkerParts(database).intake([{ body: entityBody({}) }]);
    for (const resultsId of ['came', 'open']) {
      await sql`insert into ${database.table('pending_results')} (results_id) values (${resultsId})`.execute(
        database.db,
      );
    }
    await sql`update ${database.table('pending_results')} set resolved_at = now() - interval '31 days' where results_id = 'came'`.execute(
      database.db,
    );
    await age('sync_steps', 'updated_at', 31);
    await age('intake_batches', 'stored_at', 121);
    const { run, lines } = retention();
    await run();
    const steps = await database.db.selectFrom('sync_steps').select('sync_id').distinct().execute();
    expect(steps).toEqual([{ sync_id: syncId }]);
    expect(await database.db.selectFrom('pending_results').select('results_id').execute()).toEqual([
      { results_id: 'open' },
    ]);
    expect(lines).toMatchObject([{ fields: { steps: 7, results: 1, batches: 1 } }]);
  });

  it('does a bounded number of rows, oldest first, and the rest in the rounds that follow', async () => {
    await insertEvents(
      Array.from({ length: 10 }, (_, index) => ({ key: `e${index}`, state: 'processed', days: 20 - index })),
    );
    const { run } = retention({ limit: 2, statementsPerRound: 2 });
    await run();
    expect(await withBodies()).toEqual(['e4', 'e5', 'e6', 'e7', 'e8', 'e9']);
    await run();
    await run();
    expect(await withBodies()).toEqual([]);
  });

  it('writes no line and counts nothing when nothing is due', async () => {
    await insertEvents([{ key: 'young', state: 'processed', days: 1 }]);
    const { run, lines } = retention();
    await run();
    expect(lines).toEqual([]);
  });

  it('leaves it to the worker that is at it', async (context) => {
    context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
    await insertEvents([{ key: 'due', state: 'processed', days: 8 }]);
    const lock = sql`select pg_advisory_xact_lock(hashtextextended(${`lean-retention:${database.schema}`}, 0))`;
    await database.transaction(async (transaction) => {
      await lock.execute(transaction);
      await retention().run();
    });
    expect(await bodies()).toEqual({ due: true });
  });

  it('that fails says so once and never throws', async () => {
    const away = { ...database, transaction: () => Promise.reject(new Error('away')) };
    const { run, lines } = retention({ database: away });
    await run();
    await run();
    expect(lines).toMatchObject([{ event: 'retention', fields: { outcome: 'failed' } }]);
  });
});

describe('every statement of retention', () => {
  it('finds its rows by an index, in the order in which they are due', async () => {
    await database.transaction(async (transaction) => {
      // Small tables are read faster from end to end; what counts is whether the index fits the question.
      await sql`set local enable_seqscan = off`.execute(transaction);
      await sql`set local enable_sort = off`.execute(transaction);
      for (const { kind, statement } of retentionStatements(database, { keepDays, limit: 1_000 })) {
        const { rows } = await sql<{ 'QUERY PLAN': string }>`explain (costs off) ${statement}`.execute(
          transaction,
        );
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).toContain(indexOf[kind]);
        expect(plan).not.toMatch(/Sort|Seq Scan/);
      }
    });
  });
});

const indexOf = {
  bodies: 'webhook_events_bodies',
  event_keys: 'webhook_events_emptied',
  changes: 'changes_position_key',
  batches: 'intake_batches_stored',
  steps: 'sync_steps_ended',
  results: 'pending_results_resolved',
  requests: 'requests_concluded',
} as const;

describe('an event older than keys are kept', () => {
  const old = '2020-01-01T00:00:00Z';

  it('is kept in quarantine with its body as EVENT_TOO_OLD and not acted on', async () => {
    const worker = createWorkerParts(database, { eventKeyKeepDays: 120 });
    const report = await worker.intake([
      { body: entityBody({ eventId: 'old', timestamp: old }) },
      { body: entityBody({ eventId: 'young', timestamp: new Date().toISOString() }) },
      { body: entityBody({ eventId: 'undated', timestamp: null }) },
      { body: Buffer.from('no JSON') },
    ]);
    expect(report).toMatchObject({ events: 2 });
    const rows = await eventRows(database);
    expect(rows.find((row) => row.event_key === 'old')).toMatchObject({
      state: 'quarantined',
      failure_code: 'EVENT_TOO_OLD',
      body: expect.anything(),
    });
    expect(worker.eventJobs.map(({ data }) => data.eventKey)).toEqual(['undated', 'young']);
  });

  it('is counted like any other duplicate where its key is still known', async () => {
    const body = entityBody({ eventId: 'known', timestamp: old });
    await createWorkerParts(database).intake([{ body }]);
    await createWorkerParts(database, { eventKeyKeepDays: 120 }).intake([{ body }]);
    expect(await eventRows(database)).toMatchObject([
      { state: 'received', failure_code: null, delivery_count: 2 },
    ]);
  });
});

describe('a running worker', () => {
  it('does a round of retention by its variables, and sets aside what is older than keys are kept', async () => {
    const customers = generateCustomers({ seed: 'nobody', entities: 0 });
    const env = { BODY_KEEP_DAYS: '0', EVENT_KEY_KEEP_DAYS: '2' };
    const world = await createWorkerWorld({ customers, env });
    try {
      await world.start();
      const timestamp = new Date(Date.now() - 3 * 86_400_000).toISOString();
      const old = entityBody({ eventId: 'old', timestamp });
      const young = entityBody({ eventId: 'young', timestamp: new Date().toISOString() });
      await world.deliver([old, young].map((body) => Buffer.from(body).toString()));
      await eventually(async () =>
        expect(await eventRows(world.test.database)).toMatchObject([
          { event_key: 'old', failure_code: 'EVENT_TOO_OLD', body: expect.anything() },
          { event_key: 'young', state: 'processed', body: null },
        ]),
      );
    } finally {
      await world.close();
    }
  });
});
