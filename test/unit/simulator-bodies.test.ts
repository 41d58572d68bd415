import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { numberLiteral } from '../simulator/json-text.ts';
import { refreshReply, transactionsReply } from '../simulator/reply-bodies.ts';
import { refreshUpdated, resultsReady, terminalStatus } from '../simulator/webhook-bodies.ts';

const { entities } = generateCustomers({ seed: 'bodies', entities: 2, accounts: 3, transactions: 250 });
const facts = {
  resultsId: 'results',
  timestamp: '2026-05-13T19:42:30.487549603Z',
  refreshedAt: 'u',
  page: 0,
  size: 100,
};
const envelope = { eventId: 'event', timestamp: '2026-05-13T19:42:30.487549Z' };

describe('numbers', () => {
  it('are spelled exactly as generated, up to 18 digits', () => {
    const account = { ...firstAccount(entityAt(0)) };
    const spellings = ['123456789012345678', '1234567890123456.78', '10.0', '0', '0.001', '1934'];
    const transactions = account.account.transactions
      .slice(0, spellings.length)
      .map((transaction, position) => Object.assign({}, transaction, { amount: spellings[position] ?? '0' }));
    const text = transactionsReply(account, { ...facts, transactions });
    for (const spelling of spellings) expect(text).toContain(`"amount":${spelling}}`);
  });

  it('are never written from text that is no number', () => {
    for (const text of ['', '01', '1.', '.5', '1e', '--1', 'NaN', '1 ']) {
      expect(() => numberLiteral(text)).toThrow('not a JSON number');
    }
  });
});

describe('pages', () => {
  const pageSchema = z.object({
    data: z.object({
      transactions: z.array(z.object({ transaction_id: z.string() })),
      page: z.object({ number: z.int(), size: z.int(), total_elements: z.int(), total_pages: z.int() }),
    }),
  });

  it('cover every transaction once and tell the totals on each', () => {
    const account = firstAccount(entityAt(0));
    const seen: string[] = [];
    for (const page of [0, 1, 2]) {
      const { data } = pageSchema.parse(JSON.parse(transactionsReply(account, { ...facts, page })));
      expect(data.page).toEqual({ number: page, size: 100, total_elements: 250, total_pages: 3 });
      seen.push(...data.transactions.map((transaction) => transaction.transaction_id));
    }
    expect(seen).toEqual(account.account.transactions.map(({ transactionId }) => transactionId));
  });

  it('of an empty list are none', () => {
    const account = firstAccount(entityAt(0));
    const { data } = pageSchema.parse(JSON.parse(transactionsReply(account, { ...facts, transactions: [] })));
    expect(data.page).toMatchObject({ total_elements: 0, total_pages: 0 });
  });
});

it('says a refresh is over in the word of its region', () => {
  expect(entities.map(terminalStatus)).toEqual(['OK', 'FINISHED']);
  const { refreshes } = entityAt(1);
  expect(refreshReply(entityAt(1), refreshes[0] ?? never())).toContain('"transactionAvailability"');
  expect(JSON.parse(resultsReady({ ...envelope, resultsId: 'r' }).body)).toMatchObject({
    payload: { id: 'r' },
  });
});

it('tells of a refresh that failed in part in the same words by webhook and by endpoint', () => {
  const entity = entityAt(1);
  const refresh = { ...(entity.refreshes[0] ?? never()), dataStatus: { transactions: 'FAILED' } };
  const changed = { ...entity, refreshes: [refresh] };
  const told = { ...envelope, refreshId: refresh.refreshId, status: 'FINISHED' };
  for (const text of [refreshReply(changed, refresh), refreshUpdated(changed, told).body]) {
    expect(text).toContain('"transactions":"FAILED"');
    expect(text).toContain('"balance":"OK"');
  }
  expect(refreshUpdated(changed, { ...told, status: 'PENDING' }).body).not.toContain('FAILED');
});

function entityAt(position: number): SimulatedEntity {
  return entities[position] ?? never();
}

function firstAccount(entity: SimulatedEntity): { entity: SimulatedEntity; account: SimulatedAccount } {
  return { entity, account: entity.accounts[0] ?? never() };
}

function never(): never {
  throw new Error('the generator made too little');
}
