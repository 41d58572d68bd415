import { expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { countItemWarnings } from '../../src/worker/item-warnings.ts';
import type { PageRecords, StepReply } from '../../src/worker/sync-call.ts';
import { listedEntity } from '../support/lean-replies.ts';
import { factsOf, failed, pending } from '../support/sync-parts.ts';
import { account, transaction } from '../support/sync-records.ts';

function page(records: PageRecords, unreadable = 0): StepReply {
  const facts = factsOf('transactions');
  return { kind: 'page', records, unreadable, isLastPage: true, isEndKnown: true, refreshedAt: null, facts };
}

async function countsOf(...replies: readonly StepReply[]) {
  const metrics = createMetrics({ processMetrics: false });
  for (const reply of replies) countItemWarnings({ metrics }, reply);
  const { values } = await metrics.itemWarnings.get();
  return Object.fromEntries(values.map(({ labels, value }) => [`${labels.data} ${labels.warning}`, value]));
}

it('every warning of every item counts, and every item that could not be read', async () => {
  const odd = transaction('t', { warnings: ['CURRENCY_UNKNOWN', 'WORD_UNKNOWN'] });
  const transactions = [odd, transaction('u'), transaction('v', { warnings: ['WORD_UNKNOWN'] })];
  const counts = await countsOf(
    page({ kind: 'transactions', transactions }, 2),
    page({ kind: 'accounts', accounts: [account('a', { warnings: ['IBAN_INVALID'] })] }),
  );
  expect(counts).toEqual({
    'transactions ITEM_UNREADABLE': 2,
    'transactions CURRENCY_UNKNOWN': 1,
    'transactions WORD_UNKNOWN': 2,
    'accounts IBAN_INVALID': 1,
  });
});

it('the consents of an entity count like the items of a list', async () => {
  const listed = listedEntity({ id: 'e', consents: [{ id: 'c', consent_status: 'Sleeping' }] });
  const counts = await countsOf({ kind: 'entity', listed, at: null, facts: factsOf('entity') });
  expect(counts).toEqual({ 'consents WORD_UNKNOWN': 1 });
});

it('replies without items count nothing', async () => {
  const failure = failed({ code: 'LEAN_SERVER_ERROR', action: 'retry' });
  expect(await countsOf(pending('r'), failure)).toEqual({});
});
