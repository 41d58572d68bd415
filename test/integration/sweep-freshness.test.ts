// Entities of which no refresh was heard for too long are asked for theirs: what is newer than all we know of is fetched,
// once, and one that is still under way is not forgotten.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { createSweepParts } from '../support/sweep-parts.ts';

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
});
afterEach(() => test.drop());

const hourMs = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * hourMs).toISOString();
const entities = () => test.database.db.selectFrom('entities').selectAll().orderBy('entity_id').execute();
const runs = () =>
  test.database.db.selectFrom('sync_runs').select(['entity_id', 'reason']).orderBy('entity_id').execute();
const makeDue = () =>
  test.database.db
    .updateTable('sweep_progress')
    .set({ due_at: ago(1) })
    .execute();

function refresh(entityId: string, hours: number, status = 'FINISHED'): Record<string, unknown> {
  const times = { created_at: ago(hours + 1), updated_at: ago(hours) };
  return { refresh_id: `refresh-${hours}`, entity_id: entityId, customer_id: 'customer-1', status, ...times };
}

async function silentEntity(entityId: string, state = 'active'): Promise<void> {
  await test.database.db
    .insertInto('entities')
    .values({
      entity_id: entityId,
      customer_id: 'customer-1',
      app_user_id: null,
      bank_identifier: 'bank-1',
      bank_name: null,
      permissions: null,
      state: state === 'active' ? 'active' : 'action_required',
      state_reason: null,
      reconnect_id: null,
      created_at: new Date(ago(48)),
    })
    .execute();
}

describe('the freshness sweep', () => {
  it('asks an active entity long silent for its refreshes, once, and starts a sync for a newer one', async () => {
    await silentEntity('entity-1');
    await silentEntity('entity-2', 'stopped');
    const parts = createSweepParts(test.database);
    parts.lean.refreshes.set('entity-1', [refresh('entity-1', 2)]);
    await parts.begin();
    await parts.round();
    await makeDue();
    await parts.round();
    const asked = parts.lean.asked.filter(({ operation }) => operation === 'refreshes');
    expect(asked).toMatchObject([{ query: { entityId: 'entity-1' } }]);
    expect(await runs()).toMatchObject([{ entity_id: 'entity-1', reason: 'sweep' }]);
  });

  it('starts nothing for a refresh that is known already', async () => {
    await silentEntity('entity-1');
    await test.database.db
      .updateTable('entities')
      .set({ last_refresh_ns: BigInt(Date.parse(ago(1))) * 1_000_000n })
      .execute();
    const parts = createSweepParts(test.database);
    parts.lean.refreshes.set('entity-1', [refresh('entity-1', 2)]);
    await parts.begin();
    const reports = await parts.round();
    expect(reports).toContainEqual(
      expect.objectContaining({ operation: 'freshness', outcome: 'nothing_new' }),
    );
    expect(await runs()).toEqual([]);
  });

  it('asks again within the hour where the first refresh is still under way', async () => {
    await silentEntity('entity-1');
    const parts = createSweepParts(test.database);
    parts.lean.refreshes.set('entity-1', [refresh('entity-1', 2, 'PENDING')]);
    await parts.begin();
    await parts.round();
    const [row] = await entities();
    expect(Date.now() - (row?.freshness_asked_at?.getTime() ?? 0)).toBeGreaterThan(22.5 * hourMs);
  });

  it('asks again within the hour where Lean could not answer, and ends what Lean does not know', async () => {
    await silentEntity('entity-1');
    await silentEntity('entity-2');
    const parts = createSweepParts(test.database);
    parts.lean.fail = () => ({ code: 'LEAN_SERVER_ERROR', action: 'retry', retryClass: 'lean_server' });
    await parts.begin();
    await parts.round();
    const [row] = await entities();
    expect(Date.now() - (row?.freshness_asked_at?.getTime() ?? 0)).toBeGreaterThan(22.5 * hourMs);
    parts.lean.fail = () => ({ code: 'LEAN_ENTITY_UNKNOWN', action: 'stop_entity' });
    await test.database.db
      .updateTable('entities')
      .set({ freshness_asked_at: ago(25) })
      .execute();
    await makeDue();
    await parts.round();
    expect(await entities()).toMatchObject([{ state: 'ended' }, { state: 'ended' }]);
  });
});
