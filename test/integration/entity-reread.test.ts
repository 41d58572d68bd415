// An entity that is read again: its consents are kept, and what its events could not settle is settled by Lean's word.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EntityState } from '../../src/store/entity-store.ts';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { listedEntity } from '../support/lean-replies.ts';
import { clearSyncTables, createSyncParts, factsOf, failed, readRun } from '../support/sync-parts.ts';
import { customerId, entityId, instant } from '../support/sync-records.ts';
import { changeNames, createWorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());
beforeEach(async () => {
  await clearSyncTables(test.database);
  for (const table of ['consents', 'webhook_events'] as const) {
    await test.database.db.deleteFrom(table).execute();
  }
});

const asked = '2026-05-13T12:00:00Z';
const before = '2026-05-13T10:00:00Z';
const all = { accounts: true, balance: true, transactions: true };
const expired = { state: 'action_required', reason: 'CONSENT_EXPIRED' } as const;
const consent = (id: string, consent_status: string, creation_date_time: string) => ({
  id,
  consent_status,
  creation_date_time,
  expiration_date_time: '2030-01-01T00:00:00Z',
  permissions: all,
});

/** The entity as an event of `before` has left it. */
async function stored(state: EntityState | null, ns = instant(before).ns): Promise<void> {
  const facts = { entityId, customerId, permissions: ['accounts'], state };
  await applyEntityFacts(test.database, test.database.db, { facts, order: { ns, key: 'event' } });
}

interface Answers {
  /** In place of the empty list of accounts. */
  readonly accounts?: ReturnType<typeof failed>;
  /** When Lean had asked the bank for the list. */
  readonly refreshedAt?: string;
  readonly durationMs?: number;
}

/** A run that reads the entity again. Lean has nothing else of it. */
async function reread(item: Readonly<Record<string, unknown>>, answers: Answers = {}) {
  const { accounts, refreshedAt = '2026-05-10T00:00:00Z', durationMs = 5 } = answers;
  const parts = createSyncParts(test.database);
  parts.world.refreshedAt = refreshedAt;
  const listed = listedEntity({ id: entityId, customer_id: customerId, ...item });
  parts.world.intercept = ({ kind }) =>
    kind === 'entity'
      ? { kind, listed, at: instant(asked), facts: { ...factsOf(kind), durationMs } }
      : accounts;
  const { syncId } = await parts.request({ reason: 'refresh', fullHistory: false, rereadEntity: true });
  await parts.drain();
  return readRun(test.database, syncId);
}

const entity = () => test.database.db.selectFrom('entities').selectAll().executeTakeFirstOrThrow();
const consents = () => test.database.db.selectFrom('consents').selectAll().orderBy('consent_id').execute();
const told = async () => (await changeNames(test.database)).filter((name) => name.startsWith('entity.'));

describe('an entity read again', () => {
  it('brings its consents, each with its own text, and an older word of one does not count', async () => {
    await stored({ state: 'active', reason: null });
    await reread({
      permissions: all,
      consents: [consent('new', 'ACTIVE', before), consent('old', 'REVOKED', '2025-01-01T00:00:00Z')],
    });
    expect(await consents()).toMatchObject([
      { consent_id: 'new', entity_id: entityId, customer_id: customerId, status: 'ACTIVE' },
      { consent_id: 'old', status: 'REVOKED' },
    ]);
    const [kept] = await consents();
    expect(kept).toMatchObject({
      expires_at: new Date('2030-01-01T00:00:00Z'),
      permissions: ['accounts', 'balance', 'transactions'],
    });
    expect(Buffer.from(kept?.raw ?? []).toString()).toContain('"consent_status":"ACTIVE"');
    expect(await entity()).toMatchObject({ permissions: ['accounts', 'balance', 'transactions'] });
    expect(await told()).toEqual([]);
  });

  it('without any permission left stops, and the customer is asked to act once', async () => {
    await stored({ state: 'active', reason: null });
    for (const _ of [1, 2]) {
      const run = await reread({ permissions: {}, consents: [consent('old', 'REVOKED', before)] });
      expect(run).toMatchObject({ state: 'failed', failure_code: 'CONSENT_EXPIRED' });
    }
    expect(await entity()).toMatchObject({
      permissions: [],
      state: 'action_required',
      state_reason: 'PERMISSIONS_REVOKED',
    });
    expect(await told()).toEqual(['entity.action_required']);
  });

  it('with a consent given since it was stopped is active again, and the application is told', async () => {
    await stored(expired);
    await reread({ permissions: all, consents: [consent('new', 'ACTIVE', '2026-05-13T11:00:00Z')] });
    expect(await entity()).toMatchObject({ state: 'active', state_reason: null });
    expect(await told()).toEqual(['entity.connected']);
  });

  it.each([
    ['with the consent it had when it was stopped', [consent('old', 'ACTIVE', '2026-01-01T00:00:00Z')]],
    ['with a new consent that is over', [consent('new', 'REVOKED', '2026-05-13T11:00:00Z')]],
  ])('%s stays stopped', async (_case, listed) => {
    await stored(expired);
    await reread({ permissions: all, consents: listed });
    expect(await entity()).toMatchObject({ state: 'action_required', state_reason: 'CONSENT_EXPIRED' });
    expect(await told()).toEqual([]);
  });

  it('with a consent that was authorised since it was stopped, however old, is active again', async () => {
    await stored(expired);
    const given = consent('new', 'ACTIVE', '2026-05-13T09:00:00Z');
    await reread({
      permissions: all,
      consents: [{ ...given, status_update_date_time: '2026-05-13T10:03:00Z' }],
    });
    expect(await entity()).toMatchObject({ state: 'active', state_reason: null });
  });

  it('with permissions again is active again where their lack had stopped it', async () => {
    await stored({ state: 'action_required', reason: 'PERMISSIONS_REVOKED' });
    await reread({ permissions: all, consents: [consent('old', 'ACTIVE', '2026-01-01T00:00:00Z')] });
    expect(await entity()).toMatchObject({ state: 'active', state_reason: null });
    expect(await told()).toEqual(['entity.connected']);
  });

  it('that wants its customer, and has its permissions, stays stopped until its bank gives its accounts', async () => {
    await stored({ state: 'action_required', reason: 'RECONNECT_REQUIRED' });
    const at = instant(asked);
    const refusal = {
      code: 'RECONNECT_REQUIRED',
      action: 'stop_entity',
      reconnectId: 'reconnect-2',
    } as const;
    for (const _ of [1, 2]) await reread({ permissions: all }, { accounts: failed({ ...refusal, at }) });
    expect(await entity()).toMatchObject({ state: 'action_required', reconnect_id: 'reconnect-2' });
    // What Lean has kept of before proves nothing.
    await reread({ permissions: all }, { refreshedAt: '2026-05-13T11:00:00Z' });
    expect(await entity()).toMatchObject({ state: 'action_required' });
    expect(await told()).not.toContain('entity.connected');
    await reread({ permissions: all }, { refreshedAt: '2026-05-13T13:00:00Z' });
    expect(await entity()).toMatchObject({ state: 'active', state_reason: null });
    expect((await told()).filter((name) => name === 'entity.connected')).toHaveLength(1);
  });

  it('that Lean has taken away is ended, and its run with it', async () => {
    await stored(expired);
    const run = await reread({ permissions: all, status: 'DELETED' });
    expect(run).toMatchObject({ state: 'failed', failure_code: 'LEAN_ENTITY_UNKNOWN' });
    expect(await entity()).toMatchObject({ state: 'ended' });
    expect(await told()).toEqual(['entity.ended']);
  });

  it('by a call that lasted does not overrule an event from while it did', async () => {
    await stored({ state: 'active', reason: null });
    await apply([], '2026-05-13T11:59:45Z');
    await reread({ permissions: all, consents: [consent('old', 'ACTIVE', before)] }, { durationMs: 30_000 });
    expect(await entity()).toMatchObject({ permissions: [], state: 'action_required' });
  });

  it('tells of a consent whose end nobody had told, once', async () => {
    await stored({ state: 'active', reason: null });
    const other = consent('other', 'ACTIVE', before);
    const earlier = { durationMs: 60_000 };
    await reread({ permissions: all, consents: [consent('old', 'ACTIVE', before), other] }, earlier);
    for (const _ of [1, 2]) {
      await reread({ permissions: all, consents: [consent('old', 'REVOKED', before), other] });
    }
    const changes = await test.database.db.selectFrom('changes').selectAll().execute();
    const ofConsents = changes.filter(({ change }) => change === 'consent.updated');
    expect(ofConsents).toMatchObject([
      { entity_id: entityId, event_key: 'event-1', details: { consentId: 'old', status: 'REVOKED' } },
    ]);
  });

  it('leaves a consent the later word of an event, which lists do not have', async () => {
    await stored({ state: 'active', reason: null });
    const payload = { id: 'old', entity_id: entityId, status: 'EXPIRED', status_update_date_time: before };
    await send(webhookBody({ type: 'consent.status.updated', payload, timestamp: before }));
    await test.database.db.deleteFrom('sync_runs').execute();
    const given = { ...consent('old', 'ACTIVE', before), status_update_date_time: '2026-05-01T00:00:00Z' };
    await reread({ permissions: all, consents: [given] });
    expect(await consents()).toMatchObject([{ status: 'EXPIRED', expires_at: expect.any(Date) }]);
    const names = await changeNames(test.database);
    expect(names.filter((name) => name === 'consent.updated')).toHaveLength(1);
  });
});

const runs = () => test.database.db.selectFrom('sync_runs').select(['reread_entity']).execute();

it('an entity is read again with its data, first and once a day, whatever else is said of its consents', async () => {
  const worker = createWorkerParts(test.database);
  const refreshed = async () => {
    await worker.intake([{ body: refreshBody({ entityId, customerId }) }]);
    await worker.applyEvent(worker.eventJobs.at(-1)?.data.eventKey ?? '');
    const [last] = await test.database.db
      .updateTable('sync_runs')
      .set({ state: 'done' })
      .where('state', '=', 'running')
      .returning('reread_entity')
      .execute();
    return last?.reread_entity;
  };
  expect(await refreshed()).toBe(true);
  expect(await refreshed()).toBe(false);
  const yesterday = new Date(Date.now() - 25 * 3_600_000);
  await test.database.db.updateTable('sync_runs').set({ created_at: yesterday }).execute();
  await test.database.db.insertInto('consents').values({ consent_id: 'told', entity_id: entityId }).execute();
  expect(await refreshed()).toBe(true);
});

it('an entity that Lean does not show us costs its run neither data nor time', async () => {
  await stored({ state: 'active', reason: null });
  const parts = createSyncParts(test.database);
  parts.world.intercept = ({ kind }) =>
    kind === 'entity' ? failed({ code: 'LEAN_ACCESS_DENIED', action: 'stop_alert' }) : undefined;
  const { syncId } = await parts.request({ rereadEntity: true });
  await parts.drain();
  const run = { state: 'done', failure_code: 'LEAN_ACCESS_DENIED', calls: 2 };
  expect(await readRun(test.database, syncId)).toMatchObject(run);
});

async function send(body: Uint8Array): Promise<void> {
  const worker = createWorkerParts(test.database);
  await worker.intake([{ body }]);
  await worker.applyEvent(worker.eventJobs[0]?.data.eventKey ?? '');
}

const apply = (permissions: readonly string[], timestamp: string | null) =>
  send(entityBody({ type: 'entity.updated', entityId, customerId, permissions, timestamp }));

describe('an event whose place in time is not certain', () => {
  it.each([
    ['without a time', null],
    ['of a moment that a reply may not have known of', '2026-05-13T11:59:30Z'],
    ['of a moment before which a reply may have been made', '2026-05-13T12:00:30Z'],
  ])('and takes the permissions away, %s, is settled by Lean', async (_case, timestamp) => {
    await stored({ state: 'active', reason: null });
    await reread({ permissions: all, consents: [consent('old', 'ACTIVE', before)] });
    await test.database.db.deleteFrom('sync_runs').execute();
    await apply([], timestamp);
    expect(await runs()).toEqual([{ reread_entity: true }]);
  });

  it('and takes the permissions away before a reply that surely knew of it, asks for nothing', async () => {
    await stored({ state: 'active', reason: null });
    await reread({ permissions: all, consents: [consent('old', 'ACTIVE', before)] });
    await test.database.db.deleteFrom('sync_runs').execute();
    await apply([], '2026-05-13T11:00:00Z');
    expect(await runs()).toEqual([]);
    expect(await entity()).toMatchObject({ permissions: ['accounts', 'balance', 'transactions'] });
  });

  it('and brings the permissions back tells the application that the entity is connected again', async () => {
    await stored(expired);
    await apply(['accounts'], '2026-05-13T11:00:00Z');
    expect(await entity()).toMatchObject({ state: 'active' });
    expect(await told()).toEqual(['entity.connected']);
  });
});
