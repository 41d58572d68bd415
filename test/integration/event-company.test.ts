// Events that are at hand at one time are applied together, and nobody can tell from the rows: neither when all goes well
// nor when one of them is odd, is of the same entity, or of somebody who was erased.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockEntity } from '../../src/store/entity-lock.ts';
import { readDigest, recordErasures } from '../../src/store/erasure-store.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody, webhookBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { changeNames, createWorkerParts, eventRows } from '../support/worker-parts.ts';

let test: TestDatabase;
let other: TestDatabase;
beforeEach(async () => {
  test = await openTestDatabase();
  other = await openTestDatabase();
});
afterEach(async () => {
  await test.drop();
  await other.drop();
});

/** Takes the deliveries in; gives their events' keys in the same order. */
async function takeIn({ database }: TestDatabase, bodies: readonly Uint8Array[]) {
  const worker = createWorkerParts(database);
  const keys: string[] = [];
  for (const body of bodies) {
    await worker.intake([{ body }]);
    keys.push(worker.eventJobs.at(-1)?.data.eventKey ?? '');
  }
  return { worker, keys };
}

async function applyTogether(on: TestDatabase, bodies: readonly Uint8Array[]) {
  const { worker, keys } = await takeIn(on, bodies);
  const reports = await worker.applyEvents(keys);
  return { worker, keys, outcomes: reports.map(({ outcome }) => outcome) };
}

async function applyInTurn(on: TestDatabase, bodies: readonly Uint8Array[]) {
  const { worker, keys } = await takeIn(on, bodies);
  const outcomes: string[] = [];
  for (const key of keys) outcomes.push((await worker.applyEvent(key)).outcome);
  return { worker, outcomes };
}

/** What the events left behind, without the times at which that was. */
async function leftBehind({ database }: TestDatabase) {
  const { rows: entities } = await sql<{ entity: object }>`
    select to_jsonb(entity) - array['created_at', 'updated_at', 'refresh_heard_at'] as entity
    from ${database.table('entities')} as entity order by entity_id
  `.execute(database.db);
  const { rows: runs } = await sql`
    select entity_id, customer_id, reason, state, event_key, full_history, data_status, reread_entity
    from ${database.table('sync_runs')} order by entity_id
  `.execute(database.db);
  const { rows: steps } = await sql`
    select run.entity_id, step.step_key, step.state, step.priority
    from ${database.table('sync_steps')} as step join ${database.table('sync_runs')} as run using (sync_id)
    order by 1, 2
  `.execute(database.db);
  const { rows: changes } = await sql`
    select change, entity_id, customer_id, event_key, details - 'syncId' as details
    from ${database.table('changes')} order by entity_id, change, event_key
  `.execute(database.db);
  const events = (await eventRows(database)).map(({ event_key: key, state, failure_code: code }) => ({
    key,
    state,
    code,
  }));
  return { entities, runs, steps, changes, events };
}

/** In how many transactions the events were concluded. */
async function transactionsOf({ database }: TestDatabase): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(distinct xmin::text)::int as count from ${database.table('webhook_events')}
    where concluded_at is not null
  `.execute(database.db);
  return rows[0]?.count ?? 0;
}

async function eraseCustomers({ database }: TestDatabase, ids: readonly string[]): Promise<void> {
  await database.transaction(async (transaction) => {
    const digest = await readDigest(transaction);
    if (digest === null) throw new Error('there is no key');
    const subjects = ids.map((id) => ({ kind: 'customer', id }) as const);
    await recordErasures(transaction, { subjects, digest, now: new Date() });
  });
}

/** Of eight entities: connected, refreshed for the first time, refreshing, changed and revoked. */
function severalBodies(): Uint8Array[] {
  return Array.from({ length: 8 }, (_, place) => {
    const entityId = `entity-${place}`;
    const customerId = `customer-${place}`;
    const ids = { entityId, customerId, eventId: `event-${place}` };
    if (place % 4 === 0) return entityBody(ids);
    if (place % 4 === 1) return refreshBody({ ...ids, accountId: `account-${place}` });
    if (place % 4 === 2) return refreshBody({ ...ids, status: 'PENDING', accountId: `account-${place}` });
    return entityBody({ ...ids, type: 'entity.updated', permissions: place === 3 ? [] : ['accounts'] });
  });
}

it('events of several entities at one time leave what they leave one after the other, and those that fetch nothing share a transaction', async () => {
  const bodies = severalBodies();
  const together = await applyTogether(test, bodies);
  const inTurn = await applyInTurn(other, bodies);
  expect(together.outcomes).toEqual(inTurn.outcomes);
  expect(together.outcomes).toEqual(Array.from({ length: 8 }, () => 'processed'));
  expect(await leftBehind(test)).toEqual(await leftBehind(other));
  expect(together.worker.syncJobs).toHaveLength(inTurn.worker.syncJobs.length);
  expect([await transactionsOf(test), await transactionsOf(other)]).toEqual([1 + 4, 8]);
});

it('an event that cannot be applied is set aside, and the others at hand with it are applied', async () => {
  const odd = webhookBody({
    type: 'entity.updated',
    payload: { entity_id: 'entity-odd' },
    eventId: 'event-odd',
  });
  const bodies = [...severalBodies(), odd];
  const { outcomes } = await applyTogether(test, bodies);
  await applyInTurn(other, bodies);
  expect(outcomes.slice(0, -1)).toEqual(Array.from({ length: 8 }, () => 'processed'));
  expect(outcomes.at(-1)).toBe('EVENT_PAYLOAD_INVALID');
  expect(await leftBehind(test)).toEqual(await leftBehind(other));
});

it('events of one entity at one time end in its newest state, whichever of them comes first', async () => {
  const entityId = randomUUID();
  const bodies = [3, 1, 5, 2, 4].map((second) =>
    entityBody({
      entityId,
      customerId: 'customer',
      bankName: `Bank ${second}`,
      timestamp: `2026-05-12T14:34:4${second}.000000000Z`,
    }),
  );
  const { outcomes } = await applyTogether(test, [...bodies, ...severalBodies()]);
  expect(new Set(outcomes)).toEqual(new Set(['processed']));
  const row = await test.database.db
    .selectFrom('entities')
    .select('bank_name')
    .where('entity_id', '=', entityId)
    .executeTakeFirst();
  expect(row).toEqual({ bank_name: 'Bank 5' });
});

it('events at hand with one whose entity somebody holds do not wait for that', async (context) => {
  context.skip(engines.kind.postgres === 'embedded', 'needs two connections');
  const { worker, keys } = await takeIn(test, severalBodies());
  const { promise: mayEnd, resolve: release } = Promise.withResolvers<void>();
  const { promise: isHeld, resolve: held } = Promise.withResolvers<void>();
  const holder = test.database.transaction(async (transaction) => {
    await lockEntity(test.database, transaction, 'entity-0');
    held();
    await mayEnd;
  });
  await isHeld;
  const applied = worker.applyEvents(keys);
  const openKeys = async () =>
    (await eventRows(test.database)).flatMap(({ event_key: key, state }) =>
      state === 'received' ? [key] : [],
    );
  try {
    await eventually(async () => expect(await openKeys()).toEqual([keys[0]]));
  } finally {
    release();
    await holder;
  }
  expect(new Set((await applied).map(({ outcome }) => outcome))).toEqual(new Set(['processed']));
});

it('an erasure of somebody else keeps nobody from sharing a transaction', async () => {
  await stampInstallation(test.database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  await eraseCustomers(test, ['somebody else']);
  const { keys } = await applyTogether(test, severalBodies());
  expect(keys).toHaveLength(8);
  expect(await transactionsOf(test)).toBe(1 + 4);
});

it('an event that is applied twice at one time is applied once', async () => {
  const { worker, keys } = await takeIn(test, severalBodies());
  const reports = await Promise.all([worker.applyEvents(keys), worker.applyEvents(keys)]);
  const outcomes = reports.flat().map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'processed')).toHaveLength(8);
  expect(outcomes.filter((outcome) => outcome === 'already_concluded')).toHaveLength(8);
  expect((await changeNames(test.database)).filter((name) => name === 'entity.action_required')).toHaveLength(
    1,
  );
});

it('what keeps one event from sharing leaves the others in smaller company, and few of them alone', async () => {
  await stampInstallation(test.database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  const bodies = Array.from({ length: 40 }, (_, place) =>
    refreshBody({
      entityId: `entity-${place}`,
      customerId: `customer-${place}`,
      eventId: `event-${place}`,
      accountId: `account-${place}`,
      status: 'PENDING',
    }),
  );
  const { worker, keys } = await takeIn(test, bodies);
  await eraseCustomers(test, ['customer-2']);
  const outcomes = (await worker.applyEvents(keys)).map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'processed')).toHaveLength(39);
  // Sixteen of the forty have the erased customer's event among them.
  expect(await transactionsOf(test)).toBe(16 + 2);
});

it('an event whose time is over before its turn is put back untried', async () => {
  const { worker, keys } = await takeIn(test, severalBodies());
  const timeIsOver = new AbortController();
  const reports = worker.applyEvents(keys, timeIsOver.signal);
  timeIsOver.abort(new Error('too late'));
  for (const { verdict, outcome } of await reports) {
    expect(outcome).toBe('no_turn');
    expect(verdict).toMatchObject({ kind: 'later' });
  }
  const again = await worker.applyEvents(keys);
  expect(again.map(({ outcome }) => outcome)).toEqual(keys.map(() => 'processed'));
});

it('nothing of an erased customer is kept when their event is at hand with others', async () => {
  await stampInstallation(test.database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  const { worker, keys } = await takeIn(test, severalBodies());
  await eraseCustomers(test, ['customer-2']);
  const outcomes = (await worker.applyEvents(keys)).map(({ outcome }) => outcome);
  expect(outcomes[2]).toBe('CUSTOMER_ERASED');
  expect(outcomes.filter((outcome) => outcome === 'processed')).toHaveLength(7);
  const left = await test.database.db
    .selectFrom('entities')
    .select('entity_id')
    .orderBy('entity_id')
    .execute();
  expect(left.map((row) => row.entity_id)).not.toContain('entity-2');
  expect(left).toHaveLength(7);
});
