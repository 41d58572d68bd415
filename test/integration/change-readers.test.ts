// The readers that the README shows, run as they stand there: whatever writers, transactions and the readers themselves
// do, each change takes effect once, in order.
import { sql } from 'kysely';
import { Client } from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createMetrics } from '../../src/observability/metrics.ts';
import { appendChanges, publishChanges, type NewChange } from '../../src/store/change-store.ts';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { retentionTasks } from '../../src/store/retention-store.ts';
import { startChangePublisher } from '../../src/worker/change-publisher.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { importReadmeExample, readmeExample } from '../support/readme-examples.ts';
import { silentLogger } from '../support/silent-logger.ts';

let test: TestDatabase;
beforeEach(async (context) => {
  context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
  test = await openTestDatabase();
  context.onTestFinished(() => test.drop());
});

const change = (entityId: string): NewChange => ({
  change: 'transactions.updated',
  entityId,
  customerId: 'customer',
  accountId: 'account',
  details: { syncId: 'sync', inserted: 1, changed: 0, superseded: 0, from: null, to: null },
});

/** As an application connects: its own tables are found by their names alone. */
function applicationUrl(): string {
  const url = new URL(test.url ?? '');
  url.searchParams.set('options', `-c search_path="${test.schema}"`);
  return url.href;
}

async function runAs(text: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: applicationUrl() });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** Up to `position`, as retention does. */
async function forget(database: Database, position: number): Promise<void> {
  await sql`
    update ${database.table('changes')} set at = now() - interval '31 days' where position <= ${position}
  `.execute(database.db);
  const keepDays = { bodies: 30, quarantine: 30, eventKeys: 30, changes: 30 };
  const tasks = retentionTasks(database, { keepDays, limit: 100 });
  for (const { kind, run } of tasks) if (kind === 'changes') await run();
}

/** Numbers 1 to 6, of which 3 and 5 were erased and the first two have expired. */
async function writeSixAndForget(database: Database): Promise<void> {
  await appendChanges(database.db, ['1', '2', '3', '4', '5', '6'].map(change));
  await publishChanges(database, { limit: 10 });
  await database.db.deleteFrom('changes').where('entity_id', 'in', ['3', '5']).execute();
  await forget(database, 2);
}

describe('the reader in SQL', () => {
  it('gives each change its effect once, a page at a time, also when two run at once', async () => {
    const inSchema = { schema: test.schema };
    await runAs(readmeExample('cursor.sql', inSchema));
    await runAs('create table accounts_to_score (entity_id text, account_id text, position bigint)');
    const ids = Array.from({ length: 250 }, (_, index) => `entity-${index + 1}`);
    await appendChanges(test.database.db, ids.map(change));
    await appendChanges(test.database.db, [{ ...change('other'), change: 'entity.connected', details: {} }]);
    await publishChanges(test.database, { limit: 1_000 });
    const round = readmeExample('reader.sql', inSchema);
    await Promise.all([runAs(round), runAs(round)]);
    while ((await runAs(round)).length > 0);
    const effects = await runAs('select entity_id, position from accounts_to_score order by position');
    expect(effects).toEqual(ids.map((id, index) => ({ entity_id: id, position: String(index + 1) })));
    expect(await runAs('select position from lean_cursor')).toEqual([{ position: '251' }]);
  });

  it('passes a number that is missing, scores every account once it was away for too long, and goes on with what is left', async () => {
    const inSchema = { schema: test.schema };
    await runAs(readmeExample('cursor.sql', inSchema));
    await runAs('create table accounts_to_score (entity_id text, account_id text, position bigint)');
    await runAs(
      "insert into accounts (entity_id, account_id, customer_id, normalizer_version, raw) values ('e', 'a', 'c', 1, '')",
    );
    await writeSixAndForget(test.database);
    const round = readmeExample('reader.sql', inSchema);
    while ((await runAs(round)).length > 0);
    expect(
      await runAs('select entity_id, position from accounts_to_score order by position, entity_id'),
    ).toEqual([
      // Up to 2 has expired; 3, erased, was the lowest then, which looks the same.
      { entity_id: 'e', position: '3' },
      { entity_id: '4', position: '4' },
      { entity_id: '6', position: '6' },
    ]);
    // Erased, which is no reason to look at anything anew; and all of it expired.
    await appendChanges(test.database.db, ['7', '8'].map(change));
    await publishChanges(test.database, { limit: 10 });
    await runAs("delete from changes where entity_id = '7'");
    expect(await runAs(round)).toEqual([{ position: '8' }]);
    await appendChanges(test.database.db, [change('9')]);
    await publishChanges(test.database, { limit: 10 });
    await forget(test.database, 9);
    expect(await runAs(round)).toEqual([{ position: '9' }]);
    expect(await runAs(round)).toEqual([]);
    expect(
      await runAs('select entity_id from accounts_to_score where position > 6 order by position'),
    ).toEqual([{ entity_id: '8' }, { entity_id: 'e' }]);
  });
});

interface ReadChange {
  readonly position: string;
  readonly entity_id: string | null;
}

interface Reader {
  readonly connectionString: string;
  readonly name: string;
  readonly handle: (client: Client, change: ReadChange) => Promise<void>;
  readonly catchUp: (client: Client) => Promise<void>;
  readonly signal: AbortSignal;
}

const readerModule = z.object({
  followChanges: z.custom<(reader: Reader) => Promise<void>>((value) => typeof value === 'function'),
});

class Crash extends Error {}

interface RestartedReader {
  readonly name: string;
  /** At which of the changes that it is given it dies, before it could say that it has read them. */
  readonly diesAt: readonly number[];
  readonly onRead: () => void;
}

const catchUp = () => Promise.reject(new Error('nothing has expired'));

/** Reads until `close`, starting anew whenever it has died. */
async function startReader({ name, diesAt, onRead }: RestartedReader) {
  const { followChanges } = readerModule.parse(
    await importReadmeExample('change-reader.ts', { schema: test.schema }),
  );
  await runAs(`insert into lean_cursor values ('${name}', 0)`);
  const stop = new AbortController();
  const ended = readOn();
  return {
    close: async () => {
      stop.abort();
      await ended;
    },
  };

  async function readOn(): Promise<void> {
    let read = 0;
    while (!stop.signal.aborted) {
      const handle: Reader['handle'] = async (client, { position, entity_id }) => {
        await client.query('insert into effects (reader, position, entity_id) values ($1, $2, $3)', [
          name,
          position,
          entity_id,
        ]);
        onRead();
        if (diesAt.includes((read += 1))) throw new Crash();
      };
      const connectionString = applicationUrl();
      await followChanges({ connectionString, name, handle, catchUp, signal: stop.signal }).catch(
        (error: unknown) => {
          if (!(error instanceof Crash)) throw error;
        },
      );
    }
  }
}

interface Writers {
  readonly database: Database;
  /** Until then the slow ones keep their transactions open. */
  readonly slowMayEnd: Promise<unknown>;
}

/** 100 at once; gives the entities of those that committed. */
async function writeTogether({ database, slowMayEnd }: Writers): Promise<string[]> {
  const written = await Promise.all(
    Array.from({ length: 100 }, async (_, writer) => {
      const entities = [`${writer}-a`, `${writer}-b`];
      try {
        await database.transaction(async (transaction) => {
          await appendChanges(transaction, entities.map(change));
          if (writer % 10 === 0) await slowMayEnd;
          if (writer % 7 === 3) throw new Crash();
          if (writer % 7 === 5) await sql`select 1 / 0`.execute(transaction);
        });
        return entities;
      } catch (error) {
        if (error instanceof Crash || String(error).includes('division by zero')) return [];
        throw error;
      }
    }),
  );
  return written.flat();
}

/** A transaction of another database of the same server, open until `close`. */
async function openElsewhere() {
  const name = `other_${test.schema}`;
  await sql`create database ${sql.id(name)} template template0`.execute(test.database.db);
  const url = new URL(test.url ?? '');
  url.pathname = name;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query('begin');
  await client.query('create table held (id integer)');
  return {
    async close() {
      await client.query('rollback');
      await client.end();
      await sql`drop database ${sql.id(name)} with (force)`.execute(test.database.db);
    },
  };
}

const patience = { timeoutMs: 45_000, everyMs: 100 };

describe('the reader in TypeScript', () => {
  it('passes a number that is missing, catches up once it was away for too long, and goes on with what is left', async () => {
    await runAs(readmeExample('cursor.sql', { schema: test.schema }));
    await writeSixAndForget(test.database);
    const { followChanges } = readerModule.parse(
      await importReadmeExample('change-reader.ts', { schema: test.schema }),
    );
    const told: string[] = [];
    const follow = async (last: string) => {
      const stop = new AbortController();
      const tell = (what: string) => {
        told.push(what);
        if (what === last) stop.abort();
        return Promise.resolve();
      };
      await followChanges({
        connectionString: applicationUrl(),
        name: 'lending',
        handle: (_, { position }) => tell(position),
        catchUp: () => tell('catch up'),
        signal: stop.signal,
      });
    };
    await follow('6');
    expect(told.splice(0)).toEqual(['catch up', '4', '6']);
    // All that came since has expired, and nothing is new: it is told at once, and once.
    await appendChanges(test.database.db, [change('7')]);
    await publishChanges(test.database, { limit: 10 });
    await forget(test.database, 7);
    await follow('catch up');
    expect(await runAs('select position from lean_cursor')).toEqual([{ position: '7' }]);
    await appendChanges(test.database.db, [change('8')]);
    await publishChanges(test.database, { limit: 10 });
    await follow('8');
    expect(told).toEqual(['catch up', '8']);
  });

  it('gives every reader every change once, in order, while 100 writers write, some slowly, some in vain', async () => {
    await runAs(readmeExample('cursor.sql', { schema: test.schema }));
    await runAs('create table effects (id bigserial, reader text, position bigint, entity_id text)');
    const writers = openDatabase({
      schema: test.schema,
      dialect: postgresDialect({
        url: test.url ?? '',
        poolSize: 20,
        applicationName: 'writers',
        transactionIdleMs: 60_000,
        onIdleError: () => undefined,
      }),
    });
    const metrics = createMetrics({ processMetrics: false });
    const common = { database: test.database, logger: silentLogger, metrics, intervalMs: 10 };
    const elsewhere = await openElsewhere();
    const publishers = [
      startChangePublisher({ ...common, limit: 7 }),
      startChangePublisher({ ...common, limit: 40 }),
    ];
    // Others' changes are read while the slow ones are open, for which they wait: nothing is held back by them.
    const manyRead = Promise.withResolvers<void>();
    let read = 0;
    const onRead = () => void ((read += 1) === 100 && manyRead.resolve());
    const readers = await Promise.all([
      startReader({ name: 'steady', diesAt: [], onRead }),
      startReader({ name: 'restarted', diesAt: [1, 20, 45, 111], onRead: () => undefined }),
      startReader({ name: 'often restarted', diesAt: [30, 31, 32, 33, 90, 170], onRead: () => undefined }),
    ]);
    try {
      const committed = await writeTogether({ database: writers, slowMayEnd: manyRead.promise });
      const places = () => runAs('select position from lean_cursor where position > 0');
      const end = { position: String(committed.length) };
      await eventually(async () => expect(await places()).toEqual([end, end, end]), patience);
      for (const name of ['steady', 'restarted', 'often restarted']) {
        const effects = z
          .array(z.object({ position: z.string(), entity_id: z.string() }))
          .parse(await runAs(`select position, entity_id from effects where reader = '${name}' order by id`));
        expect(effects.map(({ position }) => position)).toEqual(
          committed.map((_, place) => String(place + 1)),
        );
        expect(new Set(effects.map(({ entity_id }) => entity_id))).toEqual(new Set(committed));
      }
    } finally {
      for (const { close } of [...readers, ...publishers, elsewhere, writers]) await close();
      metrics.close();
    }
  }, 60_000);
});
