import { describe, expect, it } from 'vitest';
import { warningMeanings } from '../../src/core/warnings.ts';
import { knownWords } from '../../src/lean/known-words.ts';
import { envelopeWarnings } from '../../src/lean/webhook-envelope.ts';
import { listKindsOfLean } from '../support/normalized-lists.ts';

function warningsOf(kind: string, item: Readonly<Record<string, unknown>>) {
  const list = listKindsOfLean.find(({ name }) => name === kind)?.normalize([JSON.stringify(item)]);
  return list?.records[0]?.record.warnings;
}

const money = { amount: 1, currency: 'AED' };
const transaction = { transaction_id: 't', amount: money, credit_debit_indicator: 'DEBIT' };
const order = { instructed_amount: money };

describe('a word that Lean does not document', () => {
  it.each([
    ['accounts', { account_id: 'a', currency: 'AED' }, { status: 'Open' }],
    ['accounts', { account_id: 'a', currency: 'AED' }, { account_type: 'personal' }],
    ['accounts', { account_id: 'a', currency: 'AED' }, { account_sub_type: 'WALLET' }],
    ['accounts', { account_id: 'a', currency: 'AED' }, { account: [{ scheme_name: 'LOCAL' }] }],
    ['accounts', { account_id: 'a', currency: 'AED' }, { servicer: { scheme_name: 'SWIFT' } }],
    ['balances', { type: 'EXPECTED', amount: money, credit_debit_indicator: 'CREDIT' }, { type: 'NOW' }],
    [
      'balances',
      { type: 'EXPECTED', amount: money, credit_debit_indicator: 'CREDIT' },
      { credit_line: [{ type: 'HUGE', amount: money }] },
    ],
    ['transactions', transaction, { status: 'Settled' }],
    ['transactions', transaction, { transaction_mutability: 'FROZEN' }],
    ['transactions', transaction, { transaction_type: 'pos' }],
    ['transactions', transaction, { insights: { category: 'HATS' } }],
    ['people', { party_id: 'p' }, { party_type: 'TRIPLE' }],
    ['people', { party_id: 'p' }, { gender: 'X' }],
    ['beneficiaries', { beneficiary_id: 'b' }, { beneficiary_type: 'BEST' }],
    ['direct debits', { direct_debit_id: 'd' }, { status_code: 'PAUSED' }],
    ['direct debits', { direct_debit_id: 'd' }, { frequency: 'YEARLY' }],
    ['standing orders', { standing_order_id: 's' }, { standing_order_status_code: 'PAUSED' }],
    ['standing orders', { standing_order_id: 's' }, { frequency: { frequency_type: 'HOURLY' } }],
    ['scheduled payments', { scheduled_payment_id: 's', ...order }, { scheduled_type: 'NOON' }],
    ['consents', { id: 'c' }, { consent_status: 'Active' }],
    ['consents', { id: 'c' }, { standard_consent_status: 'PAUSED' }],
    ['consents', { id: 'c' }, { consent_type: 'ALL' }],
    ['banks', { identifier: 'B' }, { bank_type: 'CENTRAL' }],
    ['banks', { identifier: 'B' }, { account_type: 'ALL' }],
    ['v1 accounts', { account_id: 'a', currency_code: 'AED' }, { type: 'Checkings' }],
  ])('of %s is noticed: %j and then %j', (kind, plain, odd) => {
    expect(warningsOf(kind, plain)).toEqual([]);
    expect(warningsOf(kind, { ...plain, ...odd })).toEqual(['WORD_UNKNOWN']);
  });

  it('stays as it is', () => {
    const kind = listKindsOfLean.find(({ name }) => name === 'transactions');
    const { records } = kind?.normalize([JSON.stringify({ ...transaction, status: 'Settled \ud800' })]) ?? {};
    expect(records).toMatchObject([
      { record: { status: 'Settled \uFFFD', warnings: ['TEXT_REPLACED', 'WORD_UNKNOWN'] } },
    ]);
  });

  it('is none of those it does document', () => {
    for (const status of knownWords.transactionStatus) {
      expect(warningsOf('transactions', { ...transaction, status })).toEqual([]);
    }
  });
});

describe('warnings', () => {
  it('have one sentence each, in alphabetical order, and those of webhooks are among them', () => {
    const words = Object.keys(warningMeanings);
    expect(words).toEqual(words.toSorted());
    for (const [word, meaning] of Object.entries(warningMeanings)) {
      expect(word).toMatch(/^[A-Z][A-Z_]+$/);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
    }
    expect(words).toEqual(expect.arrayContaining([...envelopeWarnings]));
  });
});
