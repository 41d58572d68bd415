import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generateCustomers, refreshEntity } from '../simulator/customers.ts';
import { comparedTables, comparedTablesSql, expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';

const customers = generateCustomers({ seed: 'run', entities: 50, accounts: 2, transactions: 10 });
const options = { customers, count: 2000, duplicateRate: 0.3, seed: 'run' };
const bodySchema = z.object({
  type: z.string(),
  event_id: z.string(),
  payload: z.object({ entity_id: z.string().optional(), status: z.string().optional() }).loose(),
});

describe('planDeliveries', () => {
  const deliveries = planDeliveries(options);
  const counts = new Map<string, number>();
  for (const { eventId } of deliveries) counts.set(eventId, (counts.get(eventId) ?? 0) + 1);

  it('plans as many deliveries and duplicates as asked, none more often than Lean would', () => {
    expect(deliveries).toHaveLength(2000);
    expect(counts.size).toBe(1400);
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(7);
  });

  it('repeats an event byte for byte, and names it as its body does', () => {
    const bodies = new Map<string, string>();
    for (const { eventId, type, body } of deliveries) {
      expect(bodies.get(eventId) ?? body).toBe(body);
      bodies.set(eventId, body);
      expect(bodySchema.parse(JSON.parse(body))).toMatchObject({ type, event_id: eventId });
    }
  });

  it('holds a terminal refresh for every entity, and unknown types and payments between', () => {
    const parsed = deliveries.map(({ body }) => bodySchema.parse(JSON.parse(body)));
    const terminal = parsed.filter(({ payload }) => ['OK', 'FINISHED'].includes(payload.status ?? ''));
    expect(new Set(terminal.map(({ payload }) => payload.entity_id)).size).toBe(50);
    expect(new Set(parsed.map(({ type }) => type))).toEqual(
      new Set([
        'entity.created',
        'entity.updated',
        'entity.data.refresh.updated',
        'payment.created',
        'transaction.account',
        'consent.authorised',
        'something.new',
      ]),
    );
  });

  it('lets a finished refresh come before its entity was created, for some', () => {
    const early = customers.entities.filter(({ entityId }) => {
      const own = deliveries.filter(({ body }) => body.includes(entityId));
      const created = own.findIndex(({ type }) => type === 'entity.created');
      const finished = own.findIndex(({ body }) => /"status":"(OK|FINISHED)"/.test(body));
      return finished < created;
    });
    expect(early.length).toBeGreaterThan(0);
    expect(early.length).toBeLessThan(50);
  });

  it('gives the same bytes in the same order for the same seed, and another order for another', () => {
    expect(planDeliveries(options)).toEqual(deliveries);
    expect(planDeliveries({ ...options, seed: 'other' })).not.toEqual(deliveries);
  });

  it('refuses a count that cannot hold what every entity needs', () => {
    expect(() => planDeliveries({ ...options, count: 150 })).toThrow('too few');
    expect(() => planDeliveries({ ...options, duplicateRate: 0.9 })).toThrow('too few');
  });
});

describe('expectedTables', () => {
  const { entities } = customers;

  it('holds a row for everything the simulator holds', () => {
    const tables = expectedTables(customers);
    expect(tables.entities).toHaveLength(50);
    expect(tables.accounts).toHaveLength(100);
    expect(tables.balances).toHaveLength(100 * (entities[0]?.accounts[0]?.balances.length ?? 0));
    expect(tables.transactions).toHaveLength(1000);
  });

  it('follows a refresh', () => {
    const changed = generateCustomers({ seed: 'run', entities: 1, accounts: 1, transactions: 10 });
    const before = expectedTables(changed);
    for (const entity of changed.entities) refreshEntity(entity, { at: '2026-05-14T08:00:00.000Z' });
    const after = expectedTables(changed);
    expect(after.transactions).toHaveLength(before.transactions.length + 3);
    expect(after.balances).not.toEqual(before.balances);
  });

  it('tells money without trailing zeros and an unknown sign as null', () => {
    const rows = expectedTables(customers).transactions;
    expect(rows.every(({ amount }) => /^\d+(\.\d*[1-9])?$/.test(amount ?? ''))).toBe(true);
    expect(new Set(rows.map((row) => row['credit_debit_indicator']))).toEqual(
      new Set(['CREDIT', 'DEBIT', null]),
    );
  });

  it.each(comparedTables)('reads the very columns of %s by its query', (table) => {
    const [row = {}] = expectedTables(customers)[table];
    const sql = comparedTablesSql('lean')[table];
    for (const column of Object.keys(row)) expect(sql).toMatch(new RegExp(`\\b${column}\\b`));
  });
});
