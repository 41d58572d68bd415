// The sync against Lean as a real HTTPS server: our client, our certificate, Lean's bodies, compared field by field.
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { markResultsReady } from '../../src/store/pending-results-store.ts';
import { openStepJobs } from '../../src/store/sync-step-store.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { comparedTablesSql, expectedTables, type ComparedTable } from '../simulator/expected-tables.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts, readRun } from '../support/sync-parts.ts';
import { testKeyRing } from '../support/worker-parts.ts';

const appToken = 'app-token';
let pki: Pki;
let opened: TestDatabase;
let customers: SimulatedCustomers;
let server: LeanServer;
let client: LeanClient;
const pendingResults: string[] = [];

beforeAll(async () => {
  [pki, opened] = await Promise.all([createPki(), openTestDatabase()]);
});
afterAll(() => opened.drop());
beforeEach(async () => {
  await clearSyncTables(opened.database);
  customers = generateCustomers({ seed: 'sync', entities: 2, accounts: 2, transactions: 120 });
  pendingResults.length = 0;
  server = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: true,
    onResultsPending: (resultsId) => pendingResults.push(resultsId),
  });
  const { certPem, keyPem } = pki.application;
  client = createLeanClient({
    apiUrl: server.url,
    appToken,
    material: { certPem, keyPem, caPem: pki.leanChainPem },
  });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

function openParts() {
  const callLean = createCallLean({ client, transactionHistoryDays: undefined });
  return createSyncParts(opened.database, { callLean, keyRing: testKeyRing });
}

async function syncAll(parts: ReturnType<typeof openParts>, reason: 'first' | 'refresh') {
  const ids: string[] = [];
  for (const { entityId, customerId } of customers.entities) {
    const { syncId } = await parts.request({ entityId, customerId, reason, rereadEntity: true });
    ids.push(syncId);
  }
  await parts.drain();
  return ids;
}

async function rowsOf(...tables: ComparedTable[]) {
  const queries = comparedTablesSql(opened.schema);
  const rows: Partial<Record<ComparedTable, unknown>> = {};
  for (const table of tables) {
    rows[table] = (await sql.raw(queries[table]).execute(opened.database.db)).rows;
  }
  return rows;
}

function expectedRows(...tables: ComparedTable[]) {
  const expected = expectedTables(customers);
  return Object.fromEntries(tables.map((table) => [table, expected[table]]));
}

describe('a sync over the wire', () => {
  it('ends with what Lean holds, every field of every row', async () => {
    const [syncId = ''] = await syncAll(openParts(), 'first');
    expect(await rowsOf('accounts', 'balances', 'transactions')).toEqual(
      expectedRows('accounts', 'balances', 'transactions'),
    );
    expect(await readRun(opened.database, syncId)).toMatchObject({
      state: 'done',
      failure_code: null,
      accounts: 2,
      transactions: 240,
      calls: 1 + 1 + 2 * (1 + 2),
    });
  });

  it('of a list refreshed between two pages ends with the refreshed rows', async () => {
    server.faults.add({ fault: { kind: 'refresh' }, path: /transactions\?.*page=1/ });
    await syncAll(openParts(), 'first');
    expect(await rowsOf('accounts', 'transactions')).toEqual(expectedRows('accounts', 'transactions'));
  });

  it('after a refresh ends with what Lean holds then, and twice the same', async () => {
    const parts = openParts();
    await syncAll(parts, 'first');
    for (const { entityId } of customers.entities) server.refresh(entityId);
    await syncAll(parts, 'refresh');
    expect(await rowsOf('accounts', 'transactions')).toEqual(expectedRows('accounts', 'transactions'));
    await syncAll(parts, 'refresh');
    expect(await rowsOf('accounts', 'transactions')).toEqual(expectedRows('accounts', 'transactions'));
  });

  it('through bad JSON, resets, 429, 500 and a bank in trouble ends with the same rows', async () => {
    server.faults.add({
      fault: { kind: 'error', httpStatus: 500, status: 'INTERNAL_SERVER_ERROR' },
      path: /accounts\?/,
    });
    server.faults.add({ fault: { kind: 'bad-json' }, path: /transactions/, times: 2 });
    server.faults.add({ fault: { kind: 'reset' }, path: /balances/ });
    server.faults.add({ fault: { kind: 'rate-limit', retryAfter: '7' }, path: /page=1/ });
    server.faults.add({
      fault: { kind: 'failed', granularStatusCode: 'BANK_ISSUE' },
      path: /transactions/,
      after: 4,
    });
    await syncAll(openParts(), 'first');
    expect(server.faults.size).toBe(0);
    expect(await rowsOf('accounts', 'balances', 'transactions')).toEqual(
      expectedRows('accounts', 'balances', 'transactions'),
    );
  });

  it('fetches a promised page from the results', async () => {
    server.faults.add({ fault: { kind: 'pending' }, path: /transactions\?.*page=1/ });
    const parts = openParts();
    await syncAll(parts, 'first');
    const [resultsId = ''] = pendingResults;
    server.finishResults(resultsId);
    const { database } = opened;
    const at = '2026-05-13T20:00:00Z';
    const paired = await database.transaction((inside) =>
      markResultsReady(database, inside, { resultsId, eventKey: 'ready', at }),
    );
    expect(paired).toBe('paired');
    for (const job of await openStepJobs(database, { resultsId, limit: 10 })) parts.queue.set(job.id, job);
    parts.advance(60_000);
    await parts.drain();
    expect(await rowsOf('transactions')).toEqual(expectedRows('transactions'));
  });
});
