// Consents as events and lists tell of them, and the notices before they end.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Proof } from '../../src/core/delivery.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, webhookBody } from '../support/event-bodies.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { changeNames, createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

const entityId = 'ed20559b-11f4-40dd-b912-629b7f37855b';
const customerId = '80f315e8-d429-48fe-a902-8b202bb32403';
const dayMs = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * dayMs);

async function apply(body: Uint8Array, proof: Proof = 'signature'): Promise<void> {
  const before = worker.eventJobs.length;
  await worker.intake([{ body, proof }]);
  await worker.applyEvent(worker.eventJobs[before]?.data.eventKey ?? '');
}

function consentBody(status: string, more: Record<string, unknown> = {}): Uint8Array {
  return webhookBody({
    type: 'consent.status.updated',
    payload: { id: 'consent-1', customer_id: customerId, status, consent_type: 'ACCOUNT_ACCESS', ...more },
    timestamp: '2026-05-13T00:00:00Z',
  });
}

const consents = () => test.database.db.selectFrom('consents').selectAll().execute();
const runs = () =>
  test.database.db.selectFrom('sync_runs').select(['entity_id', 'reason', 'reread_entity']).execute();

function listed(expiresAt: Date, status = 'ACTIVE') {
  const consent = { id: 'consent-1', consent_status: status, expiration_date_time: expiresAt.toISOString() };
  const permissions = { accounts: true };
  const bank = { bank_identifier: 'bank-1', created_at: '2026-05-01T00:00:00Z', status: 'ACTIVE' };
  return { id: entityId, customer_id: customerId, permissions, ...bank, consents: [consent] };
}

describe('consent.status.updated', () => {
  it('is kept and announced, also before anything else is known', async () => {
    await apply(consentBody('AUTHORISED'));
    expect(await consents()).toMatchObject([
      { consent_id: 'consent-1', customer_id: customerId, entity_id: null, status: 'AUTHORISED' },
    ]);
    expect(await changeNames(test.database)).toEqual(['consent.updated']);
    expect(await runs()).toEqual([]);
  });

  it('has the entity read again, since only Lean knows whether another consent is in its place', async () => {
    await apply(entityBody({ entityId, customerId }));
    await apply(consentBody('REVOKED', { entity_id: entityId }));
    expect(await runs()).toEqual([{ entity_id: entityId, reason: 'refresh', reread_entity: true }]);
  });

  it('of a stranger writes nothing where nothing proves that it is ours', async () => {
    await apply(consentBody('REVOKED'), 'certificate');
    expect(await consents()).toEqual([]);
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'ignored', failure_code: 'ENTITY_NOT_OURS' },
    ]);
    await apply(entityBody({ entityId, customerId }));
    await apply(consentBody('ACTIVE'), 'certificate');
    expect(await consents()).toMatchObject([{ consent_id: 'consent-1', status: 'ACTIVE' }]);
  });
});

const expiring = async () => {
  const rows = await test.database.db
    .selectFrom('changes')
    .select(['entity_id', 'customer_id', 'details'])
    .where('change', '=', 'consent.expiring')
    .orderBy('change_id')
    .execute();
  return rows;
};

describe('a consent about to expire', () => {
  it('is told of 30, 7 and 1 days before its end, each once', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    await parts.begin();
    parts.lean.entities = [listed(inDays(31))];
    await parts.round();
    const told: unknown[] = [];
    for (const days of [31, 29, 29, 6, 0.5, 0.5]) {
      // Time goes by: the same end, nearer by now.
      const expires_at = inDays(days).toISOString();
      const consent = test.database.db.updateTable('consents');
      await consent.set({ expires_at }).execute();
      await consent.set({ expiry_told_for: expires_at }).where('expiry_told_days', 'is not', null).execute();
      await parts.look();
      told.push((await expiring()).length);
    }
    expect(told).toEqual([0, 1, 1, 2, 3, 3]);
    expect(await expiring()).toMatchObject(
      [30, 7, 1].map((days) => ({
        entity_id: entityId,
        customer_id: customerId,
        details: { consentId: 'consent-1', days },
      })),
    );
  });

  it('is not told of when it was revoked', async () => {
    const parts = createSweepParts(test.database, { region: 'sa' });
    parts.lean.entities = [listed(inDays(3), 'REVOKED')];
    await parts.begin();
    await parts.round();
    await parts.look();
    expect(await expiring()).toEqual([]);
  });
});
