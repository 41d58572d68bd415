// The change feed's law: whoever reads by position misses nothing and sees nothing twice.
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { appendChanges, publishChanges, type NewChange } from '../../src/store/change-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { startChangePublisher } from '../../src/worker/change-publisher.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { createWorkerParts, eventRows } from '../support/worker-parts.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());
beforeEach(async () => {
  const { db } = test.database;
  for (const table of ['changes', 'webhook_events'] as const) await db.deleteFrom(table).execute();
  await db.updateTable('change_feed_state').set({ last_position: 0n }).execute();
});

const change = (entityId: string): Extract<NewChange, { change: 'event.recorded' }> => ({
  change: 'event.recorded',
  entityId,
  customerId: 'customer',
  eventKey: 'event',
  details: { type: 'payment.created' },
});

async function positions(): Promise<(bigint | null)[]> {
  const rows = await test.database.db.selectFrom('changes').select('position').orderBy('position').execute();
  return rows.map((row) => row.position);
}

describe('appendChanges', () => {
  it('writes the version of each, and nothing at all where the details of one are not as its schema has them', async () => {
    const { database } = test;
    await appendChanges(database.db, [change('a')]);
    const wrong = { ...change('c'), details: { type: 'payment.created', full_name: 'Fatima' } };
    await expect(appendChanges(database.db, [change('b'), wrong])).rejects.toMatchObject({
      code: 'CHANGE_INVALID',
      message: 'details of event.recorded: has full_name',
    });
    const rows = await database.db.selectFrom('changes').select(['entity_id', 'version']).execute();
    expect(rows).toEqual([{ entity_id: 'a', version: 1 }]);
  });
});

it('an event whose change is not as its schema has it fails at once, with its code, and writes nothing', async () => {
  const { database } = test;
  const refusal = new AppError('CHANGE_INVALID', 'details of entity.connected: has full_name');
  const refusing = { ...database, transaction: () => Promise.reject(refusal) };
  await createWorkerParts(database).intake([{ body: entityBody({ eventId: 'event' }) }]);
  const report = await createWorkerParts(refusing).applyEvent('event');
  expect(report).toMatchObject({ verdict: { kind: 'done' }, outcome: 'CHANGE_INVALID' });
  expect(await eventRows(database)).toMatchObject([{ state: 'failed', failure_code: 'CHANGE_INVALID' }]);
  expect(await positions()).toEqual([]);
});

describe('publishChanges', () => {
  it('numbers committed changes from 1 without a gap, and goes on where it stopped', async () => {
    const { database } = test;
    expect(await publishChanges(database, { limit: 10 })).toBe(0);
    await appendChanges(database.db, [change('a'), change('b'), change('c')]);
    expect(await publishChanges(database, { limit: 2 })).toBe(2);
    expect(await publishChanges(database, { limit: 2 })).toBe(1);
    await appendChanges(database.db, [change('d')]);
    expect(await publishChanges(database, { limit: 2 })).toBe(1);
    const rows = await database.db
      .selectFrom('changes')
      .select(['entity_id', 'position'])
      .orderBy('position')
      .execute();
    expect(rows).toEqual([
      { entity_id: 'a', position: 1n },
      { entity_id: 'b', position: 2n },
      { entity_id: 'c', position: 3n },
      { entity_id: 'd', position: 4n },
    ]);
  });

  it('wakes a reader that LISTENs, who then finds the change in the feed', async (context) => {
    context.skip(test.url === undefined, 'a reader of its own needs a real Postgres');
    const reader = new Client({ connectionString: test.url });
    await reader.connect();
    await reader.query('listen lean_changes');
    // Other installations on the same Postgres are heard as well.
    const heard: unknown[] = [];
    reader.on('notification', ({ channel, payload }) => heard.push({ channel, payload }));
    await appendChanges(test.database.db, [change('a')]);
    const feed = `select position, entity_id from "${test.schema}".change_feed where position > 0`;
    expect((await reader.query(feed)).rows).toEqual([]); // Not before it has its number.
    await publishChanges(test.database, { limit: 10 });
    await eventually(() => expect(heard).toContainEqual({ channel: 'lean_changes', payload: test.schema }));
    expect((await reader.query(feed)).rows).toEqual([{ position: '1', entity_id: 'a' }]);
    await reader.end();
  });

  it('leaves a rolled back change out without leaving a hole', async () => {
    const { database } = test;
    await appendChanges(database.db, [change('a')]);
    await expect(
      database.transaction(async (transaction) => {
        await appendChanges(transaction, [change('gone')]);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await appendChanges(database.db, [change('b')]);
    await publishChanges(database, { limit: 10 });
    expect(await positions()).toEqual([1n, 2n]);
  });
});

describe('startChangePublisher', () => {
  it('publishes what was committed without being asked, and stops when closed', async () => {
    const { database } = test;
    const metrics = createMetrics({ processMetrics: false });
    const publisher = startChangePublisher({
      database,
      logger: silentLogger,
      metrics,
      intervalMs: 10,
      limit: 2,
    });
    try {
      await appendChanges(database.db, [change('a'), change('b'), change('c')]);
      await eventually(async () => expect(await positions()).toEqual([1n, 2n, 3n]));
    } finally {
      await publisher.close();
      metrics.close();
    }
  });
});
