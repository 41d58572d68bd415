import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { numberLiteral } from '../simulator/json-text.ts';
import {
  accountsReply,
  balancesReply,
  emptyReply,
  entitiesByDateReply,
  entityReply,
  errorReply,
  refreshReply,
  refreshTriggeredReply,
  refreshesReply,
  transactionsReply,
} from '../simulator/reply-bodies.ts';
import {
  bankAvailability,
  entityCreated,
  entityReconnected,
  paymentCreated,
  refreshUpdated,
  resultsReady,
  terminalStatus,
} from '../simulator/webhook-bodies.ts';

const { entities } = generateCustomers({ seed: 'bodies', entities: 2, accounts: 3, transactions: 250 });
const facts = {
  resultsId: 'results',
  timestamp: '2026-05-13T19:42:30.487549603Z',
  refreshedAt: 'u',
  page: 0,
  size: 100,
};
const envelope = { eventId: 'event', timestamp: '2026-05-13T19:42:30.487549Z' };
const ids = { resultsId: 'r', timestamp: 't' };

describe('replies and webhooks have the keys of the captures', () => {
  const uae = entityAt(0);
  const ksa = entityAt(1);
  const pairs: [fixture: string, text: string][] = [
    ['v2-uae-response-accounts', accountsReply(uae, facts)],
    ['v2-ksa-response-accounts', accountsReply(ksa, facts)],
    ['v2-uae-response-balances', balancesReply(firstAccount(uae), facts)],
    ['v2-ksa-response-balances', balancesReply(firstAccount(ksa), facts)],
    ['v2-uae-response-transactions', transactionsReply(firstAccount(uae), facts)],
    ['v2-ksa-response-transactions', transactionsReply(firstAccount(ksa), facts)],
    ['v2-uae-response-entity', entityReply(uae)],
    ['v2-ksa-response-entities-by-date', entitiesByDateReply([ksa], { page: 0, size: 25 })],
    ['v2-ksa-response-refresh-list', refreshesReply(ksa, { page: 0, size: 50 })],
    ['v2-ksa-response-refresh-triggered', refreshTriggeredReply({ refreshId: 'r', timestamp: 't' })],
    ['v2-error-404-unknown-entity', errorReply({ status: 'UNKNOWN_ENTITY', message: 'm', ...ids })],
    [
      'v2-error-429-duplicated-request',
      errorReply({ status: 'DUPLICATED_REQUEST', message: 'm', timestamp: 't' }),
    ],
    ['v2-response-pending-202', emptyReply({ status: 'PENDING', message: 'm', ...ids })],
    [
      'v2-response-failed-bank-issue-200',
      emptyReply({ status: 'FAILED', message: 'm', granularStatusCode: 'BANK_ISSUE', ...ids }),
    ],
    ['v2-uae-webhook-entity.created', entityCreated(uae, envelope).body],
    ['v2-ksa-webhook-entity.created', entityCreated(ksa, envelope).body],
    ['v2-uae-webhook-entity.reconnected', entityReconnected(uae, { ...envelope, reconnectId: 'r' }).body],
    [
      'v2-uae-webhook-entity.data.refresh.updated',
      refreshUpdated(uae, { ...envelope, refreshId: 'r', status: 'OK' }).body,
    ],
    [
      'v2-ksa-webhook-entity.data.refresh.updated',
      refreshUpdated(ksa, { ...envelope, refreshId: 'r', status: 'FINISHED' }).body,
    ],
    [
      'v2-ksa-webhook-bank.availability.updated-disabled',
      bankAvailability({ ...envelope, identifier: 'b', data: false }).body,
    ],
    [
      'v2-uae-webhook-payment.created',
      paymentCreated(uae, {
        ...envelope,
        paymentId: 'p',
        intentId: 'i',
        destinationId: 'd',
        amount: '25',
        status: 'ACCEPTED_BY_BANK',
      }).body,
    ],
  ];
  it.each(pairs)('%s', (fixture, text) => {
    const captured = keyPaths(JSON.parse(readLeanFixture(fixture).bodyText));
    const ours = keyPaths(JSON.parse(text));
    const strangers = [...ours].filter((path) => !captured.has(path) && !isOptional(path));
    expect(strangers, 'keys no capture has').toEqual([]);
    const missing = [...captured].filter(
      (path) => parentIsThere(path, ours) && !ours.has(path) && !isOptional(path),
    );
    expect(missing, 'keys the capture has').toEqual([]);
  });
});

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

function entityAt(position: number): SimulatedEntity {
  return entities[position] ?? never();
}

function firstAccount(entity: SimulatedEntity): { entity: SimulatedEntity; account: SimulatedAccount } {
  return { entity, account: entity.accounts[0] ?? never() };
}

function never(): never {
  throw new Error('the generator made too little');
}

/** `data.accounts[].iban` and so on, of everything in a body. */
function keyPaths(value: unknown, prefix = ''): Set<string> {
  const paths = new Set([prefix]);
  if (typeof value !== 'object' || value === null) return paths;
  for (const [key, item] of Object.entries(value)) {
    const place = Array.isArray(value) ? `${prefix}[]` : `${prefix}.${key}`;
    for (const path of keyPaths(item, place)) paths.add(path);
  }
  return paths;
}

/** A key below something we leave null or empty need not be there. */
function parentIsThere(path: string, ours: Set<string>): boolean {
  const parent = path.replace(/(\.[^.[]+|\[\])$/, '');
  return [...ours].some((one) => one.startsWith(`${parent}.`) || one.startsWith(`${parent}[].`));
}

/** Free-form, or null in this capture and filled in others. */
function isOptional(path: string): boolean {
  return /insights|postal_address|metadata|card_instrument|currency_exchange|(creditor|debtor)_(account|agent)|status_reference|statement_reference|maturity|secondary|\[\]$/.test(
    path,
  );
}
