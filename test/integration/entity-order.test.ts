// The law of entities, against real SQL: whatever the order in which events come, and however often, the row is the same.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyEntityFacts, type EntityFacts, type FactOrder } from '../../src/store/entity-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { longTests } from '../support/long-tests.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(() => test.drop());

interface Said {
  readonly facts: Omit<EntityFacts, 'entityId'>;
  readonly order: FactOrder;
}

const text = fc.option(fc.constantFrom('a', 'b', 'c'));
const said: fc.Arbitrary<Said> = fc.record({
  facts: fc.record(
    {
      customerId: text,
      appUserId: text,
      bankIdentifier: text,
      bankName: text,
      permissions: fc.option(fc.subarray(['accounts', 'balance', 'transactions'])),
      reconnectId: text,
      state: fc.option(
        fc.record({
          state: fc.constantFrom('active', 'action_required', 'ended'),
          reason: fc.constantFrom(null, 'CONSENT_EXPIRED'),
        }),
      ),
    },
    { requiredKeys: [] },
  ),
  order: fc.record(
    {
      // Few times, so that equal ones are common; one before 1970 and one beyond what a double holds exactly.
      ns: fc.option(fc.constantFrom(-5n, 0n, 1_778_596_480_391_243_281n, 1_778_596_480_391_243_282n)),
      key: fc.constantFrom('k1', 'k2', 'k3', 'K4', '~'),
      source: fc.constant('reply' as const),
    },
    { requiredKeys: ['ns', 'key'] },
  ),
});
/** One key is one event: it always says the same. */
const events = fc.uniqueArray(said, { minLength: 1, maxLength: 5, selector: ({ order }) => order.key });
const inTwoOrders = events.chain((list) =>
  fc.tuple(
    fc.constant(list),
    fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }),
    fc.array(fc.constantFrom(...list), { maxLength: 2 }),
  ),
);

async function rowAfter(list: readonly Said[]) {
  const { database } = test;
  const entityId = randomUUID();
  for (const { facts, order } of list) {
    await applyEntityFacts(database, database.db, { facts: { ...facts, entityId }, order });
  }
  return database.db
    .selectFrom('entities')
    .select(['customer_id', 'app_user_id', 'bank_identifier', 'bank_name', 'permissions', 'reconnect_id'])
    .select(['state', 'state_reason', 'state_event_ns', 'last_event_ns', 'last_event_key'])
    .select(['profile_event_ns', 'profile_event_key', 'field_orders'])
    .where('entity_id', '=', entityId)
    .executeTakeFirstOrThrow();
}

it('any order of any events, some of them twice, gives the same entity', async () => {
  await fc.assert(
    fc.asyncProperty(inTwoOrders, async ([inOrder, shuffled, repeated]) => {
      expect(await rowAfter([...shuffled, ...repeated])).toEqual(await rowAfter(inOrder));
    }),
    { numRuns: longTests ? 120 : 50 },
  );
});

it('the newest event that speaks of a field gives it, and silence takes nothing away', async () => {
  const row = await rowAfter([
    { facts: { bankName: 'new', permissions: ['accounts'] }, order: { ns: 2n, key: 'b' } },
    { facts: { bankName: 'old', bankIdentifier: 'BANK', permissions: [] }, order: { ns: 1n, key: 'a' } },
    { facts: { bankName: null, customerId: 'customer' }, order: { ns: 3n, key: 'c' } },
    { facts: { bankName: 'undated', appUserId: 'user' }, order: { ns: null, key: 'd' } },
  ]);
  expect(row).toMatchObject({
    bank_name: 'new',
    bank_identifier: 'BANK',
    customer_id: 'customer',
    app_user_id: 'user',
    permissions: ['accounts'],
    last_event_ns: 3n,
    last_event_key: 'c',
    profile_event_ns: 2n,
    profile_event_key: 'b',
  });
});

it('a reply of Lean orders what it says, and never passes for the last event', async () => {
  const event: Said = {
    facts: { bankName: 'event', permissions: ['accounts'] },
    order: { ns: 7n, key: 'a' },
  };
  const reply: Said = {
    facts: { bankName: 'reply', permissions: ['balance'], state: { state: 'ended', reason: null } },
    order: { ns: 9n, key: 'reply:1', source: 'reply' },
  };
  for (const list of [
    [event, reply],
    [reply, event],
  ]) {
    expect(await rowAfter(list)).toMatchObject({
      bank_name: 'reply',
      permissions: ['balance'],
      state_event_ns: 9n,
      last_event_ns: 7n,
      last_event_key: 'a',
      profile_event_ns: 7n,
      profile_event_key: 'a',
    });
  }
  expect(await rowAfter([reply])).toMatchObject({ last_event_ns: null, last_event_key: null });
});

it('of two events of one nanosecond the greater key holds', async () => {
  const left: Said = { facts: { bankName: 'left' }, order: { ns: 7n, key: 'a' } };
  const right: Said = { facts: { bankName: 'right' }, order: { ns: 7n, key: 'b' } };
  expect(await rowAfter([left, right])).toMatchObject({ bank_name: 'right' });
  expect(await rowAfter([right, left])).toMatchObject({ bank_name: 'right' });
});
