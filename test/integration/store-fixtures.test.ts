// Every documented list of people, orders, consents and banks: read, normalized and stored without losing an item.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { normalizeBanks } from '../../src/lean/normalize-bank.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeConsents } from '../../src/lean/normalize-consent.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../../src/lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import { readList } from '../../src/lean/read-list.ts';
import { wireBankSchema } from '../../src/lean/wire-bank.ts';
import { wireConsentSchema } from '../../src/lean/wire-consent.ts';
import { wireIdentitySchema } from '../../src/lean/wire-identity.ts';
import {
  wireBeneficiarySchema,
  wireDirectDebitSchema,
  wireScheduledPaymentSchema,
  wireStandingOrderSchema,
} from '../../src/lean/wire-orders.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertBeneficiaries } from '../../src/store/beneficiary-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { Database, TablesTransaction } from '../../src/store/database.ts';
import { upsertDirectDebits } from '../../src/store/direct-debit-store.ts';
import { upsertIdentities } from '../../src/store/identity-store.ts';
import { upsertScheduledPayments } from '../../src/store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../../src/store/standing-order-store.ts';
import type { StoredCounts } from '../../src/store/stored-counts.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { orderAt } from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let test: TestDatabase;
let database: Database;
beforeAll(async () => {
  test = await openTestDatabase();
  ({ database } = test);
});
afterAll(() => test.drop());

/** All items of a fixture's list; throws where it has none. */
function itemsOf<Schema extends Parameters<typeof readList>[0]['schema']>(
  name: string,
  { path, schema }: { readonly path: readonly string[]; readonly schema: Schema },
) {
  const { bodyText } = readLeanFixture(name);
  const list = readList({ bodyText, body: parseLossless(bodyText), path, schema });
  if (list === null || list.items.length === 0) throw new Error(`${name} has no list there`);
  expect(list.unreadable).toEqual([]);
  return list.items;
}

const inData = (member: string) => ['data', member];
const of = (fixture: string) => ({
  entityId: 'e',
  accountId: fixture,
  customerId: 'c',
  syncId: 's',
  refreshedAt: instant('2026-05-10T12:32:56.96Z'),
  keyRing: null,
});
const report = { order: orderAt('2026-05-10T12:00:00Z'), source: 'item' as const, keyRing: null };

type Store = (inside: TablesTransaction) => Promise<StoredCounts>;
interface Fixture {
  readonly name: string;
  readonly count: number;
  readonly store: Store;
}

const identities = (name: string): Fixture => {
  const path = inData('identities');
  const items = normalizeIdentities(itemsOf(name, { path, schema: wireIdentitySchema }));
  return {
    name,
    count: items.length,
    store: (inside) => upsertIdentities(database, inside, { ...of(name), items }),
  };
};

function everyFixture(): Fixture[] {
  const beneficiaries = normalizeBeneficiaries(
    itemsOf('v2-ksa-response-beneficiaries', {
      path: inData('beneficiaries'),
      schema: wireBeneficiarySchema,
    }),
  );
  const debits = normalizeDirectDebits(
    itemsOf('v2-ksa-response-direct-debits', {
      path: inData('direct_debits'),
      schema: wireDirectDebitSchema,
    }),
  );
  const orders = normalizeStandingOrders(
    itemsOf('v2-ksa-response-standing-orders', {
      path: inData('standing_orders'),
      schema: wireStandingOrderSchema,
    }),
  );
  const payments = normalizeScheduledPayments(
    itemsOf('v2-ksa-response-scheduled-payments', {
      path: inData('scheduled_payments'),
      schema: wireScheduledPaymentSchema,
    }),
  );
  const consents = normalizeConsents(
    itemsOf('v2-uae-response-entity', { path: ['consents'], schema: wireConsentSchema }),
  );
  const banks = normalizeBanks(itemsOf('v2-uae-response-banks', { path: [], schema: wireBankSchema }));
  const list = of('a');
  const about = { ...report, entityId: 'e', customerId: 'c', consents };
  const stores: readonly (readonly [name: string, count: number, store: Store])[] = [
    [
      'beneficiaries',
      beneficiaries.length,
      (to) => upsertBeneficiaries(database, to, { ...list, items: beneficiaries }),
    ],
    ['direct debits', debits.length, (to) => upsertDirectDebits(database, to, { ...list, items: debits })],
    [
      'standing orders',
      orders.length,
      (to) => upsertStandingOrders(database, to, { ...list, items: orders }),
    ],
    [
      'scheduled payments',
      payments.length,
      (to) => upsertScheduledPayments(database, to, { ...list, items: payments }),
    ],
    ['consents', consents.length, (to) => upsertConsents(database, to, about)],
    ['banks', banks.length, (to) => upsertBanks(database, to, { ...report, banks })],
  ];
  return [
    identities('v2-ksa-response-identity'),
    identities('v2-ksa-response-account-identities'),
    ...stores.map(([name, count, store]) => ({ name, count, store })),
  ];
}

it('every item of every documented list is a row of its own, and storing it again changes nothing', async () => {
  for (const { name, count, store } of everyFixture()) {
    const first = await database.transaction(store);
    expect([name, first]).toEqual([name, { inserted: count, changed: 0, unchanged: 0, refused: 0 }]);
    const second = await database.transaction(store);
    expect([name, second]).toEqual([name, { inserted: 0, changed: 0, unchanged: count, refused: 0 }]);
  }
});
