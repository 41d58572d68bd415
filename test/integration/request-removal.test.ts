// An entity that its application has removed at Lean ends, with all that was under way, and nothing older brings it back.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { stopEntity } from '../../src/worker/stopped-entity.ts';
import { ask, requestRows, type AskingFunction } from '../support/asked-requests.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { changeNames, createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

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
const created = (eventId: string, timestamp: string, type = 'entity.created') =>
  entityBody({ eventId, timestamp, type, entityId, customerId });
async function arrive(eventId: string, body: Uint8Array): Promise<void> {
  await worker.intake([{ body }]);
  await worker.applyEvent(eventId);
}
/** From now. */
const hours = (count: number) => new Date(Date.now() + count * 3_600_000).toISOString();

const entityState = () =>
  database.db.selectFrom('entities').select(['state', 'state_reason']).executeTakeFirst();
const runs = () =>
  database.db.selectFrom('sync_runs').select(['state', 'failure_code']).orderBy('created_at').execute();

describe('an entity that the application has removed', () => {
  let sweeps: ReturnType<typeof createSweepParts>;
  beforeEach(async () => {
    await arrive('e1', created('e1', hours(-2)));
    const parts = partsOfTwoAccounts(database);
    await parts.request();
    await parts.request();
    await call('request_refresh', entityId);
    await call('entity_removed', entityId);
    sweeps = createSweepParts(database);
    await sweeps.look();
  });
  const removed = { state: 'ended', state_reason: 'ENTITY_REMOVED' };

  it('ends once, with all that was under way or asked for', async () => {
    expect(await entityState()).toEqual(removed);
    expect(await runs()).toEqual([
      { state: 'failed', failure_code: 'ENTITY_REMOVED' },
      { state: 'failed', failure_code: 'ENTITY_REMOVED' },
    ]);
    const ends = (await rows()).map(({ kind, state, failure_code: code }) => `${kind} ${state} ${code}`);
    expect(ends.toSorted()).toEqual(['entity_removed done null', 'refresh failed ENTITY_REMOVED']);
    const told = sweeps.lines.filter(({ event }) => event === 'request').map(({ fields }) => fields);
    expect(told).toMatchObject([
      { kind: 'entity_removed', outcome: 'done' },
      { kind: 'refresh', outcome: 'failed', failure_code: 'ENTITY_REMOVED' },
    ]);
    const names = await changeNames(database);
    expect(names.toSorted()).toEqual(['entity.connected', 'entity.ended', 'sync.failed', 'sync.failed']);
    await call('entity_removed', entityId);
    await createSweepParts(database).look();
    expect(await changeNames(database)).toEqual(names);
  });

  it('is brought back by nothing that Lean tells, but for a connection that is newer', async () => {
    const names = await changeNames(database);
    const consent = { id: 'consent-1', entity_id: entityId, customer_id: customerId, status: 'REVOKED' };
    await arrive('u', created('u', hours(1), 'entity.updated'));
    await arrive('c', created('c', hours(-1)));
    await arrive('r', refreshBody({ eventId: 'r', timestamp: hours(1), entityId, customerId }));
    await arrive('k', webhookBody({ type: 'consent.status.updated', eventId: 'k', payload: consent }));
    expect(await entityState()).toEqual(removed);
    expect((await runs()).filter(({ state }) => state !== 'failed')).toEqual([]);
    expect((await changeNames(database)).slice(names.length)).toEqual(['consent.updated']);
    const ignored = (await eventRows(database)).filter(({ failure_code: code }) => code === 'ENTITY_REMOVED');
    expect(ignored.map(({ event_key: key }) => key)).toEqual(['c', 'r', 'u']);
    await arrive('n', created('n', hours(1), 'entity.reconnected'));
    expect(await entityState()).toMatchObject({ state: 'active' });
  });

  it('stays removed whatever a call to Lean that was under way brings', async () => {
    const names = await changeNames(database);
    const order = {
      ns: BigInt(Date.now() + 60_000) * 1_000_000n,
      key: 'refresh:1',
      source: 'reply',
    } as const;
    for (const code of ['LEAN_ENTITY_UNKNOWN', 'CONSENT_EXPIRED'] as const) {
      const failure = { code, reconnectId: null };
      const isTold = await database.transaction((transaction) =>
        stopEntity(database, transaction, { entityId, customerId, order, failure }),
      );
      expect(isTold).toBe(false);
      expect(await entityState()).toEqual(removed);
    }
    await arrive('u', created('u', hours(1), 'entity.updated'));
    expect(await entityState()).toEqual(removed);
    expect(await changeNames(database)).toEqual(names);
  });

  it('is asked for by no sweep, no refresh and no sync', async () => {
    const parts = createSweepParts(database, { region: 'sa' });
    parts.lean.entities = [
      {
        id: entityId,
        customer_id: customerId,
        created_at: hours(-5),
        updated_at: hours(-3),
        status: 'ACTIVE',
        consents: [],
      },
    ];
    await sql`update ${database.table('entities')} set created_at = now() - interval '30 days'`.execute(
      database.db,
    );
    await call('request_sync', entityId);
    await call('request_refresh', entityId);
    await parts.begin();
    await parts.round();
    const operations = parts.lean.asked.map(({ operation }) => operation);
    expect(operations).not.toContain('refreshes');
    expect(operations).not.toContain('start_refresh');
    expect(await entityState()).toEqual(removed);
    expect((await runs()).filter(({ state }) => state !== 'failed')).toEqual([]);
    const refused = (await rows()).filter(({ state }) => state === 'failed');
    expect(refused.map(({ failure_code: code }) => code)).toEqual(refused.map(() => 'ENTITY_REMOVED'));
    expect(refused).toHaveLength(3);
  });
});

describe('the removal of an entity of which Lean has told something newer', () => {
  it('counts against an update of it, and not against a new connection', async () => {
    await arrive('e1', created('e1', hours(-2)));
    await arrive('u', created('u', hours(1), 'entity.updated'));
    await call('entity_removed', entityId);
    await createSweepParts(database).look();
    expect(await entityState()).toMatchObject({ state: 'ended', state_reason: 'ENTITY_REMOVED' });
    await call('entity_removed', entityId);
    await arrive('n', created('n', hours(2), 'entity.reconnected'));
    await createSweepParts(database).look();
    expect(await entityState()).toMatchObject({ state: 'active' });
    expect((await rows()).at(-1)).toMatchObject({ state: 'failed', failure_code: 'ENTITY_CONNECTED_SINCE' });
  });

  it('counts against the connection that was here when it was asked for, by whatever clock that is dated', async () => {
    await arrive('e1', created('e1', hours(1)));
    await call('entity_removed', entityId);
    await createSweepParts(database).look();
    expect(await entityState()).toMatchObject({ state: 'ended', state_reason: 'ENTITY_REMOVED' });
  });

  it('does not count against one that is here and not yet acted on', async () => {
    await arrive('e1', created('e1', hours(-2)));
    await worker.intake([{ body: created('n', hours(1), 'entity.reconnected') }]);
    await call('entity_removed', entityId);
    await createSweepParts(database).look();
    await worker.applyEvent('n');
    expect(await entityState()).toMatchObject({ state: 'active' });
    expect((await rows()).at(-1)).toMatchObject({ failure_code: 'ENTITY_CONNECTED_SINCE' });
  });

  it('waits for who has to say whether a connection without a signature is ours, and counts against no other’s', async () => {
    await arrive('e1', created('e1', hours(-2)));
    await worker.intake([{ body: created('n', hours(1), 'entity.reconnected'), proof: 'certificate' }]);
    await call('entity_removed', entityId);
    await createSweepParts(database).look();
    expect((await rows()).at(-1)).toMatchObject({ state: 'running', failure_code: 'ENTITY_CONNECTED_SINCE' });
    await sql`
      update ${database.table('webhook_events')} set state = 'ignored', failure_code = 'ENTITY_NOT_OURS',
        concluded_at = now() where event_key = 'n'
    `.execute(database.db);
    await sql`update ${database.table('requests')} set due_at = now()`.execute(database.db);
    await createSweepParts(database).look();
    expect((await rows()).at(-1)).toMatchObject({ state: 'done', failure_code: null });
    expect(await entityState()).toMatchObject({ state: 'ended', state_reason: 'ENTITY_REMOVED' });
  });

  it('is undone by a connection made after it, also where that is told of only after later news', async () => {
    await arrive('e1', created('e1', hours(-2)));
    await call('entity_removed', entityId);
    const update = { eventId: 'u', timestamp: hours(2), type: 'entity.updated', entityId, customerId };
    await arrive('u', entityBody({ ...update, permissions: ['accounts'] }));
    await createSweepParts(database).look();
    expect(await entityState()).toMatchObject({ state: 'ended', state_reason: 'ENTITY_REMOVED' });
    await arrive('old', created('old', hours(-1), 'entity.reconnected'));
    expect(await entityState()).toMatchObject({ state: 'ended' });
    await arrive('n', created('n', hours(1)));
    expect(await entityState()).toEqual({ state: 'active', state_reason: null });
    // What else was told later holds all the same.
    expect(
      await database.db.selectFrom('entities').select(['permissions', 'last_event_key']).execute(),
    ).toEqual([{ permissions: ['accounts'], last_event_key: 'u' }]);
    expect((await changeNames(database)).filter((name) => name.startsWith('entity.'))).toEqual([
      'entity.connected',
      'entity.ended',
      'entity.connected',
    ]);
  });
});
