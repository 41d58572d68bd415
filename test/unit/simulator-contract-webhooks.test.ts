// Webhooks and v1 replies of the simulator, against the bodies Lean is documented to send; and the comparison itself.
import { describe, expect, it } from 'vitest';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { documentedWords, notCompared } from '../simulator/documented-words.ts';
import * as v1 from '../simulator/reply-v1.ts';
import { compareShapes } from '../simulator/shape-check.ts';
import * as webhooks from '../simulator/webhook-bodies.ts';

const { entities } = generateCustomers({ seed: 'bodies', entities: 2, accounts: 4, transactions: 250 });
const uae = entityAt(0);
const ksa = entityAt(1);
const ids = { resultsId: 'r', timestamp: '2026-05-13T19:42:30.487549603Z' };
const envelope = { eventId: 'event', timestamp: '2026-05-13T19:42:30.487549Z' };

const none = { strangers: [], missing: [], types: [], words: [] };

type Case = [name: string, ours: string, ...examples: string[]];

const v1Bodies: Case[] = [
  ['v1 accounts', v1.v1AccountsReply(uae, ids), 'v1-response-accounts-partial', 'v1-response-pending'],
  ['v1 identity', v1.v1IdentityReply(uae, ids), 'v1-response-identity-partial', 'v1-response-pending'],
  ['v1 entity', v1.v1EntityReply(uae), 'v1-response-entity'],
  ['v1 pending', v1.v1EmptyReply({ status: 'PENDING', message: 'm', ...ids }), 'v1-response-pending'],
  [
    'v1 reconnect required',
    v1.v1ReconnectReply({ reconnectId: 'r', ...ids }),
    'v1-response-reconnect-required',
  ],
];

const webhookBodies: Case[] = [
  ['entity.created of the UAE', webhooks.entityCreated(uae, envelope).body, 'v2-uae-webhook-entity.created'],
  [
    'entity.created of Saudi Arabia',
    webhooks.entityCreated(ksa, envelope).body,
    'v2-ksa-webhook-entity.created',
  ],
  [
    'entity.created of v1',
    webhooks.v1EntityCreated(uae, { ...envelope, endUserId: 'e' }).body,
    'v1-webhook-entity.created-business',
  ],
  [
    'entity.updated',
    webhooks.entityUpdated(ksa, envelope).body,
    'v2-ksa-webhook-entity.updated-after-expired-consent-partial',
    'v2-ksa-webhook-entity.created',
  ],
  [
    'entity.reconnected',
    webhooks.entityReconnected(uae, { ...envelope, reconnectId: 'r' }).body,
    'v2-uae-webhook-entity.reconnected',
  ],
  [
    'refresh of the UAE',
    webhooks.refreshUpdated(uae, { ...envelope, refreshId: 'r', status: 'OK' }).body,
    'v2-uae-webhook-entity.data.refresh.updated',
  ],
  [
    'refresh of Saudi Arabia',
    webhooks.refreshUpdated(ksa, {
      ...envelope,
      refreshId: 'r',
      status: 'FINISHED',
      kinds: { balance: 'FAILED' },
    }).body,
    'v2-ksa-webhook-entity.data.refresh.updated',
  ],
  [
    'results.ready',
    webhooks.resultsReady({ ...envelope, resultsId: 'r' }).body,
    'v1-webhook-results.ready',
    'v2-uae-webhook-entity.reconnected',
  ],
  [
    'bank out',
    webhooks.bankAvailability({ ...envelope, identifier: 'b', data: false }).body,
    'v2-ksa-webhook-bank.availability.updated-disabled',
  ],
  [
    'bank back',
    webhooks.bankAvailability({ ...envelope, identifier: 'b', data: true }).body,
    'v2-ksa-webhook-bank.availability.updated-enabled',
  ],
  [
    'payment.created',
    webhooks.paymentCreated(uae, {
      ...envelope,
      paymentId: 'p',
      intentId: 'i',
      destinationId: 'd',
      amount: '25',
      status: 'ACCEPTED_BY_BANK',
    }).body,
    'v2-uae-webhook-payment.created',
  ],
];

describe('a body of the simulator has the keys, types and words of the documented ones', () => {
  it.each(v1Bodies)('%s', (_name, ours, ...fixtures) => {
    expect(differences(ours, ...fixtures)).toEqual(none);
  });
  it.each(webhookBodies)('%s', (_name, ours, ...fixtures) => {
    expect(differences(ours, ...fixtures)).toEqual(none);
  });
});

describe('what only a schema tells of v1', () => {
  it.each([
    [
      v1.v1BalanceReply(firstAccount(uae).account, ids),
      /"balance":-?\d/,
      'account_id account_name account_type balance currency_code type',
    ],
    [
      v1.v1TransactionsReply(firstAccount(uae).account, { ...ids, insights: true }),
      /"amount":-\d/,
      'transactions type',
    ],
  ])('has its keys and a signed number', (body, number, keys) => {
    const parsed: unknown = JSON.parse(body);
    expect(parsed).toMatchObject({ status: 'OK', results_id: 'r' });
    expect(body).toMatch(number);
    const payload =
      typeof parsed === 'object' && parsed !== null && 'payload' in parsed ? parsed.payload : null;
    expect(
      Object.keys(payload ?? {})
        .toSorted()
        .join(' '),
    ).toBe(keys);
  });
});

describe('the comparison itself', () => {
  const examples = ['{"status":"OK","at":"2026-05-13","amount":1,"list":[{"a":null}]}'];
  const check = (ours: string) => compareShapes(ours, { examples, words: { status: ['OK', 'PENDING'] } });

  it('notes a key nobody knows, a key that is missing, another type, another form of date, another word', () => {
    expect(check('{"status":"OK","at":"2026-05-13","amount":1,"list":[{"a":"b"}],"more":1}')).toEqual({
      strangers: ['more'],
      missing: [],
      types: [],
      words: [],
    });
    expect(check('{"status":"DONE","at":"2026-05-13T00:00:00Z","amount":"1"}')).toEqual({
      strangers: [],
      missing: ['list'],
      types: ['at: date-time, not date', 'amount: string, not number'],
      words: ['status: DONE'],
    });
  });

  it('takes null for anything and an empty list for any list', () => {
    expect(check('{"status":"PENDING","at":null,"amount":null,"list":[]}')).toEqual(none);
  });
});

function differences(ours: string, ...fixtures: string[]) {
  const examples = fixtures.map((fixture) => readLeanFixture(fixture).bodyText);
  return compareShapes(ours, { examples, words: documentedWords, except: notCompared });
}

function firstAccount(entity: SimulatedEntity): { entity: SimulatedEntity; account: SimulatedAccount } {
  return { entity, account: entity.accounts[0] ?? never() };
}

function entityAt(position: number): SimulatedEntity {
  return entities[position] ?? never();
}

function never(): never {
  throw new Error('the generator made too little');
}
