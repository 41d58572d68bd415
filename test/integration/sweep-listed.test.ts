// What Lean's lists of entities and banks say, and no webhook has brought: written, counted and told once, and never
// against what a webhook has said.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import { nextWindow } from '../../src/worker/sweep-plan.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, webhookBody } from '../support/event-bodies.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { createWorkerParts, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
let parts: ReturnType<typeof createSweepParts>;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
  parts = createSweepParts(test.database, { region: 'sa' });
  await parts.begin();
});
afterEach(() => test.drop());

const hourMs = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * hourMs).toISOString();
const [accounts, balance, transactions] = ['accounts', 'balance', 'transactions'];

interface ListedFacts {
  readonly permissions?: readonly string[];
  readonly consents?: readonly object[];
  readonly updatedAt?: string;
}

function listed({
  permissions = [accounts, balance],
  consents = [],
  updatedAt = ago(5),
}: ListedFacts): object {
  return {
    id: 'entity-1',
    customer_id: 'customer-1',
    bank_identifier: 'LEA1_SAMAOB_SAU',
    permissions: Object.fromEntries(
      [accounts, balance, transactions].map((name) => [name, permissions.includes(name)]),
    ),
    created_at: ago(10),
    updated_at: updatedAt,
    status: 'ACTIVE',
    consents,
  };
}

const consent = (id: string, status: string, hours: number) => ({
  id,
  consent_status: status,
  creation_date_time: ago(hours),
  status_update_date_time: ago(hours),
});

async function receive(body: Uint8Array): Promise<void> {
  await worker.intake([{ body }]);
  for (const { data } of worker.eventJobs.splice(0)) await worker.applyEvent(data.eventKey);
}

async function lookOnce(): Promise<void> {
  await test.database.db
    .updateTable('sweep_progress')
    .set({ due_at: ago(1) })
    .execute();
  await parts.round();
}

const connected = (permissions: readonly string[], hours = 9) =>
  entityBody({ entityId: 'entity-1', customerId: 'customer-1', permissions, timestamp: ago(hours) });
const updated = (permissions: readonly string[], hours: number) =>
  entityBody({
    type: 'entity.updated',
    entityId: 'entity-1',
    customerId: 'customer-1',
    permissions,
    timestamp: ago(hours),
  });
const entity = () => test.database.db.selectFrom('entities').selectAll().executeTakeFirstOrThrow();
const told = async () => {
  const rows = await test.database.db
    .selectFrom('changes')
    .select(['change', 'details'])
    .orderBy('change_id')
    .execute();
  return rows.filter(({ details }) => JSON.stringify(details).includes('"sweep"'));
};
const stop = (reason: string, hours: number) =>
  applyEntityFacts(test.database, test.database.db, {
    facts: {
      entityId: 'entity-1',
      state: { state: reason === 'LEAN_ENTITY_UNKNOWN' ? 'ended' : 'action_required', reason },
    },
    order: { ns: BigInt(Date.now() - hours * hourMs) * 1_000_000n, key: 'reply:stop', source: 'reply' },
  });
const counted = async (kind: string) => {
  const { values } = await parts.metrics.sweepFound.get();
  return values.find(({ labels }) => labels.kind === kind)?.value ?? 0;
};

describe('an entity of which we know', () => {
  it('whose entity.updated was lost gets its permissions, once, and is asked for its refreshes', async () => {
    await receive(connected([accounts]));
    parts.lean.entities = [listed({})];
    await lookOnce();
    await lookOnce();
    expect(await entity()).toMatchObject({ permissions: [accounts, balance], state: 'active' });
    expect(await told()).toMatchObject([{ change: 'entity.connected', details: { permissions: 2 } }]);
    expect(await counted('entities')).toBe(1);
    expect(parts.lean.asked.filter(({ operation }) => operation === 'refreshes').length).toBeGreaterThan(0);
  });

  it('whose permissions were taken back unheard waits for its customer', async () => {
    await receive(connected([accounts]));
    parts.lean.entities = [listed({ permissions: [] })];
    await lookOnce();
    await lookOnce();
    expect(await entity()).toMatchObject({ state: 'action_required', state_reason: 'PERMISSIONS_REVOKED' });
    expect(await told()).toMatchObject([{ change: 'entity.action_required' }]);
  });

  it('comes back by a consent that was given after it was stopped, and by no older one', async () => {
    await receive(connected([accounts]));
    await stop('CONSENT_EXPIRED', 5);
    parts.lean.entities = [listed({ consents: [consent('old', 'ACTIVE', 8)] })];
    await lookOnce();
    expect(await entity()).toMatchObject({ state: 'action_required' });
    parts.lean.entities = [listed({ consents: [consent('new', 'ACTIVE', 3), consent('old', 'REVOKED', 3)] })];
    await lookOnce();
    expect(await entity()).toMatchObject({ state: 'active', state_reason: null });
  });

  it('that was stopped gets its permissions, and is told of only as what it is', async () => {
    await receive(connected([accounts]));
    await stop('RECONNECT_REQUIRED', 5);
    parts.lean.entities = [listed({})];
    await lookOnce();
    expect(await entity()).toMatchObject({ state: 'action_required', permissions: [accounts, balance] });
    expect(await told()).toEqual([]);
    expect(await counted('entities')).toBe(0);
    expect(parts.lean.asked.filter(({ operation }) => operation === 'refreshes')).toEqual([]);
  });

  it('that is ended is not fetched again for a consent that has changed', async () => {
    await receive(connected([accounts, balance]));
    parts.lean.entities = [listed({ consents: [consent('consent-1', 'ACTIVE', 8)] })];
    await lookOnce();
    await stop('LEAN_ENTITY_UNKNOWN', 5);
    parts.lean.entities = [listed({ consents: [consent('consent-1', 'REVOKED', 4)] })];
    await lookOnce();
    expect(await told()).toMatchObject([{ change: 'consent.updated' }]);
    expect(await test.database.db.selectFrom('sync_runs').select('reason').execute()).toEqual([]);
  });

  it('keeps what webhooks have said where the list names what an ended consent allowed', async () => {
    await receive(connected([accounts]));
    await receive(updated([], 5));
    parts.lean.entities = [listed({ consents: [consent('old', 'REVOKED', 5)] })];
    await lookOnce();
    expect(await entity()).toMatchObject({ state: 'action_required', permissions: [] });
    expect(await told()).toEqual([]);
  });

  it('is left alone while a webhook about it may still be on its way', async () => {
    await receive(connected([accounts]));
    parts.lean.entities = [listed({ updatedAt: ago(0) })];
    await lookOnce();
    expect(await entity()).toMatchObject({ permissions: [accounts] });
  });

  it('has its bank named by the list of banks where no webhook did', async () => {
    parts.lean.banks = [{ identifier: 'LEA1_SAMAOB_SAU', name: 'Mockbank 1' }];
    parts.lean.entities = [listed({})];
    await lookOnce();
    await lookOnce();
    expect(await entity()).toMatchObject({ bank_name: 'Mockbank 1' });
  });
});

const writtenAt = () => test.database.db.selectFrom('consents').select('updated_at').execute();

it('a consent whose end was not heard of is written and told once, and its entity read again', async () => {
  await receive(connected([accounts, balance]));
  parts.lean.entities = [listed({ consents: [consent('consent-1', 'ACTIVE', 8)] })];
  await lookOnce();
  expect(await told()).toEqual([]);
  parts.lean.entities = [listed({ consents: [consent('consent-1', 'REVOKED', 4)] })];
  await lookOnce();
  const written = await writtenAt();
  await lookOnce();
  expect(await writtenAt()).toEqual(written);
  expect(await told()).toMatchObject([
    { change: 'consent.updated', details: { consentId: 'consent-1', status: 'REVOKED' } },
  ]);
  expect(await counted('entities')).toBe(1);
  const runs = await test.database.db.selectFrom('sync_runs').select(['reason', 'reread_entity']).execute();
  expect(runs).toEqual([{ reason: 'sweep', reread_entity: true }]);
});

const availability = (data: boolean) => ({
  active: { payments: true, data },
  enabled: { payments: true, data: true },
});

const bank = (data: boolean) => ({ identifier: 'BANK', name: 'Bank', availability: availability(data) });
const says = (data: boolean, hours: number) =>
  webhookBody({
    type: 'bank.availability.updated',
    payload: { identifier: 'BANK', availability: availability(data) },
    timestamp: ago(hours),
  });

describe('a bank', () => {
  it('that went and came back unheard is told of each time, and its webhook tells no more', async () => {
    parts.lean.banks = [bank(true)];
    await lookOnce();
    parts.lean.banks = [bank(false)];
    await lookOnce();
    await lookOnce();
    parts.lean.banks = [bank(true)];
    await lookOnce();
    await receive(says(false, 2));
    expect(await told()).toMatchObject([
      { change: 'bank.updated', details: { isAvailable: false } },
      { change: 'bank.updated', details: { isAvailable: true } },
    ]);
    expect(await counted('banks')).toBe(2);
    const names = await test.database.db.selectFrom('changes').select('change').execute();
    expect(names).toHaveLength(2);
  });

  it('of whose end a webhook alone has told is brought back by the list', async () => {
    await receive(says(false, 2));
    parts.lean.banks = [bank(true)];
    await lookOnce();
    expect(await told()).toMatchObject([{ details: { bankIdentifier: 'BANK', isAvailable: true } }]);
  });
});

it('entities are all read again on the first round of a day, and those of two days otherwise', () => {
  const now = new Date('2026-05-13T12:00:00Z');
  const fromOf = (sweep: 'entities' | 'events', coveredUntil: string) =>
    nextWindow({ sweep, coveredUntil: new Date(coveredUntil), now, eventKeyKeepDays: undefined }).from;
  expect(fromOf('entities', '2026-05-13T00:00:01Z').toISOString()).toBe('2026-05-11T00:00:01.000Z');
  expect(fromOf('entities', '2026-05-12T23:59:59Z').toISOString()).toBe('2026-02-12T12:00:00.000Z');
  expect(fromOf('events', '2026-05-12T23:59:59Z').toISOString()).toBe('2026-05-12T21:59:59.000Z');
});
