// People, orders, consents and banks, asked of the simulated Lean by our client and stored: the rows are those that the
// simulator's own data say, before and after a refresh.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import type { ListPage } from '../../src/lean/lean-lists.ts';
import type { LeanReply } from '../../src/lean/lean-reply.ts';
import { normalizeBanks } from '../../src/lean/normalize-bank.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeConsents } from '../../src/lean/normalize-consent.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../../src/lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import type { WireItem } from '../../src/lean/read-list.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertBeneficiaries } from '../../src/store/beneficiary-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { Database, Executor } from '../../src/store/database.ts';
import { upsertDirectDebits } from '../../src/store/direct-debit-store.ts';
import { upsertIdentities } from '../../src/store/identity-store.ts';
import { removeUnseenListed, noAccount, type ListedTable } from '../../src/store/listed-item-store.ts';
import type { UpsertListed } from '../../src/store/listed-item-store.ts';
import { upsertScheduledPayments } from '../../src/store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../../src/store/standing-order-store.ts';
import type { StoredCounts } from '../../src/store/stored-counts.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import {
  expectedFurtherTables,
  furtherTables,
  furtherTablesSql,
  type FurtherTable,
} from '../simulator/expected-further-tables.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { testPki } from '../support/pki.ts';
import { testKeyRing } from '../support/worker-parts.ts';

let opened: TestDatabase;
let customers: SimulatedCustomers;
let server: LeanServer;
let client: LeanClient;

beforeAll(async () => {
  const [pki, database] = await Promise.all([testPki(), openTestDatabase()]);
  opened = database;
  customers = generateCustomers({ seed: 'rows', entities: 4, accounts: 2, transactions: 2 });
  const appToken = 'app-token';
  server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  const { certPem, keyPem } = pki.application;
  const material = { certPem, keyPem, caPem: pki.leanChainPem };
  client = createLeanClient({ apiUrl: server.url, appToken, material });
});
afterAll(async () => {
  await client.close();
  await server.close();
  await opened.drop();
});

describe.each(['at first', 'after a refresh, a new consent and a bank without payments'])('%s', (when) => {
  it('every row is what the simulator holds', async () => {
    if (when !== 'at first') {
      for (const { entityId } of customers.entities) {
        server.refresh(entityId);
        server.renewConsent(entityId);
      }
      server.startOutage('LEA1_SAMAOB_SAU', { active: { payments: false, data: true } });
    }
    await syncEverything(when);
    const expected = expectedFurtherTables(customers, {
      availabilityOf: (bank) => server.availabilityOf(bank),
    });
    const queries = furtherTablesSql(opened.schema);
    const rows: Partial<Record<FurtherTable, unknown>> = {};
    for (const table of furtherTables) {
      rows[table] = (await sql.raw(queries[table]).execute(opened.database.db)).rows;
    }
    expect(rows).toEqual(expected);
  });
});

async function syncEverything(syncId: string): Promise<void> {
  const ns = BigInt(Date.now()) * 1_000_000n;
  const order = { ns, key: syncId, source: 'reply' } as const;
  const facts = { order, source: 'item', keyRing: testKeyRing } as const;
  const banks = normalizeBanks(okOf(await client.getBanks()).items);
  await store((database, transaction) => upsertBanks(database, transaction, { ...facts, banks }));
  for (const { entityId, customerId, accounts, region } of customers.entities) {
    const reply = okOf(await client.getConsents({ customerId }));
    const consents = normalizeConsents(reply.items);
    await store((database, transaction) =>
      upsertConsents(database, transaction, { ...facts, entityId, customerId, consents }),
    );
    const list = { entityId, customerId, syncId, accountId: noAccount };
    const identity = await client.getIdentity({ entityId });
    await storeList('identities', {
      list,
      reply: identity,
      normalize: normalizeIdentities,
      upsert: upsertIdentities,
    });
    for (const { accountId } of region === 'sa' ? accounts : []) await syncAccount({ ...list, accountId });
  }
}

interface OneList {
  entityId: string;
  customerId: string;
  accountId: string;
  syncId: string;
}

async function syncAccount(list: OneList): Promise<void> {
  const query = { ...list, page: 0 };
  await storeList('identities', {
    list,
    reply: await client.getAccountIdentities(query),
    normalize: normalizeIdentities,
    upsert: upsertIdentities,
  });
  await storeList('beneficiaries', {
    list,
    reply: await client.getBeneficiaries(query),
    normalize: normalizeBeneficiaries,
    upsert: upsertBeneficiaries,
  });
  await storeList('direct_debits', {
    list,
    reply: await client.getDirectDebits(query),
    normalize: normalizeDirectDebits,
    upsert: upsertDirectDebits,
  });
  await storeList('standing_orders', {
    list,
    reply: await client.getStandingOrders(query),
    normalize: normalizeStandingOrders,
    upsert: upsertStandingOrders,
  });
  await storeList('scheduled_payments', {
    list,
    reply: await client.getScheduledPayments(query),
    normalize: normalizeScheduledPayments,
    upsert: upsertScheduledPayments,
  });
}

interface ListToStore<Wire, Canonical> {
  list: OneList;
  reply: LeanReply<ListPage<Wire>>;
  normalize: (items: readonly WireItem<Wire>[]) => Canonical[];
  upsert: (database: Database, transaction: Executor, list: UpsertListed<Canonical>) => Promise<StoredCounts>;
}

async function storeList<Wire, Canonical>(
  table: ListedTable,
  { list, reply, normalize, upsert }: ListToStore<Wire, Canonical>,
): Promise<void> {
  const { items, refreshedAt } = okOf(reply);
  await store(async (database, transaction) => {
    const one = { ...list, refreshedAt, items: normalize(items), keyRing: testKeyRing };
    await upsert(database, transaction, one);
    await removeUnseenListed(database, transaction, { ...list, table, refreshedAt });
  });
}

async function store(write: (database: Database, transaction: Executor) => Promise<unknown>): Promise<void> {
  const { database } = opened;
  await database.db.transaction().execute((transaction) => write(database, transaction));
}

function okOf<Data>(reply: LeanReply<Data>) {
  if (reply.kind !== 'ok') throw new Error(`the simulated Lean answered ${reply.kind}`);
  return reply;
}
