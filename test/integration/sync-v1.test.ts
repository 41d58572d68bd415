// The v1 dialect from the webhook to the rows: `entity.created` is all that comes, every list is one call, and what
// takes Lean too long is promised and fetched later, whichever of the two words comes first.
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { openStepJobs } from '../../src/store/sync-step-store.ts';
import { createCallLean, type CallLean } from '../../src/worker/sync-call.ts';
import { generateCustomers, type SimulatedCustomers, type SimulatedEntity } from '../simulator/customers.ts';
import { withoutTrailingZeros } from '../simulator/expected-tables.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { v1BalanceOf } from '../simulator/reply-v1.ts';
import { resultsReady, v1EntityCreated, type WebhookEvent } from '../simulator/webhook-bodies.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { testPki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts, readRun } from '../support/sync-parts.ts';
import { createWorkerParts, testKeyRing } from '../support/worker-parts.ts';

const syncData = ['accounts', 'balances', 'transactions', 'identity'] as const;
const transactionsOfAccount = 130;
let opened: TestDatabase;
let customers: SimulatedCustomers;
let entity: SimulatedEntity;
let server: LeanServer;
let client: LeanClient;
let round = 0;

beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(async () => {
  await clearSyncTables(opened.database);
  round += 1;
  customers = generateCustomers({
    seed: `v1-${round}`,
    entities: 1,
    accounts: 2,
    transactions: transactionsOfAccount,
    region: 'ae',
  });
  const [only] = customers.entities;
  if (only === undefined) throw new Error('no entity');
  entity = only;
  const pki = await testPki();
  const appToken = 'app-token';
  server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true, dialect: 'v1' });
  const { certPem, keyPem } = pki.application;
  client = createLeanClient({
    apiUrl: server.url,
    appToken,
    apiVersion: 'v1',
    region: 'ae',
    material: { certPem, keyPem, caPem: pki.leanChainPem },
  });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

describe('entity.created of v1', () => {
  it('starts the sync by itself, which ends with what Lean holds', async () => {
    const { parts, receive } = openWorker();
    await receive(created());
    await parts.drain();
    expect(await readRows()).toEqual(held());
    expect(await onlyRun()).toMatchObject({
      state: 'done',
      reason: 'first',
      failure_code: null,
      calls: 1 + 1 + 2 * 2,
      accounts: 2,
      balances: 2,
      transactions: 2 * transactionsOfAccount,
      identities: 1,
    });
  });

  it('asks for nothing that v1 does not have, and only for what the customer permits', async () => {
    entity.permissions = ['accounts', 'balance'];
    const { parts, receive } = openWorker();
    await receive(created());
    await parts.drain();
    expect(server.calls.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([
      'POST /data/v1/accounts',
      'POST /data/v1/balance',
      'POST /data/v1/balance',
    ]);
  });

  it('in the v2 dialect waits for the refresh', async () => {
    const worker = createWorkerParts(opened.database);
    await worker.intake([{ body: Buffer.from(created().body) }]);
    for (const { data } of worker.eventJobs) await worker.applyEvent(data.eventKey);
    expect(worker.syncJobs).toEqual([]);
  });
});

describe.each(['after', 'before'] as const)('results.ready that comes %s our record of PENDING', (when) => {
  it.each(['accounts', 'balance', 'transactions', 'identity'])('of %s brings its rows', async (list) => {
    server.faults.add({ fault: { kind: 'pending' }, path: new RegExp(`^/data/v1/${list}`) });
    const promised: string[] = [];
    const { parts, receive } = openWorker((call) => async (step, signal) => {
      const reply = await call(step, signal);
      if (reply.kind === 'pending') {
        promised.push(reply.resultsId);
        if (when === 'before') await ready(reply.resultsId);
      }
      return reply;
    });
    const ready = async (resultsId: string) => {
      server.finishResults(resultsId);
      await receive(
        resultsReady({ eventId: `ready-${resultsId}`, timestamp: '2026-05-13T20:00:00Z', resultsId }),
      );
    };
    await receive(created());
    await parts.drain();
    expect(await onlyRun()).toMatchObject({ state: when === 'after' ? 'running' : 'done' });
    for (const resultsId of when === 'after' ? promised : []) await ready(resultsId);
    parts.advance(60_000);
    await parts.drain();
    expect(promised).toHaveLength(1);
    expect(server.calls.filter(({ path }) => path.startsWith('/v1/results/'))).toHaveLength(1);
    expect(await readRows()).toEqual(held());
    expect(await onlyRun()).toMatchObject({ state: 'done', failure_code: null });
  });
});

it('whose results.ready never comes is asked for all the same', async () => {
  server.faults.add({ fault: { kind: 'pending' }, path: /transactions/ });
  const promised: string[] = [];
  const { parts, receive } = openWorker((call) => async (step, signal) => {
    const reply = await call(step, signal);
    if (reply.kind === 'pending') promised.push(reply.resultsId);
    return reply;
  });
  await receive(created());
  await parts.drain();
  for (const resultsId of promised) server.finishResults(resultsId);
  const { database } = opened;
  await database.db
    .updateTable('sync_steps')
    .set({ due_at: sql`now()` })
    .where('state', '=', 'pending')
    .execute();
  for (const job of await openStepJobs(database, { limit: 10 })) parts.queue.set(job.id, job);
  await parts.drain();
  expect(await readRows()).toEqual(held());
});

function created(): WebhookEvent {
  return v1EntityCreated(entity, { eventId: `created-${round}`, timestamp: '2026-05-13T19:39:15Z' });
}

function openWorker(around: (call: CallLean) => CallLean = (call) => call) {
  const worker = createWorkerParts(opened.database, { apiVersion: 'v1' });
  const parts = createSyncParts(opened.database, {
    callLean: around(createCallLean({ client, transactionHistoryDays: undefined })),
    keyRing: testKeyRing,
    syncData,
    apiVersion: 'v1',
  });
  return {
    parts,
    /** A webhook in, up to the jobs it leads to. */
    receive: async ({ body }: WebhookEvent) => {
      await worker.intake([{ body: Buffer.from(body) }]);
      for (const { data } of worker.eventJobs.splice(0)) await worker.applyEvent(data.eventKey);
      for (const job of worker.syncJobs.splice(0)) {
        if (job.data.kind === 'step') parts.queue.set(job.id, { ...job, data: job.data, delayMs: 0 });
      }
    },
  };
}

async function onlyRun() {
  const { sync_id } = await opened.database.db
    .selectFrom('sync_runs')
    .select('sync_id')
    .executeTakeFirstOrThrow();
  return readRun(opened.database, sync_id);
}

async function readRows() {
  const { db } = opened.database;
  const accounts = await db
    .selectFrom('accounts')
    .select(['account_id', 'customer_id', 'currency', 'account_sub_type', 'iban'])
    .orderBy(sql`account_id collate "C"`)
    .execute();
  const balances = await db
    .selectFrom('balances')
    .select(['account_id', 'currency', 'credit_debit_indicator', 'reported_at_source'])
    .select(sql<string>`trim_scale(amount)::text`.as('amount'))
    .orderBy(sql`account_id collate "C"`)
    .execute();
  const transactions = await db
    .selectFrom('transactions')
    .select(['account_id', 'transaction_id', 'currency', 'credit_debit_indicator', 'status'])
    .select(['booked_at_text', 'reference', 'category', 'superseded_at'])
    .select(sql<string>`trim_scale(amount)::text`.as('amount'))
    .orderBy(sql`account_id collate "C"`)
    .orderBy(sql`transaction_id collate "C"`)
    .execute();
  const identities = await db
    .selectFrom('identities')
    .select(['account_id', 'full_name', 'national_id'])
    .execute();
  return { accounts, balances, transactions, identities };
}

/** What the simulated Lean holds, as far as v1 tells it. */
function held() {
  const { customerId, identity } = entity;
  const accounts = entity.accounts.toSorted((left, right) => (left.accountId < right.accountId ? -1 : 1));
  return {
    accounts: accounts.map(({ accountId, currency, subType, iban }) => ({
      account_id: accountId,
      customer_id: customerId,
      currency,
      account_sub_type: subType,
      iban,
    })),
    balances: accounts.map((account) => ({
      account_id: account.accountId,
      currency: v1BalanceOf(account).currency,
      ...told(v1BalanceOf(account)),
      reported_at_source: 'timestamp',
    })),
    transactions: accounts.flatMap(({ accountId, transactions }) =>
      transactions
        .toSorted((left, right) => (left.transactionId < right.transactionId ? -1 : 1))
        .map((one) =>
          Object.assign(told(one), {
            account_id: accountId,
            transaction_id: one.transactionId,
            currency: one.currency,
            status: one.status,
            booked_at_text: one.bookingDateTime,
            reference: one.reference,
            category: one.insightsCategory,
            superseded_at: null,
          }),
        ),
    ),
    identities: [{ account_id: '', full_name: identity.fullLegalName, national_id: identity.nationalId }],
  };
}

/** v1 has a sign, and no way to say that it is not known. */
function told({ amount, creditDebitIndicator }: { amount: string; creditDebitIndicator: string }) {
  const isDebit = creditDebitIndicator === 'DEBIT' && !/^0(\.0+)?$/.test(amount);
  return { amount: withoutTrailingZeros(amount), credit_debit_indicator: isDebit ? 'DEBIT' : 'CREDIT' };
}
