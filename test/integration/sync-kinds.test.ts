// People, beneficiaries and orders of SYNC_DATA: from the webhook to the rows of the simulated Lean, and list by list
// with Lean as one function, for what only a certain order of replies shows.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { syncDataNames } from '../../src/core/sync-data.ts';
import { createLeanClient } from '../../src/lean/lean-client.ts';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import type { StepKind } from '../../src/store/sync-priority.ts';
import { createCallLean, type PageReply } from '../../src/worker/sync-call.ts';
import { generateCustomers, refreshEntity, type SimulatedCustomers } from '../simulator/customers.ts';
import {
  expectedFurtherTables,
  furtherTablesSql,
  type FurtherTable,
} from '../simulator/expected-further-tables.ts';
import { startLeanServer } from '../simulator/lean-server.ts';
import { entityCreated, refreshUpdated, type WebhookEvent } from '../simulator/webhook-bodies.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { testPki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts, factsOf } from '../support/sync-parts.ts';
import { account } from '../support/sync-records.ts';
import { createWorkerParts, testKeyRing } from '../support/worker-parts.ts';

const tables = [
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const satisfies readonly FurtherTable[];

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

describe('a customer of the simulated Lean', () => {
  it.each(['sa', 'ae'] as const)(
    'in %s has the rows that Lean holds, from the first webhook on and after a refresh',
    async (region) => {
      const customers = generateCustomers({
        seed: 'kinds',
        entities: 1,
        accounts: 2,
        transactions: 5,
        region,
      });
      const { parts, receive, close } = await openSimulated(customers);
      const [entity] = customers.entities;
      if (entity === undefined) throw new Error('no entity');
      const refresh = (timestamp: string) =>
        refreshUpdated(entity, {
          eventId: `${region}-${timestamp}`,
          timestamp,
          refreshId: 'r',
          status: 'FINISHED',
        });
      try {
        await receive(
          entityCreated(entity, { eventId: `${region}-created`, timestamp: '2026-05-13T19:39:15Z' }),
          refresh('2026-05-13T19:39:25Z'),
        );
        expect(await rowsOf(tables)).toEqual(heldBy(customers, region));
        refreshEntity(entity, { at: '2026-05-14T19:39:18.748Z' });
        await receive(refresh('2026-05-14T19:39:25Z'));
        expect(await rowsOf(tables)).toEqual(heldBy(customers, region));
        expect(parts.lines.filter(({ event }) => event === 'sync')).toMatchObject([
          { fields: { outcome: 'done', identities: region === 'sa' ? 5 : 1 } },
          { fields: { outcome: 'done', identities: region === 'sa' ? 5 : 1 } },
        ]);
      } finally {
        await close();
      }
    },
  );

  it('is asked for nothing that SYNC_DATA does not name', async () => {
    const customers = generateCustomers({
      seed: 'few',
      entities: 1,
      accounts: 2,
      transactions: 5,
      region: 'sa',
    });
    const { server, parts, close } = await openSimulated(customers, ['accounts', 'standing_orders']);
    try {
      const [entity] = customers.entities;
      await parts.request({ ...entity, dataStatus: null });
      await parts.drain();
      const called = server.calls.map(({ path }) => path.replace(/^.*\//, ''));
      expect(called.toSorted()).toEqual(['accounts', 'standing-orders', 'standing-orders']);
      const rows = await rowsOf(tables);
      expect(rows.standing_orders).toEqual(heldBy(customers, 'sa').standing_orders);
      expect({ ...rows, standing_orders: [] }).toEqual(
        Object.fromEntries(tables.map((table) => [table, []])),
      );
    } finally {
      await close();
    }
  });
});

describe('the refresh and the permissions', () => {
  it('let in only what is OK, of the entity and of each account', async () => {
    const account_data = [
      {
        account_id: 'a',
        balance: 'FAILED',
        transactions: 'PENDING',
        identity: 'OK',
        beneficiaries: 'UNSUPPORTED',
        direct_debits: 'OK',
        standing_orders: 'FAILED',
        scheduled_payments: 'OK',
      },
    ];
    expect(await asked({ dataStatus: { accounts: 'OK', identity: 'FAILED', account_data } })).toEqual([
      'account_identities',
      'accounts',
      'direct_debits',
      'scheduled_payments',
    ]);
  });

  it('decide where the refresh says nothing', async () => {
    const facts = { entityId: 'entity-1', permissions: ['accounts', 'identity', 'beneficiaries'] };
    await opened.database.transaction((inside) =>
      applyEntityFacts(opened.database, inside, { facts, order: { ns: 1n, key: 'created' } }),
    );
    expect(await asked({ dataStatus: null })).toEqual([
      'account_identities',
      'accounts',
      'beneficiaries',
      'identity',
    ]);
  });

  it('leave everything to Lean where neither is known', async () => {
    expect(await asked({ dataStatus: null })).toHaveLength(3 + 6);
  });
});

/** The lists of account `a` and of the entity that a sync asks for. */
async function asked(facts: object) {
  const parts = createSyncParts(opened.database, { syncData: syncDataNames });
  parts.world.accounts = [account('a')];
  parts.world.intercept = ({ kind, accountId }) =>
    kind === 'accounts' || kind === 'balances' || kind === 'transactions' ? undefined : page(kind, accountId);
  await parts.request(facts);
  await parts.drain();
  return parts.world.asked.map((key) => key.replace(/(:a)?:0:0$/, '')).toSorted();
}

async function openSimulated(customers: SimulatedCustomers, syncData: readonly string[] = syncDataNames) {
  const pki = await testPki();
  const appToken = 'app-token';
  const server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  const { certPem, keyPem } = pki.application;
  const client = createLeanClient({
    apiUrl: server.url,
    appToken,
    material: { certPem, keyPem, caPem: pki.leanChainPem },
  });
  const callLean = createCallLean({ client, transactionHistoryDays: undefined });
  const parts = createSyncParts(opened.database, { callLean, keyRing: testKeyRing, syncData });
  const worker = createWorkerParts(opened.database);
  return {
    server,
    parts,
    /** Webhooks in, all the way to the rows. */
    receive: async (...events: WebhookEvent[]) => {
      await worker.intake(events.map(({ body }) => ({ body: Buffer.from(body) })));
      for (const { data } of worker.eventJobs.splice(0)) await worker.applyEvent(data.eventKey);
      for (const job of worker.syncJobs.splice(0)) {
        if (job.data.kind === 'step') parts.queue.set(job.id, { ...job, data: job.data, delayMs: 0 });
      }
      await parts.drain();
    },
    close: async () => {
      await client.close();
      await server.close();
    },
  };
}

async function rowsOf(names: readonly FurtherTable[]) {
  const queries = furtherTablesSql(opened.schema);
  const rows: Partial<Record<FurtherTable, unknown>> = {};
  for (const name of names) rows[name] = (await sql.raw(queries[name]).execute(opened.database.db)).rows;
  return rows;
}

/** The banks of the UAE do not offer the orders, and the refresh says so. */
function heldBy(customers: SimulatedCustomers, region: 'ae' | 'sa') {
  const expected = expectedFurtherTables(customers);
  const held = Object.fromEntries(tables.map((table) => [table, expected[table]]));
  if (region === 'sa') return held;
  return {
    beneficiaries: [],
    direct_debits: [],
    standing_orders: [],
    scheduled_payments: [],
    identities: expected.identities,
  };
}

/** An empty list of a kind. */
function page(kind: StepKind, accountId: string | null): PageReply {
  const table = kind === 'identity' || kind === 'account_identities' ? 'identities' : kind;
  if (table === 'entity' || table === 'accounts' || table === 'balances' || table === 'transactions') {
    throw new Error(`${kind} of ${accountId ?? 'the entity'} has rules of its own`);
  }
  return {
    kind: 'page',
    records: { kind: table, items: [] },
    unreadable: 0,
    isLastPage: true,
    isEndKnown: true,
    refreshedAt: null,
    facts: factsOf('accounts'),
  };
}
