// What never arrived is found by asking Lean, once, and never disturbs what did arrive.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eraseCustomer } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { readSweep } from '../../src/store/sweep-store.ts';
import { planSweeps } from '../../src/worker/sweep-plan.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { changeNames, createWorkerParts, eventRows } from '../support/worker-parts.ts';

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
});
afterEach(() => test.drop());

const hourMs = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * hourMs).toISOString();
const entities = () => test.database.db.selectFrom('entities').selectAll().orderBy('entity_id').execute();
const runs = () =>
  test.database.db
    .selectFrom('sync_runs')
    .select(['entity_id', 'reason', 'full_history', 'state'])
    .orderBy('entity_id')
    .execute();
const makeDue = (sweep: string) =>
  test.database.db
    .updateTable('sweep_progress')
    .set({ due_at: ago(1) })
    .where('sweep', '=', sweep)
    .execute();

function event(
  eventId: string,
  entityId: string = randomUUID(),
  timestamp = ago(3),
): Record<string, unknown> {
  return JSON.parse(Buffer.from(entityBody({ eventId, entityId, timestamp })).toString());
}

const permissions = { accounts: true, balance: true, transactions: true, identity: false };
function listedEntity(id: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const bank = { bank_identifier: 'LEA1_SAMAOB_SAU', bank_type: 'RETAIL' };
  const times = { created_at: ago(5), updated_at: ago(5) };
  return {
    id,
    customer_id: 'customer-1',
    ...bank,
    permissions,
    ...times,
    status: 'ACTIVE',
    consents: [],
    ...more,
  };
}

function refresh(entityId: string, hours: number, status = 'FINISHED'): Record<string, unknown> {
  const times = { created_at: ago(hours + 1), updated_at: ago(hours) };
  return { refresh_id: `refresh-${hours}`, entity_id: entityId, customer_id: 'customer-1', status, ...times };
}

describe('which sweep is in force', () => {
  const facts = { apiVersion: 'v2', staleHours: 24 } as const;

  it('is the list of events in the UAE with a client secret, and entities by date and banks everywhere', () => {
    expect(planSweeps({ ...facts, region: 'ae', hasClientSecret: true }).inForce).toEqual([
      'events',
      'banks',
      'entities',
      'freshness',
    ]);
    const withoutEvents = ['banks', 'entities', 'freshness'];
    expect(planSweeps({ ...facts, region: 'ae', hasClientSecret: false }).inForce).toEqual(withoutEvents);
    expect(planSweeps({ ...facts, region: 'sa', hasClientSecret: true }).inForce).toEqual(withoutEvents);
  });

  it('asks for no refreshes in the v1 dialect, and says so', () => {
    const plan = planSweeps({ ...facts, apiVersion: 'v1', region: 'ae', hasClientSecret: true });
    expect(plan.inForce).toEqual(['events', 'banks', 'entities']);
    expect(plan.recovers).toContain('no refreshes');
  });
});

describe('the sweep over the list of events', () => {
  it('stores what was lost, page by page, gives it jobs and tells the application and the operator', async () => {
    const parts = createSweepParts(test.database);
    parts.lean.size = 2;
    parts.lean.events = ['a', 'b', 'c', 'd', 'e'].map((id) => event(id));
    await parts.begin();
    await parts.round();
    expect(parts.lean.asked.filter(({ operation }) => operation === 'events')).toHaveLength(3);
    expect(await eventRows(test.database)).toMatchObject(
      ['a', 'b', 'c', 'd', 'e'].map((event_key) => ({
        event_key,
        source: 'sweep',
        state: 'received',
        delivery_count: 0,
      })),
    );
    expect(parts.eventJobs.map(({ data }) => data.eventKey)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await changeNames(test.database)).toEqual(Array.from({ length: 5 }, () => 'event.recorded'));
    expect(await parts.metrics.registry.metrics()).toContain('lean_sweep_found_total{kind="events"} 5');
    const progress = await readSweep(test.database.db, 'events');
    expect(progress).toMatchObject({ window: null, page: 0, found: 5n, calls: 3n, failureCode: null });
    expect(progress?.dueAt.getTime()).toBeGreaterThan(Date.now());
  });

  it('goes 90 days back at first, and from then on from where it was less an overlap', async () => {
    const parts = createSweepParts(test.database, { eventKeyKeepDays: 120 });
    await parts.begin();
    await parts.round();
    await makeDue('events');
    await parts.round();
    const windows = parts.lean.asked
      .filter(({ operation }) => operation === 'events')
      .map(({ query }) => (Date.now() - Date.parse(String(query['from']))) / hourMs);
    expect(windows.map(Math.round)).toEqual([90 * 24, 2]);
  });

  it('leaves a delivered event as it is, and a delivery of a swept one takes its place', async () => {
    const worker = createWorkerParts(test.database);
    const parts = createSweepParts(test.database);
    const [delivered, swept] = [event('delivered'), event('swept')];
    await worker.intake([{ body: Buffer.from(JSON.stringify(delivered)) }]);
    parts.lean.events = [delivered, swept];
    await parts.begin();
    await parts.round();
    await worker.intake([{ body: Buffer.from(JSON.stringify(swept)) }]);
    expect(await eventRows(test.database)).toMatchObject([
      { event_key: 'delivered', source: 'webhook', delivery_count: 1, state: 'received' },
      { event_key: 'swept', source: 'webhook', delivery_count: 1, state: 'received' },
    ]);
  });

  it('applies a swept event as a delivered one, although nobody has signed it', async () => {
    const worker = createWorkerParts(test.database);
    const parts = createSweepParts(test.database);
    parts.lean.events = [event('a', 'entity-1')];
    await parts.begin();
    await parts.round();
    await worker.applyEvent('a');
    expect(await entities()).toMatchObject([{ entity_id: 'entity-1', state: 'active' }]);
  });

  it('asks for the same page again after a failure, and a job that comes twice changes nothing', async () => {
    const parts = createSweepParts(test.database);
    parts.lean.events = [event('a')];
    await parts.begin();
    parts.lean.fail = () => ({ code: 'LEAN_SERVER_ERROR', action: 'retry', retryClass: 'lean_server' });
    await parts.look();
    const [job] = [...parts.queue.values()];
    await parts.round();
    expect(await readSweep(test.database.db, 'events')).toMatchObject({
      failureCode: 'LEAN_SERVER_ERROR',
      failuresInARow: 1,
      page: 0,
    });
    expect(job && (await parts.run(job)).outcome).toBe('nothing_to_do');
    parts.lean.fail = () => null;
    await makeDue('events');
    await parts.round();
    expect(await eventRows(test.database)).toHaveLength(1);
    expect(await readSweep(test.database.db, 'events')).toMatchObject({ failureCode: null });
  });

  it('holds everybody back when Lean says that there are too many requests', async () => {
    const parts = createSweepParts(test.database);
    await parts.begin();
    parts.lean.fail = () => ({ code: 'LEAN_RATE_LIMITED', action: 'retry', retryClass: 'lean_rate_limit' });
    const reports = await parts.round();
    expect(reports.length).toBeGreaterThan(0);
    for (const { verdict } of reports) expect(verdict).toMatchObject({ kind: 'paused' });
  });
});

describe('the sweep over entities by date', () => {
  it('finds an entity whose connection was lost, and its refresh, and starts a sync', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listedEntity('entity-1')];
    parts.lean.refreshes.set('entity-1', [refresh('entity-1', 4), refresh('entity-1', 3, 'PENDING')]);
    await parts.begin();
    await parts.round();
    expect(await entities()).toMatchObject([
      {
        entity_id: 'entity-1',
        customer_id: 'customer-1',
        permissions: ['accounts', 'balance', 'transactions'],
      },
    ]);
    expect(await runs()).toMatchObject([{ entity_id: 'entity-1', reason: 'sweep', full_history: true }]);
    expect(await changeNames(test.database)).toEqual(['entity.connected']);
    const text = await parts.metrics.registry.metrics();
    expect(text).toContain('lean_sweep_found_total{kind="entities"} 1');
    expect(text).toContain('lean_sweep_found_total{kind="refreshes"} 1');
  });

  it('leaves an entity whose webhook may still be on its way to the next look', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listedEntity('entity-1', { created_at: ago(0) })];
    await parts.begin();
    await parts.round();
    expect(await entities()).toEqual([]);
  });

  it('changes nothing of an entity that is known, also the second time', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listedEntity('entity-1')];
    await parts.begin();
    await parts.round();
    await makeDue('entities');
    await parts.round();
    expect(await changeNames(test.database)).toEqual(['entity.connected']);
    expect(await readSweep(test.database.db, 'entities')).toMatchObject({ found: 1n, calls: 2n });
  });

  it('ends an entity that Lean has removed, and does not bring one in', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listedEntity('entity-1')];
    await parts.begin();
    await parts.round();
    const gone = { status: 'REMOVED' };
    parts.lean.entities = [listedEntity('entity-1', gone), listedEntity('entity-2', gone)];
    await makeDue('entities');
    await parts.round();
    expect(await entities()).toMatchObject([{ entity_id: 'entity-1', state: 'ended' }]);
    expect(await changeNames(test.database)).toEqual(['entity.connected', 'entity.ended']);
  });

  it('keeps the consents it lists', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    const consents = [
      { id: 'consent-1', consent_status: 'ACTIVE', expiration_date_time: '2030-01-01T00:00:00Z' },
    ];
    parts.lean.entities = [listedEntity('entity-1', { consents })];
    await parts.begin();
    await parts.round();
    expect(await test.database.db.selectFrom('consents').selectAll().execute()).toMatchObject([
      { consent_id: 'consent-1', entity_id: 'entity-1', customer_id: 'customer-1', status: 'ACTIVE' },
    ]);
  });

  it('never brings back a customer who was erased', async () => {
    const facts = { environment: 'sandbox', region: 'sa', appToken: 'token' } as const;
    await stampInstallation(test.database, facts);
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listedEntity('entity-1')];
    await parts.begin();
    await parts.round();
    await eraseCustomer(test.database, { customerId: 'customer-1', now: new Date(), operator: 'tester' });
    await makeDue('entities');
    await parts.round();
    expect(await entities()).toEqual([]);
  });
});
