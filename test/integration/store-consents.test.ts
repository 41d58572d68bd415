// Consents, put together from whatever speaks of them, and the notices before they end.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CanonicalConsent } from '../../src/core/canonical-access.ts';
import { readKeyRing } from '../../src/sealing/key-ring.ts';
import { open, rawRecord } from '../../src/sealing/seal.ts';
import { takeExpiryNotices, upsertConsents, type UpsertConsents } from '../../src/store/consent-store.ts';
import { consent, everyOrderOfThree, orderAt } from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(async () => {
  for (const table of ['consents', 'entities'] as const) await opened.database.db.deleteFrom(table).execute();
});

const put = (consents: readonly CanonicalConsent[], facts: Partial<UpsertConsents> = {}) =>
  opened.database.transaction((inside) =>
    upsertConsents(opened.database, inside, {
      entityId: 'e',
      customerId: 'c',
      consents,
      order: orderAt('2026-05-10T12:00:00Z'),
      source: 'item',
      keyRing: null,
      ...facts,
    }),
  );

const rows = () =>
  opened.database.db
    .selectFrom('consents')
    .select(['consent_id', 'entity_id', 'customer_id', 'status', 'expires_at', 'permissions', 'raw'])
    .orderBy('consent_id')
    .execute();

describe('a consent', () => {
  it('read twice is as read once', async () => {
    expect(await put([consent('x'), consent('y')])).toEqual({
      inserted: 2,
      changed: 0,
      unchanged: 0,
      refused: 0,
    });
    expect(await put([consent('x'), consent('y', { status: 'REVOKED' })])).toMatchObject({ unchanged: 2 });
    const later = { order: orderAt('2026-05-11T12:00:00Z') };
    expect(await put([consent('x'), consent('y', { status: 'REVOKED' })], later)).toEqual({
      inserted: 0,
      changed: 1,
      unchanged: 1,
      refused: 0,
    });
  });

  it('is the same row in whatever order its items and events come, and null takes nothing away', async () => {
    const reports: Record<0 | 1 | 2, readonly [CanonicalConsent, Partial<UpsertConsents>]> = [
      [
        consent('x', { status: 'AWAITING', customerId: 'of the item' }),
        { order: orderAt('2026-05-09T12:00:00Z') },
      ],
      [
        consent('x', {
          status: 'ACTIVE',
          expiresAt: instant('2027-06-01T00:00:00Z'),
          permissions: ['accounts'],
        }),
        { order: orderAt('2026-05-10T12:00:00Z') },
      ],
      [
        consent('x', {
          status: 'REVOKED',
          expiresAt: null,
          permissions: null,
          createdAtBank: null,
          raw: 'event',
        }),
        { order: { ns: instant('2026-05-11T12:00:00Z').ns, key: 'event' }, source: 'event', entityId: null },
      ],
    ];
    const ends: unknown[] = [];
    for (const order of everyOrderOfThree) {
      await opened.database.db.deleteFrom('consents').execute();
      for (const [item, facts] of order.map((place) => reports[place])) await put([item], facts);
      ends.push(await rows());
    }
    expect(ends[0]).toMatchObject([
      {
        consent_id: 'x',
        entity_id: 'e',
        customer_id: 'c',
        status: 'REVOKED',
        expires_at: new Date('2027-06-01T00:00:00Z'),
        permissions: ['accounts'],
      },
    ]);
    for (const end of ends) expect(end).toEqual(ends[0]);
  });

  it('that cannot be stored does not hold up its neighbours', async () => {
    expect(await put([consent('x'), consent('y', { consentType: '\u0000' })])).toMatchObject({
      inserted: 1,
      refused: 1,
    });
  });

  it('keeps its own text sealed, and it opens for no other consent', async () => {
    const keyRing = readKeyRing({ keysBase64: [randomBytes(32).toString('base64')], sealing: 'on' });
    await put([consent('x')], { keyRing });
    const [row] = await rows();
    const raw = row?.raw ?? new Uint8Array();
    expect(Buffer.from(open(keyRing, rawRecord('consents', ['x']), raw)).toString()).toBe('{"id":"x"}');
    expect(() => open(keyRing, rawRecord('consents', ['y']), raw)).toThrow(/./);
  });
});

const inDays = (days: number) =>
  instant(new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z'));
const take = (limit = 10) =>
  opened.database.transaction((inside) => takeExpiryNotices(opened.database, inside, { limit }));
const taken = async () => (await take()).map(({ consentId, days }) => [consentId, days]);
/** As if so much time had passed: the told end moves with the end. */
const pass = (days: number) =>
  sql`
    update ${opened.database.table('consents')}
    set expires_at = expires_at - make_interval(days => ${days}),
      expiry_told_for = expiry_told_for - make_interval(days => ${days})
  `.execute(opened.database.db);

describe('the notices before a consent ends', () => {
  it('come 30, 7 and 1 days ahead, each once', async () => {
    await put([consent('x', { expiresAt: inDays(31.5) })]);
    expect(await taken()).toEqual([]);
    const told: unknown[] = [];
    for (const days of [2, 1, 22, 1, 5, 0, 1]) {
      await pass(days);
      told.push(...(await taken()), ...(await taken()));
    }
    expect(told).toEqual([
      ['x', 30],
      ['x', 7],
      ['x', 1],
    ]);
  });

  it('that were missed are told as one, the most urgent', async () => {
    await put([consent('x', { expiresAt: inDays(6) })]);
    expect(await taken()).toEqual([['x', 7]]);
    expect(await taken()).toEqual([]);
  });

  it('come anew for a consent that was prolonged, and not for one that is only read again', async () => {
    await put([consent('x', { expiresAt: inDays(20) })]);
    expect(await taken()).toEqual([['x', 30]]);
    await put([consent('x', { expiresAt: inDays(25) })], { order: orderAt('2026-05-12T12:00:00Z') });
    expect(await taken()).toEqual([['x', 30]]);
    const { expires_at: end } = (await rows())[0] ?? {};
    const same = instant(end?.toISOString() ?? '');
    await put([consent('x', { expiresAt: same })], { order: orderAt('2026-05-13T12:00:00Z') });
    expect(await taken()).toEqual([]);
  });

  it('name entity and customer, and never come for a consent that has ended, was revoked or whose entity has ended', async () => {
    const expiresAt = inDays(3);
    await opened.database.db
      .insertInto('entities')
      .values([
        { entity_id: 'e', customer_id: 'of the entity', state: 'active', ...noFacts },
        { entity_id: 'gone', customer_id: 'c', state: 'ended', ...noFacts },
      ])
      .execute();
    await put(
      [
        consent('good', { expiresAt }),
        consent('expired', { expiresAt: inDays(-1) }),
        consent('revoked', { expiresAt, status: 'REVOKED' }),
        consent('endless', { expiresAt: null }),
        consent('ended', { expiresAt, entityId: 'gone' }),
      ],
      { customerId: null },
    );
    expect(await take()).toEqual([
      {
        consentId: 'good',
        entityId: 'e',
        customerId: 'of the entity',
        expiresAt: new Date(expiresAt.at),
        days: 7,
      },
    ]);
  });

  it('are told by one of several workers, a bounded number at a time, the most urgent first', async () => {
    await put(['x', 'y', 'z'].map((name, place) => consent(name, { expiresAt: inDays(3 + place) })));
    const first = await take(1);
    expect(first).toMatchObject([{ consentId: 'x' }]);
    const together = await Promise.all([take(), take()]);
    expect(
      together
        .flat()
        .map(({ consentId }) => consentId)
        .toSorted(),
    ).toEqual(['y', 'z']);
  });
});

const noFacts = {
  app_user_id: null,
  bank_identifier: null,
  bank_name: null,
  permissions: null,
  state_reason: null,
  reconnect_id: null,
};
