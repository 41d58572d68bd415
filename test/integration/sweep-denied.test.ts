// Where Lean refuses us its list of events, what the other lists bring is said instead, and that list is asked for rarely.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LeanFailure } from '../../src/lean/lean-failures.ts';
import { readSweep, readSweeps } from '../../src/store/sweep-store.ts';
import { planSweeps, sweepsInForce } from '../../src/worker/sweep-plan.ts';
import { startSweepTimer } from '../../src/worker/sweep-timer.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { createRecordingLogger } from '../support/silent-logger.ts';
import { createSweepParts } from '../support/sweep-parts.ts';

let test: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase();
});
afterEach(() => test.drop());

const hourMs = 3_600_000;
const bounded = { timeoutMs: 30_000 };
const plan = planSweeps({ region: 'ae', apiVersion: 'v2', hasClientSecret: true, staleHours: 24 });
const makeDue = (sweep: string) =>
  test.database.db
    .updateTable('sweep_progress')
    .set({ due_at: new Date(Date.now() - hourMs).toISOString() })
    .where('sweep', '=', sweep)
    .execute();

type Denial = Pick<LeanFailure, 'code' | 'action' | 'retryClass'>;
const accessDenied: Denial = { code: 'LEAN_ACCESS_DENIED', action: 'stop_alert', retryClass: null };
const noSuchUrl: Denial = { code: 'LEAN_REQUEST_REFUSED', action: 'give_up', retryClass: null };

/** Sweeps of a deployment that has the list of events by its region and credentials, and is refused it. */
async function denied(denial: Denial) {
  const parts = createSweepParts(test.database);
  parts.lean.entities = [
    { id: 'entity-1', customer_id: 'customer-1', permissions: { accounts: true }, status: 'ACTIVE' },
  ];
  parts.lean.fail = (operation) => (operation === 'events' ? denial : null);
  await parts.begin();
  await parts.round();
  await parts.round();
  return parts;
}

const entityIds = async () => {
  const rows = await test.database.db.selectFrom('entities').select('entity_id').execute();
  return rows.map((row) => row.entity_id);
};
const inForce = async () => sweepsInForce(plan, await readSweeps(test.database.db)).inForce;
const said = (lines: readonly { event: string; fields: Readonly<Record<string, unknown>> }[]) =>
  lines.filter(({ event }) => event === 'sweeps').map(({ fields }) => fields['in_force']);
const standIn = 'banks, entities, freshness';

describe('a list of events that Lean refuses', () => {
  it.each([
    ['401 or 403', accessDenied],
    ['404', noSuchUrl],
  ])('with %s is stood in for by the other lists, which is said once', async (_status, denial) => {
    const parts = await denied(denial);
    expect(await entityIds()).toEqual(['entity-1']);
    expect(await inForce()).toEqual(['banks', 'entities', 'freshness']);
    await makeDue('events');
    await parts.round();
    expect(said(parts.lines)).toEqual([standIn]);
  });

  it('is asked for again hours later, or at once when an operator asks', async () => {
    const parts = await denied(accessDenied);
    const asked = () => parts.lean.asked.filter(({ operation }) => operation === 'events').length;
    await parts.round();
    expect(asked()).toBe(1);
    const again = await readSweep(test.database.db, 'events');
    expect((again?.dueAt.getTime() ?? 0) - Date.now()).toBeGreaterThan(5 * hourMs);
    await makeDue('events');
    await parts.round();
    expect(asked()).toBe(2);
  });

  it('takes its place again when Lean gives it, which is said too', async () => {
    const parts = await denied(accessDenied);
    parts.lean.fail = () => null;
    await makeDue('events');
    await parts.round();
    expect(await inForce()).toEqual(plan.inForce);
    expect(said(parts.lines)).toEqual([standIn, plan.inForce.join(', ')]);
  });

  it('stays in force while Lean is merely out of order', async () => {
    await denied({ code: 'LEAN_SERVER_ERROR', action: 'retry', retryClass: 'lean_server' });
    expect(await inForce()).toEqual(plan.inForce);
  });

  it('is not named by the start line of a worker that comes later', async () => {
    await denied(accessDenied);
    const { logger, lines } = createRecordingLogger();
    const timer = startSweepTimer({
      database: test.database,
      syncQueue: { add: () => Promise.resolve() },
      plan,
      staleMs: 24 * hourMs,
      logger,
    });
    await eventually(() => expect(said(lines)).toEqual([standIn]));
    await timer.close();
  });
});

it(
  'a worker whose Lean has no list of events says so by itself, and its tables fill all the same',
  { timeout: 90_000 },
  async () => {
    const at = new Date(Date.now() - 2 * hourMs).toISOString();
    const customers = generateCustomers({ seed: 'denied', entities: 1, accounts: 1, transactions: 3, at });
    const world = await createWorkerWorld({
      customers,
      lean: { hasEventsApi: false, oauth: { clientSecret: 'secret-of-tests' } },
      sweepEveryMs: 100,
    });
    try {
      await world.start();
      await eventually(() => expect(said(world.lines)).toEqual([plan.inForce.join(', '), standIn]), bounded);
      await eventually(async () => {
        const rows = await world.test.database.db
          .selectFrom('transactions')
          .select('transaction_id')
          .execute();
        expect(rows).toHaveLength(3);
      }, bounded);
      const denials = world.lines.filter(({ fields }) => fields['outcome'] === 'LEAN_REQUEST_REFUSED');
      expect(denials.filter(({ event }) => event === 'sweep')).toHaveLength(1);
    } finally {
      await world.close();
    }
  },
);
