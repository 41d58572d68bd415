// Every type of event that Lean documents is handled or recorded and announced; nothing that comes is lost.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventTypes, isHandled } from '../../src/worker/event-dispatch.ts';
import { leanWebhookFixtureNames, readLeanFixture } from '../fixtures/lean/index.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { webhookBody } from '../support/event-bodies.ts';
import { changeNames, createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

/** Lean's documentation, captures and, at the end, third parties, as of 2026-05-13. */
const catalogue = {
  handled: [
    'entity.created',
    'entity.updated',
    'entity.reconnected',
    'entity.data.refresh.updated',
    'results.ready',
    'bank.availability.updated',
    'consent.status.updated',
  ],
  recorded: [
    'payment.created',
    'payment.updated',
    'payment.transaction',
    'payment_intent.created',
    'payment_intent.expired',
    'bulk_payment_intent.created',
    'bulk_payment_intent.updated',
    'payment_source.created',
    'payment_source.updated',
    'payment_source.beneficiary.created',
    'payment_source.beneficiary.updated',
    'payment.reconciliation.updated',
    'transaction.account',
    'transaction.account.post_process',
    'bank.availability.new',
    'consent.authorised',
    'payment.account-on-file.updated',
  ],
} as const;

/** The event as it is after all of its jobs, and what the application was told. */
async function receive(body: Uint8Array) {
  const before = worker.eventJobs.length;
  await worker.intake([{ body }]);
  const job = worker.eventJobs[before];
  if (job) await worker.applyEvent(job.data.eventKey);
  const [row] = await eventRows(test.database);
  return { state: row?.state, failureCode: row?.failure_code, changes: await changeNames(test.database) };
}

describe('the table of event types', () => {
  it('has a row for every type of the catalogue, and no other', () => {
    const all = [...catalogue.handled, ...catalogue.recorded];
    expect([...eventTypes.keys()].toSorted()).toEqual(all.toSorted());
    expect(all.filter(isHandled)).toEqual(catalogue.handled);
  });
});

describe('an event that is not about bank data', () => {
  it.each([...catalogue.recorded, 'something.new'])(
    '%s is kept, marked and announced by its type',
    async (type) => {
      const payload = { id: 'thing-1', customer_id: 'customer-1', amount: 10.5 };
      expect(await receive(webhookBody({ type, payload }))).toEqual({
        state: 'ignored',
        failureCode: null,
        changes: ['event.recorded'],
      });
      const change = test.database.db.selectFrom('changes').select(['customer_id', 'details']);
      expect(await change.execute()).toEqual([{ customer_id: 'customer-1', details: { type } }]);
    },
  );
});

describe('a body that Lean documents', () => {
  const withType = leanWebhookFixtureNames.filter((name) => !name.includes('v0-webhook'));

  it.each(withType)('%s is dealt with as its row of the table says', async (name) => {
    const { bodyText } = readLeanFixture(name);
    const type = /"type":\s*"(?<type>[a-z._]+\.[a-z._]+)"/.exec(bodyText)?.groups?.['type'] ?? '';
    const { state, failureCode, changes } = await receive(Buffer.from(bodyText));
    // Results that nobody here has asked for wait for the question.
    const handled = type === 'results.ready' ? 'received' : 'processed';
    expect([state, failureCode]).toEqual([isHandled(type) ? handled : 'ignored', null]);
    expect(changes.includes('event.recorded')).toBe(!isHandled(type));
  });

  it.each(leanWebhookFixtureNames.filter((name) => name.includes('v0-webhook')))(
    '%s, a callback without a type, is set aside with its code',
    async (name) => {
      const { state, failureCode } = await receive(Buffer.from(readLeanFixture(name).bodyText));
      expect([state, failureCode]).toEqual(['quarantined', 'EVENT_WITHOUT_TYPE']);
    },
  );
});
