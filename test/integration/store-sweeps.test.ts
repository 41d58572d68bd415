// How far the sweeps have got, and the events that only they have found.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readKeyRing } from '../../src/sealing/key-ring.ts';
import { open } from '../../src/sealing/seal.ts';
import type { Database } from '../../src/store/database.ts';
import { readEvent } from '../../src/store/event-store.ts';
import { eraseCustomer } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import type { IntakeDelivery } from '../../src/store/intake-groups.ts';
import { storeBatch } from '../../src/store/intake-store.ts';
import { insertSweptEvents } from '../../src/store/swept-event-store.ts';
import {
  continueSweep,
  dueSweeps,
  ensureSweeps,
  failSweep,
  finishSweep,
  lockSweep,
  makeSweepDue,
  readSweep,
  readSweeps,
  type SweepPlace,
} from '../../src/store/sweep-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
});
afterEach(() => test.drop());

const sweep = 'events' as const;
const window = { from: new Date('2026-05-01T00:00:00Z'), to: new Date('2026-05-10T00:00:00Z') };
const progress = () => readSweep(database.db, sweep);
const revision = async () => (await progress())?.revision ?? -1n;
const due = async () => (await dueSweeps(database.db)).map((one) => one.sweep);

/** As a worker does it; false when the sweep has moved on. */
const step = (place: SweepPlace, page: number) =>
  database.transaction(async (inside) => {
    if (!(await lockSweep(database, inside, place))) return false;
    await continueSweep(inside, { sweep, found: 2, window, page });
    return true;
  });

describe('the progress of a sweep', () => {
  it('begins once, due at once, and is not begun again by another worker', async () => {
    await ensureSweeps(database.db, [sweep, 'freshness']);
    await step({ sweep, revision: 0n }, 3);
    await ensureSweeps(database.db, [sweep, 'freshness']);
    expect(await due()).toEqual(['events', 'freshness']);
    expect(await readSweeps(database.db)).toMatchObject([
      { sweep: 'events', page: 3, window, found: 2n, calls: 1n },
      { sweep: 'freshness', page: 0, window: null, coveredUntil: null },
    ]);
  });

  it('is kept page by page, and a stalled twin writes nothing', async () => {
    await ensureSweeps(database.db, [sweep]);
    const place = { sweep, revision: await revision() };
    expect(await step(place, 1)).toBe(true);
    expect(await step(place, 1)).toBe(false);
    const [first, second] = await Promise.all([
      step({ sweep, revision: 1n }, 2),
      step({ sweep, revision: 1n }, 2),
    ]);
    expect([first, second].filter(Boolean)).toHaveLength(1);
    expect(await progress()).toMatchObject({ page: 2, found: 4n, calls: 2n, revision: 2n });
  });

  it('that has come to its end rests until the next round, and what it covers never moves back', async () => {
    await ensureSweeps(database.db, [sweep]);
    await step({ sweep, revision: 0n }, 1);
    const finish = (coveredUntil: Date | null) =>
      finishSweep(database.db, { sweep, found: 1, coveredUntil, nextInMs: 60_000 });
    await finish(window.to);
    expect(await progress()).toMatchObject({
      window: null,
      page: 0,
      coveredUntil: window.to,
      found: 3n,
      failuresInARow: 0,
      finishedAt: expect.any(Date),
    });
    expect(await due()).toEqual([]);
    await finish(window.from);
    await finish(null);
    expect(await progress()).toMatchObject({ coveredUntil: window.to });
    await makeSweepDue(database.db, sweep);
    expect(await due()).toEqual([sweep]);
  });

  it('that has failed is at the same page later, and counts failures until one call succeeds', async () => {
    await ensureSweeps(database.db, [sweep]);
    await step({ sweep, revision: 0n }, 1);
    const fail = () => failSweep(database.db, { sweep, failureCode: 'LEAN_UNAVAILABLE', againInMs: 60_000 });
    expect([await fail(), await fail()]).toEqual([1, 2]);
    expect(await progress()).toMatchObject({ page: 1, window, failureCode: 'LEAN_UNAVAILABLE' });
    expect(await due()).toEqual([]);
    await step({ sweep, revision: await revision() }, 2);
    expect(await progress()).toMatchObject({ failuresInARow: 0, failureCode: null });
  });
});

const event = (eventKey: string, facts: Partial<IntakeDelivery> = {}): IntakeDelivery => ({
  eventKey,
  eventId: eventKey,
  type: 'entity.created',
  entityId: 'e',
  customerId: 'c',
  occurredAt: instant('2026-05-10T12:00:00Z'),
  occurredAtText: '2026-05-10T12:00:00Z',
  receivedAt: '2026-11-20T08:00:00.000Z',
  proof: 'none',
  state: 'received',
  failureCode: null,
  rawBody: Buffer.from(`{"event_id":"${eventKey}"}`),
  payloadHash: eventKey,
  ...facts,
});
const keyRing = readKeyRing({ keysBase64: [randomBytes(32).toString('base64')], sealing: 'on' });
const insert = (events: readonly IntakeDelivery[]) =>
  database.transaction((inside) => insertSweptEvents(database, inside, { events, keyRing }));
const push = (jobId: string, deliveries: readonly IntakeDelivery[]) =>
  storeBatch(database, { jobId, deliveries, keyRing });
const rows = () =>
  database.db
    .selectFrom('webhook_events')
    .select(['event_key', 'source', 'state', 'delivery_count', 'replay_count', 'payload_hash', 'body'])
    .select(['ownership_proven_at', 'customer_id'])
    .orderBy('event_key')
    .execute();
const changes = () =>
  database.db.selectFrom('changes').select(['change', 'event_key', 'details']).orderBy('change_id').execute();

describe('a swept event', () => {
  it('that nobody has delivered is stored, sealed, as ours, and the application is told', async () => {
    const inserted = await insert([event('b'), event('a', { type: 'payment.created', state: 'ignored' })]);
    expect(inserted.openEvents).toEqual([{ eventKey: 'b', replayCount: 0 }]);
    expect(inserted.found.map(({ eventKey, state }) => [eventKey, state])).toEqual([
      ['a', 'ignored'],
      ['b', 'received'],
    ]);
    const [, row] = await rows();
    expect(row).toMatchObject({ source: 'sweep', delivery_count: 0, ownership_proven_at: expect.any(Date) });
    const record = { purpose: 'event', recordId: 'b' } as const;
    expect(Buffer.from(open(keyRing, record, row?.body ?? new Uint8Array())).toString()).toBe(
      '{"event_id":"b"}',
    );
    expect(await changes()).toEqual([
      { change: 'event.recorded', event_key: 'a', details: { type: 'payment.created', source: 'sweep' } },
      { change: 'event.recorded', event_key: 'b', details: { type: 'entity.created', source: 'sweep' } },
    ]);
  });

  it('is stored once, however often and in how many sweeps at a time it is listed', async () => {
    await Promise.all([insert([event('a'), event('b')]), insert([event('b'), event('a'), event('a')])]);
    expect(await insert([event('a')])).toEqual({ found: [], openEvents: [] });
    expect(await rows()).toHaveLength(2);
    expect(await changes()).toHaveLength(2);
  });

  it('never touches a delivered one, whatever it says', async () => {
    await push('in_x_1-1', [event('a', { proof: 'signature' })]);
    const before = await rows();
    expect(await insert([event('a', { payloadHash: 'another', type: 'entity.updated' })])).toMatchObject({
      found: [],
    });
    expect(await rows()).toEqual(before);
  });

  it('gives way to a delivery that comes later, which is no conflict', async () => {
    await insert([event('a'), event('b')]);
    await push('in_x_1-2', [
      event('a', { proof: 'signature' }),
      event('b', { proof: 'signature', payloadHash: 'another' }),
    ]);
    expect(await rows()).toMatchObject([
      { event_key: 'a', source: 'webhook', delivery_count: 1, payload_hash: 'a', replay_count: 0 },
      { event_key: 'b', source: 'webhook', delivery_count: 1, payload_hash: 'another', replay_count: 1 },
    ]);
  });

  it('proves nothing about an unsigned delivery of its key that says something else', async () => {
    await insert([event('a'), event('b')]);
    const proof = 'certificate' as const;
    await push('in_x_1-2', [event('a', { proof }), event('b', { proof, payloadHash: 'another' })]);
    expect(await readEvent(database.db, 'a')).toMatchObject({ ownershipProven: true });
    expect(await readEvent(database.db, 'b')).toMatchObject({ ownershipProven: false, concluded: false });
  });

  it('that cannot be stored with its columns is kept in quarantine, and its neighbours are stored', async () => {
    const { found, openEvents } = await insert([event('a', { customerId: '\u0000' }), event('b')]);
    expect(found).toMatchObject([
      { eventKey: 'b', state: 'received' },
      { eventKey: 'a', state: 'quarantined', failureCode: 'EVENT_NOT_STORABLE' },
    ]);
    expect(openEvents).toHaveLength(1);
  });

  it('of an erased customer leaves nothing but its key, and is no find', async () => {
    await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
    await eraseCustomer(database, { customerId: 'c', now: new Date('2026-05-20T00:00:00Z') });
    expect(await insert([event('a')])).toEqual({ found: [], openEvents: [] });
    expect(await rows()).toMatchObject([{ event_key: 'a', state: 'ignored', body: null, customer_id: null }]);
    expect(await changes()).toEqual([]);
    const { rows: keys } = await sql`select from ${database.table('webhook_events')}`.execute(database.db);
    expect(keys).toHaveLength(1);
  });
});
