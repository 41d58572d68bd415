import { describe, expect, it } from 'vitest';
import { generateCustomers, refreshEntity } from '../simulator/customers.ts';
import { accountsReply, balancesReply, transactionsReply } from '../simulator/reply-bodies.ts';
import { createRandom } from '../simulator/random.ts';

const facts = { resultsId: 'r', timestamp: 't', refreshedAt: 'u', page: 0, size: 100 };

/** Every reply of every account, first page, as one text. */
function allText(customers: ReturnType<typeof generateCustomers>): string {
  return customers.entities
    .flatMap((entity) => [
      accountsReply(entity, facts),
      ...entity.accounts.flatMap((account) => [
        balancesReply({ entity, account }, facts),
        transactionsReply({ entity, account }, facts),
      ]),
    ])
    .join('\n');
}

function refreshed() {
  const customers = generateCustomers({ seed: 'a', entities: 1, transactions: 10 });
  for (const entity of customers.entities) refreshEntity(entity, { at: '2026-05-14T08:00:00.000Z' });
  return customers;
}

describe('generateCustomers', () => {
  it('gives the same bytes for the same seed, and others for another', () => {
    const options = { entities: 3, accounts: 2, transactions: 20 };
    const one = allText(generateCustomers({ seed: 'a', ...options }));
    expect(allText(generateCustomers({ seed: 'a', ...options }))).toBe(one);
    expect(allText(generateCustomers({ seed: 'b', ...options }))).not.toBe(one);
  });

  it('gives entity n the same data however many follow', () => {
    const few = generateCustomers({ seed: 'a', entities: 2 });
    const many = generateCustomers({ seed: 'a', entities: 5 });
    expect(many.entities.slice(0, 2)).toEqual(few.entities);
  });

  it('refreshes to the same data when asked the same', () => {
    expect(refreshed()).toEqual(refreshed());
    expect(refreshed().entities[0]?.accounts[0]?.transactions).toHaveLength(13);
  });

  it('serves both regions, with what makes real data hard', () => {
    const { entities } = generateCustomers({ seed: 'hard', entities: 10 });
    expect(new Set(entities.map(({ region }) => region))).toEqual(new Set(['ae', 'sa']));
    const accounts = entities.flatMap((entity) => entity.accounts);
    const transactions = accounts.flatMap((account) => account.transactions);
    const amounts = transactions.map(({ amount }) => amount);
    const text = transactions.map(({ information }) => information ?? '').join('');
    expect(amounts.some((amount) => /^\d{18}$/.test(amount))).toBe(true);
    expect(amounts.some((amount) => /^\d{16}\.\d{2}$/.test(amount))).toBe(true);
    expect(amounts.some((amount) => amount.endsWith('.0'))).toBe(true);
    expect(text).toMatch(/[\u0600-\u06FF]/);
    expect(transactions.some(({ status }) => status === 'PENDING')).toBe(true);
    expect(transactions.some(({ bookingDateTime }) => bookingDateTime === null)).toBe(true);
    expect(transactions.some(({ creditDebitIndicator }) => creditDebitIndicator === 'UNSUPPORTED')).toBe(
      true,
    );
    const places = (accounts[0]?.transactions ?? []).map(({ localDay, index }) => `${localDay}/${index}`);
    expect(new Set(places).size).toBeLessThan(places.length);
  });

  it('gives every account an IBAN whose check digits are right', () => {
    const { entities } = generateCustomers({ seed: 'iban', entities: 6, transactions: 0 });
    for (const { iban } of entities.flatMap((entity) => entity.accounts)) {
      const digits = (iban.slice(4) + iban.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) =>
        String(letter.charCodeAt(0) - 55),
      );
      expect(`${iban} ${BigInt(digits) % 97n}`).toBe(`${iban} 1`);
    }
  });

  it('never gives one account two transactions of one id', () => {
    const { entities } = generateCustomers({ seed: 'ids', entities: 4, transactions: 500 });
    for (const { transactions } of entities.flatMap((entity) => entity.accounts)) {
      expect(new Set(transactions.map(({ transactionId }) => transactionId)).size).toBe(500);
    }
  });
});

describe('createRandom', () => {
  it('keeps to its bounds and shuffles without losing any', () => {
    const random = createRandom('bounds');
    const drawn = Array.from({ length: 500 }, () => random.integer(1, 3));
    expect(new Set(drawn)).toEqual(new Set([1, 2, 3]));
    expect(random.shuffle([1, 2, 3, 4, 5]).toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4, 5]);
    expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
