// A customer's real history, event by event, in any order, late, early and repeated: the rows are those of the history
// as it happened. What follows from the events, and is asked of Lean then, is the business of other tests.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());

const of = { entityId: 'entity-1', customerId: 'customer-1' };
const bank = 'LEA1_SAMAOB_SAU';
const at = (minute: number) => ({
  eventId: `event-${minute}`,
  timestamp: `2026-05-13T10:${String(minute).padStart(2, '0')}:00.5Z`,
});

function consent(minute: number, id: string, status: string): Uint8Array {
  const payload = { id, entity_id: of.entityId, customer_id: of.customerId, status };
  return webhookBody({ type: 'consent.status.updated', payload, ...at(minute) });
}

function availability(minute: number, data: boolean): Uint8Array {
  const both = { payments: true, data };
  const payload = { identifier: bank, availability: { active: both, enabled: both } };
  return webhookBody({ type: 'bank.availability.updated', payload, ...at(minute) });
}

const refresh = (minute: number, status: string) =>
  refreshBody({ ...of, ...at(minute), status, accountId: 'account-1' });
const updated = (minute: number, permissions: readonly string[]) =>
  entityBody({ type: 'entity.updated', ...of, ...at(minute), permissions });

/** Connected, read, its bank away for a while, consent taken back and given anew, reconnected; two have no time. */
const history: readonly Uint8Array[] = [
  consent(1, 'consent-1', 'AUTHORISED'),
  entityBody({ ...of, ...at(2) }),
  refresh(3, 'PENDING'),
  refresh(4, 'FINISHED'),
  availability(5, false),
  availability(6, true),
  consent(7, 'consent-1', 'REVOKED'),
  updated(8, []),
  consent(9, 'consent-2', 'AUTHORISED'),
  updated(10, ['accounts', 'balance']),
  refresh(11, 'OK'),
  webhookBody({
    type: 'entity.reconnected',
    payload: { id: of.entityId, reconnect_id: 'reconnect-1' },
    ...at(12),
  }),
  webhookBody({ type: 'results.ready', payload: { id: 'results-1' }, ...at(13) }),
  webhookBody({
    type: 'payment.created',
    payload: { id: 'payment-1', customer_id: of.customerId },
    ...at(14),
  }),
  entityBody({ type: 'entity.updated', ...of, eventId: 'undated-1', timestamp: null, bankName: 'Undated' }),
  webhookBody({
    type: 'bank.availability.updated',
    payload: { identifier: bank, availability: { active: { data: false } } },
    eventId: 'undated-2',
    timestamp: null,
  }),
];
const places = history.map((_, place) => place);

const tables = ['entities', 'consents', 'banks', 'pending_results'] as const;
const passing = new Set(['created_at', 'updated_at', 'refresh_heard_at', 'event_key', 'due_at']);

function lasting(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !passing.has(name)));
}

/** What is left when deliveries come like this, all of them in one batch, and are then applied in that order. */
async function rowsAfter(order: readonly number[]) {
  const { db } = test.database;
  for (const table of [...tables, 'webhook_events', 'sync_runs', 'changes'] as const) {
    await db.deleteFrom(table).execute();
  }
  const worker = createWorkerParts(test.database);
  await worker.intake(order.map((place) => ({ body: history[place] ?? Buffer.of() })));
  for (const place of order) await worker.applyEvent(keyOf(place));
  const events = db.selectFrom('webhook_events').select(['event_key', 'state', 'failure_code']);
  const runs = await db.selectFrom('sync_runs').select(['full_history', 'reread_entity']).execute();
  const rows = await Promise.all(
    tables.map((table) => db.selectFrom(table).selectAll().orderBy('created_at').execute()),
  );
  return {
    events: await events.orderBy('event_key').execute(),
    rows: rows.map((ofTable) => ofTable.map(lasting).toSorted(byText)),
    isReadWhole: runs.some((run) => run.full_history),
    isReadAgain: runs.some((run) => run.reread_entity),
  };
}

function keyOf(place: number): string {
  return place < 14 ? `event-${place + 1}` : `undated-${place - 13}`;
}

function byText(left: object, right: object): number {
  const [one, other] = [left, right].map((row) =>
    JSON.stringify(row, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
  return (one ?? '') < (other ?? '') ? -1 : 1;
}

const anyOrder = fc
  .array(fc.constantFrom(...places), { maxLength: 4 })
  .chain((repeats) =>
    fc.shuffledSubarray([...places, ...repeats], { minLength: places.length + repeats.length }),
  );

it('any order of a history, some of it twice, ends in the rows of the history', async () => {
  const expected = await rowsAfter(places);
  expect(expected.rows[0]).toMatchObject([
    { state: 'active', permissions: ['accounts', 'balance'], reconnect_id: 'reconnect-1' },
  ]);
  expect(expected.rows[1]).toMatchObject([
    { consent_id: 'consent-1', status: 'REVOKED' },
    { consent_id: 'consent-2', status: 'AUTHORISED' },
  ]);
  expect(expected.rows[2]).toMatchObject([{ bank_identifier: bank, active_data: true }]);
  await fc.assert(
    fc.asyncProperty(anyOrder, async (order) => {
      expect(await rowsAfter(order)).toEqual(expected);
    }),
    { numRuns: 8 },
  );
});
