// What the simulator has beside accounts and transactions: people, orders, consents, and the rows they must end as.
import { describe, expect, it } from 'vitest';
import {
  consentsOf,
  expireConsent,
  isConsented,
  renewConsent,
  revokeConsent,
} from '../simulator/consents.ts';
import { generateCustomers, refreshEntity, type SimulatedEntity } from '../simulator/customers.ts';
import {
  expectedFurtherTables,
  furtherTables,
  furtherTablesSql,
} from '../simulator/expected-further-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { createRandom } from '../simulator/random.ts';
import { isLost } from '../simulator/webhook-sender.ts';

const at = '2026-05-14T08:00:00.000Z';

function saudi(seed = 'further'): SimulatedEntity {
  const [entity] = generateCustomers({ seed, entities: 1, region: 'sa' }).entities;
  if (!entity) throw new Error('no entity');
  return entity;
}

function refreshed(dataStatus?: { standing_orders: string; transactions: string; balance: string }) {
  const entity = saudi();
  const before = structuredClone(entity);
  refreshEntity(entity, { at, ...(dataStatus ? { dataStatus } : {}) });
  return { before, entity };
}

describe('people and orders', () => {
  it('are of Saudi accounts, some without an id; a UAE entity has only who gave the consent', () => {
    const tables = expectedFurtherTables(generateCustomers({ seed: 'further', entities: 4, accounts: 2 }));
    expect(tables.identities).toHaveLength(4 + 2 * 2 * 2);
    for (const [table, key, count] of [
      ['beneficiaries', 'beneficiary_id', 4],
      ['direct_debits', 'direct_debit_id', 3],
      ['standing_orders', 'standing_order_id', 3],
      ['scheduled_payments', 'scheduled_payment_id', 3],
    ] as const) {
      expect(tables[table]).toHaveLength(4 * count);
      expect(tables[table].filter((row) => row[key] === null)).toHaveLength(4);
    }
  });

  it('never give one account two rows of one key', () => {
    const customers = generateCustomers({ seed: 'keys', entities: 10, region: 'sa' });
    for (const entity of customers.entities) {
      for (let day = 14; day < 20; day += 1) refreshEntity(entity, { at: `2026-05-${day}T08:00:00.000Z` });
    }
    const tables = expectedFurtherTables(customers);
    for (const [table, key] of [
      ['identities', 'party_key'],
      ['beneficiaries', 'beneficiary_id'],
      ['direct_debits', 'direct_debit_id'],
      ['standing_orders', 'standing_order_id'],
      ['scheduled_payments', 'scheduled_payment_id'],
    ] as const) {
      const keys = tables[table].map((row) => `${row['account_id']}/${row['entity_id']}/${row[key]}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it('change with a refresh, but for the kinds that failed', () => {
    const read = refreshed();
    expect(read.entity.accounts[0]?.orders.standingOrders).not.toEqual(
      read.before.accounts[0]?.orders.standingOrders,
    );
    const failed = refreshed({ standing_orders: 'FAILED', transactions: 'FAILED', balance: 'FAILED' });
    const [account] = failed.entity.accounts;
    const [accountBefore] = failed.before.accounts;
    expect(account?.orders.standingOrders).toEqual(accountBefore?.orders.standingOrders);
    expect(account?.transactions).toEqual(accountBefore?.transactions);
    expect(account?.orders.scheduledPayments).not.toEqual(accountBefore?.orders.scheduledPayments);
    expect(failed.entity.keptFrom).toEqual({
      balance: failed.before.refreshedAt,
      transactions: failed.before.refreshedAt,
      standing_orders: failed.before.refreshedAt,
    });
  });
});

describe('consents', () => {
  it('expire with the permissions as they were, are revoked with none, and are renewed beside the old one', () => {
    const entity = saudi();
    const granted = [...entity.permissions];
    expect(isConsented(entity)).toBe(true);
    expireConsent(entity, { at });
    expect(consentsOf(entity)).toMatchObject([{ status: 'REVOKED', expiresAt: at, permissions: granted }]);
    expect([isConsented(entity), entity.permissions]).toEqual([false, granted]);
    renewConsent(entity, { at, random: createRandom('one') });
    expect(consentsOf(entity).map(({ status }) => status)).toEqual(['ACTIVE', 'REVOKED']);
    revokeConsent(entity, { at });
    expect([isConsented(entity), entity.permissions]).toEqual([false, []]);
    renewConsent(entity, { at, random: createRandom('two'), permissions: ['accounts'] });
    expect([isConsented(entity), entity.permissions]).toEqual([true, ['accounts']]);
    expect(new Set(consentsOf(entity).map(({ consentId }) => consentId)).size).toBe(3);
  });
});

describe('expectedFurtherTables', () => {
  it.each(furtherTables)('reads the very columns of %s by its query', (table) => {
    const [row = {}] = expectedFurtherTables(generateCustomers({ seed: 'c', entities: 2 }))[table];
    expect(Object.keys(row).length).toBeGreaterThan(8);
    for (const column of Object.keys(row)) {
      expect(furtherTablesSql('lean')[table]).toMatch(new RegExp(`\\b${column}\\b`));
    }
  });
});

describe('a sender that loses', () => {
  const loss = { seed: 'lost', rate: 0.2, types: { 'entity.created': 1, 'bank.availability.updated': 0 } };
  const lostOf = (type: string) =>
    Array.from({ length: 1000 }, (_, n) => isLost({ eventId: `event-${n}`, type }, loss)).filter(Boolean)
      .length;

  it('loses about its share, all of one type, none of another, and always the same', () => {
    expect(lostOf('payment.created')).toBeGreaterThan(150);
    expect(lostOf('payment.created')).toBeLessThan(250);
    expect(lostOf('payment.created')).toBe(lostOf('entity.updated'));
    expect(lostOf('entity.created')).toBe(1000);
    expect(lostOf('bank.availability.updated')).toBe(0);
  });
});

it('plans v1 without refreshes: one entity.created for every entity, and payments between', () => {
  const customers = generateCustomers({ seed: 'v1', entities: 10, region: 'ae', transactions: 5 });
  const plan = planDeliveries({ customers, count: 60, duplicateRate: 0, seed: 'v1', dialect: 'v1' });
  expect(plan.filter(({ type }) => type === 'entity.created')).toHaveLength(10);
  expect(plan.some(({ type }) => /refresh|updated/.test(type))).toBe(false);
});
