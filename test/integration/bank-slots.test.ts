// One slow bank beside a quick one, through the jobs of a sync.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBankSlots } from '../../src/worker/bank-slots.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { partsOfTwoAccounts, readStep } from '../support/sync-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

const bankOf = { 'slow-1': 'SLOW', 'slow-2': 'SLOW', quick: 'QUICK' } as const;

describe('calls to one bank', () => {
  it('take no more than their share, spend no attempt when sent away, and leave the others theirs', async () => {
    const { db } = opened.database;
    for (const [entity_id, bank_identifier] of Object.entries(bankOf)) {
      await db.insertInto('entities').values({ entity_id, bank_identifier }).execute();
    }
    const parts = partsOfTwoAccounts(opened.database, { bankSlots: createBankSlots({ slots: 4 }) });
    const answered = Promise.withResolvers<undefined>();
    const asked = Promise.withResolvers<undefined>();
    parts.world.intercept = async ({ entityId }) => {
      if (entityId !== 'slow-1') return undefined;
      asked.resolve(undefined);
      return answered.promise;
    };
    const jobs = new Map<string, Parameters<typeof parts.run>[0]>();
    for (const entityId of Object.keys(bankOf)) {
      const { syncId } = await parts.request({ entityId });
      jobs.set(entityId, { kind: 'step', syncId, stepKey: 'accounts:0:0' });
    }
    const run = (entityId: string) => {
      const job = jobs.get(entityId);
      if (job === undefined) throw new Error(entityId);
      return parts.run(job);
    };

    const held = run('slow-1');
    await asked.promise;
    expect(await run('slow-2')).toMatchObject({ verdict: { kind: 'later' }, outcome: 'bank_busy' });
    expect(await run('quick')).toMatchObject({ verdict: { kind: 'done' }, outcome: 'done' });
    answered.resolve(undefined);
    expect(await held).toMatchObject({ outcome: 'done' });
    expect(await run('slow-2')).toMatchObject({ outcome: 'done' });
    expect(await readStep(opened.database, 'accounts:0:0')).toMatchObject({ attempts: 0 });
  });
});
