// The change feed's law: whoever reads by position misses nothing and sees nothing twice.
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendChanges, publishChanges, type NewChange } from '../../src/store/change-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { startChangePublisher } from '../../src/worker/change-publisher.ts';
import { eventually } from '../support/eventually.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { silentLogger } from '../support/silent-logger.ts';

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase();
});
afterEach(() => test.drop());

const change = (entityId: string): NewChange => ({
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

  it('gives a reader every change once, in order, while 20 writers write and some roll back', async () => {
    const { database } = test;
    const committed = new Set<string>();
    const writers = new AbortController();
    const seen: { position: bigint; entityId: string }[] = [];

    async function write(writer: number): Promise<void> {
      for (let round = 0; round < 6; round += 1) {
        const entityId = `${writer}-${round}`;
        try {
          await database.transaction(async (transaction) => {
            await appendChanges(transaction, [change(entityId), change(`${entityId}-second`)]);
            if ((writer + round) % 4 === 0) throw new Error('rolled back');
          });
          committed.add(entityId).add(`${entityId}-second`);
        } catch (error) {
          if (!(error instanceof Error) || error.message !== 'rolled back') throw error;
        }
      }
    }
    async function publish(): Promise<void> {
      while (!writers.signal.aborted) await publishChanges(database, { limit: 7 });
      while ((await publishChanges(database, { limit: 7 })) > 0);
    }
    async function read(): Promise<void> {
      let last = 0n;
      for (;;) {
        const lastRound = writers.signal.aborted;
        const rows = await database.db
          .selectFrom('changes')
          .select(['position', 'entity_id'])
          .where('position', '>', last)
          .orderBy('position')
          .execute();
        for (const { position, entity_id } of rows) {
          if (position === null || entity_id === null) throw new Error('a numbered change has both');
          seen.push({ position, entityId: entity_id });
          last = position;
        }
        if (lastRound && seen.length === committed.size) return;
      }
    }
    const reading = read();
    const publishing = Promise.all([publish(), publish()]);
    await Promise.all(Array.from({ length: 20 }, (_, writer) => write(writer)));
    writers.abort();
    await publishing;
    while ((await publishChanges(database, { limit: 100 })) > 0);
    await reading;
    expect(seen.map(({ position }) => position)).toEqual(seen.map((_, index) => BigInt(index + 1)));
    expect(new Set(seen.map(({ entityId }) => entityId))).toEqual(committed);
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
