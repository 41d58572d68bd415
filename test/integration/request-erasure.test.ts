// A customer whom the application has a worker erase: all of it, by one worker at a time, whatever happens to that one.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { Database } from '../../src/store/database.ts';
import { claimEraseRequest } from '../../src/store/erase-request-store.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { eraseAsked } from '../../src/worker/erasure-timer.ts';
import { ask, requestRows, type AskingFunction } from '../support/asked-requests.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody } from '../support/event-bodies.ts';
import { logEntries } from '../support/operator.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let database: Database;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase();
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

describe('an erasure that the application asks for', () => {
  const logger = silentLogger;
  const metrics = createMetrics({ processMetrics: false });
  const erasing = () => ({ database, logger, metrics, now: () => new Date(), rowsPerTransaction: 2 });
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
});
