// From a stored event to its effect: the same rows however often, and nothing of what is not ours.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Proof } from '../../src/core/delivery.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { changeNames, createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
const entityId = 'ed20559b-11f4-40dd-b912-629b7f37855b';
const customerId = '80f315e8-d429-48fe-a902-8b202bb32403';

beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

/** Stores one event and applies it; returns its job's outcome. */
async function apply(body: Uint8Array, { proof = 'signature' }: { proof?: Proof } = {}) {
  const before = worker.eventJobs.length;
  await worker.intake([{ body, proof }]);
  const eventKey = worker.eventJobs[before]?.data.eventKey ?? '';
  return { eventKey, ...(await worker.applyEvent(eventKey)) };
}

const entities = () => test.database.db.selectFrom('entities').selectAll().execute();
const runs = () =>
  test.database.db
    .selectFrom('sync_runs')
    .select(['sync_id', 'entity_id', 'customer_id', 'reason', 'state', 'event_key', 'full_history'])
    .select(['data_status', 'reread_entity'])
    .orderBy('created_at')
    .execute();

describe('entity.created', () => {
  it('writes the entity and tells the application, and starts no sync before its refresh', async () => {
    const { outcome, eventKey } = await apply(entityBody({ entityId, customerId }));
    expect(outcome).toBe('processed');
    expect(await entities()).toMatchObject([
      {
        entity_id: entityId,
        customer_id: customerId,
        app_user_id: 'test_postman',
        bank_identifier: 'LEA1_SAMAOB_SAU',
        bank_name: 'Mockbank 1',
        permissions: ['accounts', 'balance', 'transactions'],
        state: 'active',
        last_event_ns: 1_778_596_480_391_243_281n,
        last_event_key: eventKey,
      },
    ]);
    expect(await changeNames(test.database)).toEqual(['entity.connected']);
    expect(await runs()).toEqual([]);
    expect(await eventRows(test.database)).toMatchObject([{ state: 'processed' }]);
  });

  it('without a time has the entity read again from Lean', async () => {
    await apply(entityBody({ entityId, customerId, timestamp: null }));
    expect(await runs()).toMatchObject([{ entity_id: entityId, reread_entity: true, full_history: false }]);
    expect(await entities()).toMatchObject([{ bank_name: 'Mockbank 1', last_event_ns: null }]);
  });
});

describe('entity.updated', () => {
  it('overwrites what an older event said, and has Lean asked what of the consent is left', async () => {
    await apply(entityBody({ entityId, customerId }));
    const timestamp = '2026-05-13T00:00:00Z';
    await apply(
      entityBody({ type: 'entity.updated', entityId, customerId, timestamp, permissions: ['identity'] }),
    );
    expect(await entities()).toMatchObject([{ permissions: ['identity'], state: 'active' }]);
    expect(await runs()).toMatchObject([{ entity_id: entityId, reason: 'refresh', reread_entity: true }]);
  });

  it('that takes every permission away asks the customer to act', async () => {
    await apply(entityBody({ entityId, customerId }));
    const timestamp = '2026-05-13T00:00:00Z';
    await apply(entityBody({ type: 'entity.updated', entityId, customerId, timestamp, permissions: [] }));
    expect(await entities()).toMatchObject([
      { permissions: [], state: 'action_required', state_reason: 'PERMISSIONS_REVOKED' },
    ]);
    expect(await changeNames(test.database)).toEqual(['entity.connected', 'entity.action_required']);
  });

  it.each(['entity.created', 'entity.reconnected'])(
    'that has taken them away stands when an older %s comes after it, and nobody is told of a connection',
    async (type) => {
      const timestamp = '2026-05-13T00:00:00Z';
      await apply(entityBody({ type: 'entity.updated', entityId, customerId, timestamp, permissions: [] }));
      await apply(entityBody({ type, entityId, customerId }));
      expect(await entities()).toMatchObject([{ state: 'action_required', bank_name: 'Mockbank 1' }]);
      expect(await changeNames(test.database)).toEqual(['entity.action_required']);
    },
  );

  it('that takes them away twice is told once, and the run that waits ends', async () => {
    await apply(entityBody({ entityId, customerId }));
    for (const _ of [1, 2]) await apply(refreshBody({ entityId, customerId }));
    for (const timestamp of ['2026-05-13T00:00:00Z', '2026-05-13T01:00:00Z']) {
      await apply(entityBody({ type: 'entity.updated', entityId, customerId, timestamp, permissions: [] }));
    }
    const names = await changeNames(test.database);
    expect(names).toEqual(['entity.connected', 'entity.action_required', 'sync.failed']);
    expect((await runs()).map(({ state }) => state).toSorted()).toEqual(['failed', 'running']);
  });

  it.each([
    ['as the first word', null],
    ['of an entity that had ended', 'ended'],
  ] as const)('%s is told', async (_case, state) => {
    if (state !== null)
      await test.database.db.insertInto('entities').values({ entity_id: entityId, state }).execute();
    await apply(entityBody({ type: 'entity.updated', entityId, customerId }));
    await apply(
      entityBody({ type: 'entity.updated', entityId, customerId, timestamp: '2026-05-13T00:00:00Z' }),
    );
    const changes = await test.database.db.selectFrom('changes').selectAll().execute();
    const details =
      state === null ? { permissions: 3, bankIdentifier: 'LEA1_SAMAOB_SAU' } : { reconnected: true };
    expect(changes).toMatchObject([{ change: 'entity.connected', customer_id: customerId, details }]);
  });

  it('that is older than what is known changes nothing', async () => {
    await apply(entityBody({ entityId, customerId, timestamp: '2026-05-13T00:00:00Z' }));
    const timestamp = '2026-05-12T00:00:00Z';
    await apply(entityBody({ type: 'entity.updated', entityId, customerId, timestamp, permissions: [] }));
    expect(await entities()).toMatchObject([
      { permissions: ['accounts', 'balance', 'transactions'], state: 'active' },
    ]);
  });
});

describe('entity.reconnected', () => {
  it('makes the entity active again and has everything read again', async () => {
    const payload = { id: entityId, reconnect_id: 'reconnect-1' };
    await apply(entityBody({ entityId, customerId }));
    await apply(webhookBody({ type: 'entity.reconnected', payload, timestamp: '2026-05-14T00:00:00Z' }));
    expect(await entities()).toMatchObject([
      { customer_id: customerId, state: 'active', reconnect_id: 'reconnect-1', bank_name: 'Mockbank 1' },
    ]);
    expect(await runs()).toMatchObject([{ entity_id: entityId, reason: 'refresh', reread_entity: true }]);
  });
});

describe('entity.data.refresh.updated', () => {
  it.each(['FINISHED', 'OK'])('%s starts a sync and adds its first jobs', async (status) => {
    const { eventKey } = await apply(refreshBody({ entityId, customerId, status, accountId: 'account-1' }));
    const [run] = await runs();
    expect(run).toMatchObject({
      entity_id: entityId,
      customer_id: customerId,
      reason: 'first',
      state: 'running',
      event_key: eventKey,
      full_history: true,
    });
    expect(JSON.stringify(run?.data_status)).toContain('account-1');
    expect(worker.syncJobs.map((job) => job.data)).toEqual([
      { kind: 'step', syncId: run?.sync_id, stepKey: 'accounts:0:0' },
      { kind: 'step', syncId: run?.sync_id, stepKey: 'entity' },
    ]);
    expect(await entities()).toMatchObject([
      { entity_id: entityId, customer_id: customerId, bank_name: null },
    ]);
  });

  it.each(['PENDING', 'SOMETHING_NEW'])('%s is processed without a sync', async (status) => {
    expect(await apply(refreshBody({ entityId, customerId, status }))).toMatchObject({
      outcome: 'processed',
    });
    expect(await runs()).toEqual([]);
    expect(await entities()).toMatchObject([{ entity_id: entityId, customer_id: customerId }]);
  });

  it('as the first word of an entity tells of it, once', async () => {
    for (const _ of [1, 2]) await apply(refreshBody({ entityId, customerId, status: 'PENDING' }));
    expect(await changeNames(test.database)).toEqual(['entity.connected']);
  });

  it('is the first for an entity once, and a refresh from then on', async () => {
    await apply(refreshBody({ entityId, customerId }));
    await test.database.db
      .updateTable('sync_runs')
      .set({ state: 'done', finished_at: new Date().toISOString() })
      .execute();
    await apply(refreshBody({ entityId, customerId }));
    expect((await runs()).map((run) => [run.reason, run.full_history])).toEqual([
      ['first', true],
      ['refresh', false],
    ]);
  });
});

describe('results.ready', () => {
  const body = webhookBody({ type: 'results.ready', payload: { id: 'results-1' }, eventId: 'ready-1' });

  it('for results nobody has asked for stays open for an hour from its first look and is then ignored', async () => {
    const received = new Date(Date.now() - 86_400_000);
    await worker.intake([{ body, receivedAt: received.toISOString() }]);
    const later = new Date(Date.now() + 3_601_000);
    for (const now of [new Date(), later]) {
      expect(await worker.applyEvent('ready-1', { now })).toMatchObject({ outcome: 'results_unknown_yet' });
      expect(await eventRows(test.database)).toMatchObject([{ state: 'received' }]);
    }
    expect(await worker.applyEvent('ready-1', { now: later })).toMatchObject({ outcome: 'RESULTS_UNKNOWN' });
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'ignored', failure_code: 'RESULTS_UNKNOWN' },
    ]);
  });

  it('without a signature, for results nobody has asked for, writes nothing', async () => {
    await worker.intake([{ body, proof: 'certificate' }]);
    await worker.applyEvent('ready-1');
    expect(await test.database.db.selectFrom('pending_results').selectAll().execute()).toEqual([]);
  });
});

describe('any event', () => {
  it('applied twice, also at the same moment, has its effect once', async () => {
    const { eventKey } = await apply(entityBody({ entityId, customerId }));
    expect(await worker.applyEvent(eventKey)).toMatchObject({ outcome: 'already_concluded' });
    const refresh = refreshBody({ entityId, customerId, eventId: 'refresh-1' });
    await worker.intake([{ body: refresh }]);
    const reports = await Promise.all([1, 2, 3, 4].map(() => worker.applyEvent('refresh-1')));
    expect(reports.map(({ outcome }) => outcome).toSorted()).toEqual([
      'already_concluded',
      'already_concluded',
      'already_concluded',
      'processed',
    ]);
    expect(await runs()).toHaveLength(1);
    expect(await changeNames(test.database)).toEqual(['entity.connected']);
  });

  it('whose payload lacks what its handler needs is quarantined at once', async () => {
    const body = webhookBody({ type: 'entity.created', payload: { customer_id: customerId } });
    expect(await apply(body)).toMatchObject({ outcome: 'EVENT_PAYLOAD_INVALID', verdict: { kind: 'done' } });
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'quarantined', failure_code: 'EVENT_PAYLOAD_INVALID' },
    ]);
  });

  it('whose handler keeps failing is tried again and ends as failed, leaving nothing behind', async () => {
    await worker.intake([{ body: refreshBody({ entityId, customerId, eventId: 'poison' }) }]);
    await test.database.db.schema.alterTable('sync_steps').renameTo('sync_steps_gone').execute();
    await expect(worker.applyEvent('poison', { attempt: 1 })).rejects.toThrow('sync_steps');
    expect(await eventRows(test.database)).toMatchObject([{ state: 'received' }]);
    expect(await worker.applyEvent('poison', { attempt: 10 })).toMatchObject({
      outcome: 'EVENT_HANDLER_FAILED',
    });
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'failed', failure_code: 'EVENT_HANDLER_FAILED' },
    ]);
    expect(await entities()).toEqual([]);
  });

  it('that is not there any more is done with', async () => {
    expect(await worker.applyEvent('never-heard-of')).toMatchObject({ outcome: 'unknown_event' });
  });
});

describe('an event without a signature', () => {
  it('about an entity we do not know writes nothing and has Lean asked', async () => {
    const { outcome, eventKey } = await apply(entityBody({ entityId, customerId }), { proof: 'certificate' });
    expect(outcome).toBe('ownership_asked');
    expect(await entities()).toEqual([]);
    expect(await changeNames(test.database)).toEqual([]);
    expect(await eventRows(test.database)).toMatchObject([{ state: 'received' }]);
    expect(worker.syncJobs.map((job) => job.data)).toEqual([{ kind: 'prove', eventKey }]);
  });

  it('about an entity we know is applied', async () => {
    await apply(entityBody({ entityId, customerId }));
    const timestamp = '2026-05-13T00:00:00Z';
    const body = entityBody({ type: 'entity.updated', entityId, customerId, timestamp, bankName: 'Renamed' });
    expect(await apply(body, { proof: 'certificate' })).toMatchObject({ outcome: 'processed' });
    expect(await entities()).toMatchObject([{ bank_name: 'Renamed' }]);
  });

  it('is applied once a delivery of it comes with one', async () => {
    const eventId = randomUUID();
    const body = entityBody({ entityId, customerId, eventId });
    await apply(body, { proof: 'certificate' });
    await worker.intake([{ body, proof: 'signature' }]);
    expect(await worker.applyEvent(eventId)).toMatchObject({ outcome: 'processed' });
  });
});
