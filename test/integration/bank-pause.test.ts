// A bank in trouble holds up its own syncs and nobody else's, and they go on when it is back.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBankAvailability } from '../../src/store/bank-store.ts';
import { readStep } from '../../src/store/sync-step-store.ts';
import { dueSweeps, ensureSweeps } from '../../src/store/sweep-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createBankGate, learnFromCalls } from '../../src/worker/bank-gate.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { webhookBody } from '../support/event-bodies.ts';
import { createRecordingLogger } from '../support/silent-logger.ts';
import { createSyncParts, failed, pageOf } from '../support/sync-parts.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { createWorkerParts, type WorkerParts } from '../support/worker-parts.ts';

const bank = 'LEA1_SAMAOB_SAU';
let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

const trouble = failed({
  code: 'LEAN_BANK_ISSUE',
  action: 'retry',
  retryClass: 'lean_bank_issue',
  granularStatus: 'BANK_ISSUE',
});

function createGate() {
  const { logger, lines } = createRecordingLogger();
  const metrics = createMetrics({ processMetrics: false });
  const gate = createBankGate({
    database: test.database,
    logger,
    metrics,
    now: () => new Date(),
    random: () => 0,
  });
  return { gate, lines, metrics };
}

async function addEntity(entityId: string, bankIdentifier: string): Promise<void> {
  await test.database.db
    .insertInto('entities')
    .values({
      entity_id: entityId,
      customer_id: 'customer-1',
      app_user_id: null,
      bank_identifier: bankIdentifier,
      bank_name: null,
      permissions: null,
      state: 'active',
      state_reason: null,
      reconnect_id: null,
    })
    .execute();
}

async function apply(body: Uint8Array, proof: 'signature' | 'certificate' = 'signature'): Promise<void> {
  const before = worker.eventJobs.length;
  await worker.intake([{ body, proof }]);
  await worker.applyEvent(worker.eventJobs[before]?.data.eventKey ?? '');
}

const fixture = (name: string) =>
  apply(Buffer.from(readLeanFixture(`v2-ksa-webhook-bank.availability.updated-${name}`).bodyText));

function availability(options: { active: boolean; enabled: boolean; timestamp: string | null }): Uint8Array {
  const { active, enabled, timestamp } = options;
  const payload = {
    identifier: bank,
    availability: {
      active: { payments: active, data: active },
      enabled: { payments: enabled, data: enabled },
    },
  };
  return webhookBody({ type: 'bank.availability.updated', payload, timestamp });
}

const bankChanges = async () => {
  const rows = await test.database.db
    .selectFrom('changes')
    .select(['change', 'details'])
    .where('change', '=', 'bank.updated')
    .orderBy('change_id')
    .execute();
  return rows.map(({ details }) => details);
};

describe('a call that failed for the bank’s sake', () => {
  it('pauses that bank and no other, and tells the application once', async () => {
    const { gate, metrics } = createGate();
    await addEntity('entity-1', bank);
    await addEntity('entity-2', 'another-bank');
    const parts = createSyncParts(test.database, {
      callLean: learnFromCalls(
        async (step) => (step.entityId === 'entity-1' ? trouble : pageOf(parts.world, step)),
        gate,
      ),
    });
    await parts.request({ entityId: 'entity-1' });
    await parts.request({ entityId: 'entity-2' });
    const jobs = [...parts.queue.values()];
    for (const { data } of [...jobs, ...jobs]) await parts.run(data);
    expect(await gate.delayFor(bank)).toBeGreaterThan(20_000);
    expect(await gate.delayFor('another-bank')).toBeNull();
    expect(await bankChanges()).toEqual([
      { bankIdentifier: bank, isAvailable: false, reason: 'LEAN_BANK_ISSUE' },
    ]);
    expect(await metrics.registry.metrics()).toContain('lean_bank_pauses_total 1');
    const states = await test.database.db
      .selectFrom('sync_runs')
      .select(['entity_id', 'state'])
      .orderBy('entity_id')
      .execute();
    expect(states).toEqual([
      { entity_id: 'entity-1', state: 'running' },
      { entity_id: 'entity-2', state: 'done' },
    ]);
  });

  it('of one customer’s session pauses nothing', async () => {
    const { gate } = createGate();
    await gate.learn(bank, {
      code: 'LEAN_BANK_ISSUE',
      action: 'retry',
      retryClass: 'lean_bank_issue',
      reconnectId: null,
      leanStatus: 'FAILED',
      granularStatus: 'LOGGED_IN_ELSEWHERE',
    });
    expect(await gate.delayFor(bank)).toBeNull();
  });

  it('is forgotten with the bank’s next answer', async () => {
    const { gate, lines } = createGate();
    if (trouble.kind === 'failed') await gate.learn(bank, trouble.failure);
    await gate.learn(bank, null);
    expect(await gate.delayFor(bank)).toBeNull();
    expect(await bankChanges()).toMatchObject([{ isAvailable: false }, { isAvailable: true }]);
    expect(lines.map(({ event }) => event)).toEqual(['bank_state', 'bank_state']);
  });
});

describe('bank.availability.updated', () => {
  it('holds up the bank’s steps, and wakes them when it is back', async () => {
    const { gate } = createGate();
    await addEntity('entity-1', bank);
    await addEntity('entity-2', 'another-bank');
    const parts = createSyncParts(test.database, { bankDelayMs: (step) => gate.delayForStep(step) });
    const { syncId } = await parts.request({ entityId: 'entity-1' });
    await parts.request({ entityId: 'entity-2' });
    await fixture('disabled');
    const reports = [];
    for (const { data } of parts.queue.values()) reports.push(await parts.run(data));
    expect(reports).toMatchObject([
      { verdict: { kind: 'later' }, outcome: 'bank_paused' },
      { verdict: { kind: 'done' }, outcome: 'done' },
    ]);
    expect(parts.world.asked).toEqual(['accounts:0:0']);
    const delayMs = async () => {
      const step = await readStep(test.database.db, { syncId, stepKey: 'accounts:0:0' });
      return step && gate.delayForStep(step);
    };
    expect(await delayMs()).toBeGreaterThan(60_000);
    expect(await gate.delayFor('another-bank')).toBeNull();
    await apply(availability({ active: true, enabled: true, timestamp: '2027-01-01T00:00:00Z' }));
    expect(await delayMs()).toBeNull();
    expect(worker.syncJobs.map(({ data }) => data)).toEqual([
      { kind: 'step', syncId, stepKey: 'accounts:0:0' },
    ]);
    expect(worker.syncJobs.map(({ id }) => id)).not.toContain([...parts.queue.keys()][0]);
    expect(await bankChanges()).toMatchObject([{ isAvailable: false }, { isAvailable: true }]);
  });

  it('that is older than what is known changes nothing', async () => {
    await apply(availability({ active: true, enabled: true, timestamp: '2027-01-01T00:00:00Z' }));
    await fixture('disabled');
    expect(await readBankAvailability(test.database.db, bank)).toMatchObject({ isAvailable: true });
  });

  it('that has no time changes nothing that has one, and has Lean asked for its banks at once', async () => {
    const { database } = test;
    await ensureSweeps(database.db, ['banks']);
    const later = new Date(Date.now() + 3_600_000).toISOString();
    await database.db.updateTable('sweep_progress').set({ due_at: later }).execute();
    await apply(availability({ active: true, enabled: true, timestamp: '2027-01-01T00:00:00Z' }));
    expect(await dueSweeps(database.db)).toEqual([]);
    await apply(availability({ active: false, enabled: true, timestamp: null }));
    expect(await readBankAvailability(database.db, bank)).toMatchObject({ isAvailable: true });
    expect(await dueSweeps(database.db)).toMatchObject([{ sweep: 'banks' }]);
  });

  it('that may be meant for another customer of Lean does not switch our bank off', async () => {
    const timestamp = '2027-01-01T00:00:00Z';
    await apply(availability({ active: true, enabled: false, timestamp }), 'certificate');
    expect(await readBankAvailability(test.database.db, bank)).toMatchObject({ isAvailable: true });
    await apply(availability({ active: true, enabled: false, timestamp: '2027-01-02T00:00:00Z' }));
    expect(await readBankAvailability(test.database.db, bank)).toMatchObject({ isAvailable: false });
  });
});
