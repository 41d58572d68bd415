// A customer whom the application has a worker erase: all of it, by one worker at a time, whatever happens to that one.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { Database } from '../../src/store/database.ts';
import { claimEraseRequest } from '../../src/store/erase-request-store.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { concludeRequest } from '../../src/store/request-conclusion.ts';
import { eraseAsked } from '../../src/worker/erasure-timer.ts';
import { stopEntity } from '../../src/worker/stopped-entity.ts';
import { ask, requestRows, type AskingFunction } from '../support/asked-requests.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { logEntries } from '../support/operator.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let database: Database;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
  worker = createWorkerParts(database);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
});
afterEach(() => test.drop());

const call = (name: AskingFunction, id: unknown) => ask(database, name, { id });
const rows = () => requestRows(database);
const created = (eventId: string, timestamp: string) =>
  entityBody({ eventId, timestamp, entityId, customerId });
async function arrive(eventId: string, body: Uint8Array): Promise<void> {
  await worker.intake([{ body }]);
  await worker.applyEvent(eventId);
}
/** From now. */
const hours = (count: number) => new Date(Date.now() + count * 3_600_000).toISOString();

/** Runs something between two of the erasure's transactions. */
function meanwhile(afterTransactions: number, happens: () => Promise<unknown>): Database {
  let transactions = 0;
  return {
    ...database,
    async transaction(run) {
      transactions += 1;
      if (transactions === afterTransactions) await happens();
      return database.transaction(run);
    },
  };
}
const anew = { entityId: 'entity-9', customerId };
const connectAnew = () => arrive('anew', entityBody({ eventId: 'anew', timestamp: hours(1), ...anew }));
const ofTheCustomer = async () => ({
  entities: (await database.db.selectFrom('entities').select('entity_id').execute()).map(
    ({ entity_id: id }) => id,
  ),
  events: (await eventRows(database)).map(({ event_key: key }) => key).filter((key) => key !== 'other'),
  changes: await database.db
    .selectFrom('changes')
    .select(['change', 'entity_id'])
    .where('customer_id', '=', customerId)
    .execute(),
});
const onlyTheNewOne = {
  entities: [anew.entityId],
  events: ['anew'],
  changes: [{ change: 'entity.connected', entity_id: anew.entityId }],
};

describe('an erasure that the application asks for', () => {
  const logger = silentLogger;
  const metrics = createMetrics({ processMetrics: false });
  const erasing = () => ({ database, logger, metrics, rowsPerTransaction: 2 });
  const never = new AbortController().signal;

  beforeEach(async () => {
    const parts = partsOfTwoAccounts(database);
    await parts.request();
    await parts.drain();
    await arrive('theirs', created('theirs', hours(-2)));
    await worker.intake([
      { body: entityBody({ eventId: 'other', entityId: 'entity-2', customerId: 'customer-2' }) },
    ]);
    await call('request_sync', entityId);
  });

  it('leaves nothing of the customer but the request itself, done and without their id', async () => {
    const id = await call('request_erase', customerId);
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await eraseAsked(erasing(), never)).toBe('rest');
    expect(await rows()).toEqual([
      {
        request_id: id,
        kind: 'erase',
        entity_id: null,
        customer_id: null,
        state: 'done',
        full_history: false,
        failure_code: null,
      },
    ]);
    expect((await eventRows(database)).map(({ event_key: key }) => key)).toEqual(['other']);
    expect(await database.db.selectFrom('accounts').select('account_id').execute()).toEqual([]);
    const entries = await logEntries(database);
    expect(entries).toMatchObject([
      { operator: 'application', command: 'erase', details: { entities: 1, requestId: id } },
    ]);
    expect(JSON.stringify(entries)).not.toMatch(/customer-1|entity-1/);
    await worker.intake([{ body: refreshBody({ eventId: 'late', entityId, customerId }) }]);
    expect((await eventRows(database)).find(({ event_key: key }) => key === 'late')).toMatchObject({
      failure_code: 'CUSTOMER_ERASED',
    });
    expect(await call('request_erase', customerId)).not.toBe(id);
  });

  it('is handed back by a worker that is stopped in its middle, and finished by another', async () => {
    const id = await call('request_erase', customerId);
    const stop = new AbortController();
    let transactions = 0;
    const stopped: Database = {
      ...database,
      transaction(run) {
        transactions += 1;
        if (transactions === 6) stop.abort();
        return database.transaction(run);
      },
    };
    expect(await eraseAsked({ ...erasing(), database: stopped }, stop.signal)).toBe('rest');
    expect(await rows()).toContainEqual(expect.objectContaining({ request_id: id, state: 'running' }));
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await rows()).toMatchObject([{ request_id: id, state: 'done', customer_id: null }]);
    expect((await eventRows(database)).map(({ event_key: key }) => key)).toEqual(['other']);
  });

  it('is one worker’s alone, until that one has been silent for too long', async () => {
    await call('request_erase', customerId);
    const dead = await claimEraseRequest(database, { leaseMs: 120_000 });
    expect(dead).toMatchObject({ customerId, isFirst: true });
    expect(await eraseAsked(erasing(), never)).toBe('rest');
    await sql`update ${database.table('requests')} set due_at = now() where kind = 'erase'`.execute(
      database.db,
    );
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await rows()).toMatchObject([{ state: 'done' }]);
  });

  it('that fails says why, and is tried again later', async () => {
    await call('request_erase', customerId);
    await sql`alter table ${database.table('balances')} rename to balances_away`.execute(database.db);
    expect(await eraseAsked(erasing(), never)).toBe('rest');
    const kept = (await rows()).find(({ kind }) => kind === 'erase');
    expect(kept).toMatchObject({ state: 'running', failure_code: 'REQUEST_FAILED', customer_id: customerId });
    await sql`alter table ${database.table('balances_away')} rename to balances`.execute(database.db);
    await sql`update ${database.table('requests')} set due_at = now() where kind = 'erase'`.execute(
      database.db,
    );
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await rows()).toMatchObject([{ state: 'done', failure_code: null }]);
  });

  it('leaves a connection that is made while it is going on, also what is not processed of it', async () => {
    await call('request_erase', customerId);
    const body = refreshBody({ eventId: 'open', timestamp: hours(2), ...anew });
    const going = meanwhile(6, async () => {
      await connectAnew();
      await worker.intake([{ body }]);
    });
    expect(await eraseAsked({ ...erasing(), database: going }, never)).toBe('again');
    expect(await ofTheCustomer()).toEqual({ ...onlyTheNewOne, events: ['anew', 'open'] });
    expect(await worker.applyEvent('open')).toMatchObject({ outcome: 'processed' });
  });

  it('leaves such a connection also where other events of it had come first', async () => {
    const open = refreshBody({ eventId: 'open', timestamp: hours(2), ...anew });
    await call('request_erase', customerId);
    await worker.intake([{ body: open }]);
    expect(await eraseAsked({ ...erasing(), database: meanwhile(6, connectAnew) }, never)).toBe('again');
    expect(await ofTheCustomer()).toEqual({ ...onlyTheNewOne, events: ['anew', 'open'] });
    expect(await worker.applyEvent('open')).toMatchObject({ outcome: 'processed' });
  });

  // First in the middle of its own tables, then when they are done and what names the customer goes.
  it.each([0, 16])(
    'leaves it from the moment on at which it is told of, %i transactions after its events went',
    async (steps) => {
      const open = refreshBody({ eventId: 'open', timestamp: hours(2), ...anew });
      await call('request_erase', customerId);
      await worker.intake([{ body: open }]);
      let since = 0;
      const going: Database = {
        ...database,
        async transaction(run) {
          const isGone = !(await eventRows(database)).some(({ event_key: key }) => key === 'open');
          if (isGone) since += 1;
          if (isGone && since === steps + 1) await connectAnew();
          return database.transaction(run);
        },
      };
      expect(await eraseAsked({ ...erasing(), database: going }, never)).toBe('again');
      expect(since).toBeGreaterThan(steps);
      expect(await ofTheCustomer()).toEqual(onlyTheNewOne);
    },
  );

  it('is of what there was when it was asked for, however late and often it is begun', async () => {
    await call('request_erase', customerId);
    await connectAnew();
    const dying = meanwhile(12, () => Promise.reject(new Error('the process is gone')));
    expect(await eraseAsked({ ...erasing(), database: dying }, never)).toBe('rest');
    await sql`update ${database.table('requests')} set due_at = now() where kind = 'erase'`.execute(
      database.db,
    );
    // What is dated before the wish goes with it, whenever it comes.
    await worker.intake([
      { body: entityBody({ eventId: 'late', timestamp: hours(-1), entityId: 'entity-3', customerId }) },
    ]);
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await ofTheCustomer()).toEqual({ ...onlyTheNewOne, events: ['anew', 'late'] });
    expect((await eventRows(database)).find(({ event_key: key }) => key === 'late')).toMatchObject({
      failure_code: 'CUSTOMER_ERASED',
      body: null,
    });
    const next = refreshBody({ eventId: 'next', timestamp: hours(2), ...anew });
    await arrive('next', next);
    expect((await eventRows(database)).find(({ event_key: key }) => key === 'next')).toMatchObject({
      state: 'processed',
    });
  });

  it('that is asked for again while it is going on begins anew, for what has come since', async () => {
    const id = await call('request_erase', customerId);
    const going = meanwhile(6, async () => {
      const dated = new Date(Date.now() + 1).toISOString();
      await arrive('anew', entityBody({ eventId: 'anew', timestamp: dated, ...anew }));
      // Until the wish is dated after the connection, by the database's clock.
      await eventually(async () => {
        expect(await call('request_erase', customerId)).toBe(id);
        const { rows: wishes } = await sql`
          select from ${database.table('requests')} where kind = 'erase' and created_at > ${dated}::timestamptz
        `.execute(database.db);
        expect(wishes).toHaveLength(1);
      });
    });
    expect(await eraseAsked({ ...erasing(), database: going }, never)).toBe('again');
    expect(await rows()).toMatchObject([{ request_id: id, state: 'running', customer_id: customerId }]);
    expect(await eraseAsked(erasing(), never)).toBe('again');
    expect(await rows()).toMatchObject([{ request_id: id, state: 'done', customer_id: null }]);
    expect(await ofTheCustomer()).toEqual({ entities: [], events: [], changes: [] });
  });

  it('leaves nothing that is written for one of their entities while its rows go', async () => {
    await call('request_erase', customerId);
    let isAdded = false;
    const going: Database = {
      ...database,
      transaction: (run) =>
        database.transaction(async (transaction) => {
          const { rows: runs } = await sql`
            select from ${database.table('sync_runs')} where entity_id = ${entityId}
          `.execute(transaction);
          if (runs.length === 0 && !isAdded) {
            isAdded = true;
            await sql`insert into ${database.table('sync_runs')} (sync_id, entity_id, reason, state)
              values ('late', ${entityId}, 'requested', 'running')`.execute(transaction);
            await sql`insert into ${database.table('changes')} (change, entity_id, details)
              values ('entity.ended', ${entityId}, '{}')`.execute(transaction);
          }
          return run(transaction);
        }),
    };
    expect(await eraseAsked({ ...erasing(), database: going }, never)).toBe('again');
    expect(isAdded).toBe(true);
    for (const table of ['sync_runs', 'changes', 'entities'] as const) {
      const { rows: left } = await sql`
        select from ${database.table(table)} where entity_id = ${entityId}
      `.execute(database.db);
      expect(left).toEqual([]);
    }
  });

  it('takes their ids from what was asked for them and came to light after it', async () => {
    await call('request_erase', customerId);
    await eraseAsked(erasing(), never);
    await database.db
      .insertInto('requests')
      .values({ request_id: 'late', kind: 'sync', entity_id: entityId, customer_id: customerId })
      .execute();
    await concludeRequest(database.db, {
      requestId: 'late',
      state: 'failed',
      failureCode: 'LEAN_ENTITY_UNKNOWN',
    });
    expect((await rows()).find(({ request_id: id }) => id === 'late')).toMatchObject({
      state: 'failed',
      entity_id: null,
      customer_id: null,
    });
  });

  it('is not undone by a reply of Lean that was under way', async () => {
    await call('request_erase', customerId);
    await eraseAsked(erasing(), never);
    for (const code of ['LEAN_ENTITY_UNKNOWN', 'RECONNECT_REQUIRED'] as const) {
      const order = {
        ns: BigInt(Date.now() + 60_000) * 1_000_000n,
        key: 'refresh:1',
        source: 'reply',
      } as const;
      const failure = { code, reconnectId: null };
      const isTold = await database.transaction((transaction) =>
        stopEntity(database, transaction, { entityId, customerId, order, failure }),
      );
      expect(isTold).toBe(false);
    }
    expect(await ofTheCustomer()).toEqual({ entities: [], events: [], changes: [] });
  });
});
