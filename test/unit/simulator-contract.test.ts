// Every body the simulator makes, against the bodies Lean is documented to send and the words it is documented to use.
import { describe, expect, it } from 'vitest';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { simulatedBanks } from '../simulator/banks.ts';
import { renewConsent } from '../simulator/consents.ts';
import { generateCustomers, type SimulatedAccount, type SimulatedEntity } from '../simulator/customers.ts';
import { documentedWords, notCompared } from '../simulator/documented-words.ts';
import { createEventLog } from '../simulator/event-log.ts';
import { createTokenDesk } from '../simulator/lean-tokens.ts';
import { createRandom } from '../simulator/random.ts';
import * as arrangements from '../simulator/reply-arrangements.ts';
import * as replies from '../simulator/reply-bodies.ts';
import { compareShapes } from '../simulator/shape-check.ts';
import * as webhooks from '../simulator/webhook-bodies.ts';

const { entities } = generateCustomers({ seed: 'bodies', entities: 6, accounts: 4, transactions: 250 });
const uae = entityAt(0);
const ksa = entityAt(1);
renewConsent(ksa, { at: '2026-05-13T19:39:15.424Z', random: createRandom('renewed') });

const ids = { resultsId: 'r', timestamp: '2026-05-13T19:42:30.487549603Z' };
const facts = { ...ids, refreshedAt: '2026-05-13T19:39:18.748Z', page: 0, size: 100 };
const envelope = { eventId: 'event', timestamp: '2026-05-13T19:42:30.487549Z' };
const failed = { status: 'FAILED', message: 'm', granularStatusCode: 'BANK_ISSUE', ...ids };

const none = { strangers: [], missing: [], types: [], words: [] };

type Case = [name: string, ours: string, ...examples: string[]];

const ofEveryKsa = (reply: (owned: { entity: SimulatedEntity; account: SimulatedAccount }) => string) =>
  everyAccount(ksa).map(reply);

const v2Lists: Case[] = [
  [
    'accounts of the UAE',
    replies.accountsReply(uae, facts),
    'v2-uae-response-accounts',
    'v2-ksa-response-accounts',
  ],
  [
    'accounts of Saudi Arabia',
    replies.accountsReply(ksa, facts),
    'v2-ksa-response-accounts',
    'v2-uae-response-accounts',
  ],
  ['balances of the UAE', replies.balancesReply(firstAccount(uae), facts), 'v2-uae-response-balances'],
  ['balances of Saudi Arabia', replies.balancesReply(firstAccount(ksa), facts), 'v2-ksa-response-balances'],
  [
    'transactions of the UAE',
    replies.transactionsReply(firstAccount(uae), facts),
    'v2-uae-response-transactions',
    'v2-ksa-response-transactions',
    'v2-ksa-response-transactions-openapi',
  ],
  [
    'transactions of Saudi Arabia',
    replies.transactionsReply(firstAccount(ksa), facts),
    'v2-ksa-response-transactions',
    'v2-uae-response-transactions',
    'v2-ksa-response-transactions-openapi',
  ],
  [
    'identity of the UAE',
    arrangements.identityReply(uae, facts),
    'v2-uae-response-identity',
    'v2-ksa-response-identity',
  ],
  [
    'identity of Saudi Arabia',
    arrangements.identityReply(ksa, facts),
    'v2-ksa-response-identity',
    'v2-uae-response-identity',
  ],
];

const v2Bodies: Case[] = [
  ['entity', replies.entityReply(uae), 'v2-uae-response-entity'],
  [
    'entity with two consents',
    replies.entityReply(ksa),
    'v2-ksa-response-entity',
    'v2-ksa-response-entities-by-date',
  ],
  [
    'entities of a customer',
    replies.entitiesReply([ksa]),
    'v2-ksa-response-entities-of-customer',
    'v2-uae-response-entities-of-customer',
  ],
  [
    'entities by date',
    replies.entitiesByDateReply([ksa, uae], { page: 0, size: 25 }),
    'v2-ksa-response-entities-by-date',
    'v2-uae-response-entities-by-date',
  ],
  ['customer', replies.customerReply(ksa), 'v2-response-customer'],
  ['refreshes', replies.refreshesReply(ksa, { page: 0, size: 50 }), 'v2-ksa-response-refresh-list'],
  ['refresh', replies.refreshReply(ksa, refreshOf(ksa)), 'v2-ksa-response-refresh-status'],
  [
    'refresh that failed in part',
    replies.refreshReply(ksa, {
      ...refreshOf(ksa),
      dataStatus: { identity: 'FAILED', standing_orders: 'FAILED' },
    }),
    'v2-ksa-response-refresh-status',
  ],
  [
    'refresh triggered',
    replies.refreshTriggeredReply({ refreshId: 'r', timestamp: ids.timestamp }),
    'v2-ksa-response-refresh-triggered',
  ],
  [
    'refresh that wants a reconnect',
    replies.refreshReconnectReply({ reconnectId: 'r', timestamp: ids.timestamp }),
    'v2-response-refresh-reconnect-required-200',
  ],
  ['banks', replies.banksReply(simulatedBanks), 'v2-uae-response-banks'],
  ['events', eventsPage(), 'v2-uae-response-events-page'],
  ['token', tokenReply(), 'v2-response-oauth-token-api'],
  ['pending', replies.emptyReply({ status: 'PENDING', message: 'm', ...ids }), 'v2-response-pending-202'],
  [
    'reconnect required',
    replies.emptyReply({ status: 'RECONNECT_REQUIRED', message: 'm', ...ids }),
    'v2-uae-response-reconnect-required',
    'v2-response-pending-202',
  ],
  ['failed', replies.emptyReply(failed), 'v2-response-failed-bank-issue-200'],
  [
    'failed without data',
    replies.emptyReply({ ...failed, withoutData: true }),
    'v2-response-failed-bank-issue-200-no-data-key',
  ],
];

describe('a body of the simulator has the keys, types and words of the documented ones', () => {
  it.each([...v2Lists, ...v2Bodies])('%s', (_name, ours, ...fixtures) => {
    expect(differences(ours, ...fixtures)).toEqual(none);
  });

  it.each([
    [
      'identities of an account',
      ofEveryKsa((owned) => arrangements.accountIdentitiesReply(owned, facts)),
      'v2-ksa-response-account-identities',
    ],
    [
      'beneficiaries',
      ofEveryKsa((owned) => arrangements.beneficiariesReply(owned, facts)),
      'v2-ksa-response-beneficiaries',
    ],
    [
      'direct debits',
      ofEveryKsa((owned) => arrangements.directDebitsReply(owned, facts)),
      'v2-ksa-response-direct-debits',
    ],
    [
      'standing orders',
      ofEveryKsa((owned) => arrangements.standingOrdersReply(owned, facts)),
      'v2-ksa-response-standing-orders',
    ],
    [
      'scheduled payments',
      ofEveryKsa((owned) => arrangements.scheduledPaymentsReply(owned, facts)),
      'v2-ksa-response-scheduled-payments',
    ],
  ])('%s of every account', (_name, bodies, fixture) => {
    expect(bodies).toHaveLength(4);
    for (const body of bodies) {
      const found = differences(
        body,
        fixture,
        'v2-uae-response-identity',
        'v2-ksa-response-identity-openapi',
      );
      expect(found).toEqual(none);
    }
  });

  it.each([
    ['404 UNKNOWN_ENTITY', true, 'v2-error-404-unknown-entity'],
    ['403 CONSENT_EXPIRED', false, 'v2-error-403-consent-expired'],
    ['429 DUPLICATED_REQUEST', false, 'v2-error-429-duplicated-request'],
    ['500 INTERNAL_SERVER_ERROR', true, 'v2-error-500-internal'],
  ])('error %s', (name, hasResultsId, fixture) => {
    const { resultsId, timestamp } = ids;
    const status = name.slice(4);
    const body = replies.errorReply({
      status,
      message: 'm',
      timestamp,
      ...(hasResultsId ? { resultsId } : {}),
    });
    expect(differences(body, fixture)).toEqual(none);
  });
});

function differences(ours: string, ...fixtures: string[]) {
  const examples = fixtures.map((fixture) => readLeanFixture(fixture).bodyText);
  return compareShapes(ours, { examples, words: documentedWords, except: notCompared });
}

function eventsPage(): string {
  const log = createEventLog({ nowMs: () => Date.parse('2026-06-01') });
  const payload = {
    id: 'i',
    customer_id: 'c',
    payment_source_id: 's',
    payment_destination_id: 'd',
    status: 'ACTIVE',
  };
  log.record([webhooks.webhookEvent({ ...envelope, type: 'payment_source.beneficiary.created', payload })]);
  return log.page({ page: 0, size: 1, type: null, fromMs: 0, toMs: Date.parse('2027-01-01') });
}

function tokenReply(): string {
  const oauth = { clientId: 'app', clientSecret: 'secret', expiresInSeconds: 3599 };
  const body = 'grant_type=client_credentials&client_id=app&client_secret=secret&scope=api';
  return createTokenDesk({ oauth, seed: 's', nowMs: Date.now }).answer({ method: 'POST', body }).body;
}

function everyAccount(entity: SimulatedEntity) {
  return entity.accounts.map((account) => ({ entity, account }));
}

function firstAccount(entity: SimulatedEntity): { entity: SimulatedEntity; account: SimulatedAccount } {
  return { entity, account: entity.accounts[0] ?? never() };
}

function refreshOf(entity: SimulatedEntity) {
  return entity.refreshes[0] ?? never();
}

function entityAt(position: number): SimulatedEntity {
  return entities[position] ?? never();
}

function never(): never {
  throw new Error('the generator made too little');
}
