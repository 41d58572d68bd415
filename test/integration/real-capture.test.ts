// A whole sync in the size of Lean's own captures: 50 transactions a page, 13 balances an account, people and orders.
// The items are the captured ones, repeated under ids of their own, since the fixtures keep only some of each list. Every
// warning of every row must be among those explained here; one that is new is a fault of ours or news of Lean's.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { syncDataNames } from '../../src/core/sync-data.ts';
import { sliceItems } from '../../src/core/json-slices.ts';
import { warningMeanings } from '../../src/core/warnings.ts';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { countedTables } from '../../src/store/run-counts.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { leanFixtureNames, readLeanFixture } from '../fixtures/lean/index.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { listKindsOfLean } from '../support/normalized-lists.ts';
import { testPki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts, readRun } from '../support/sync-parts.ts';
import { testKeyRing } from '../support/worker-parts.ts';

const [entityId, appToken] = ['entity-of-the-capture', 'app-token'];

let test: TestDatabase;
let server: LeanServer;
let client: LeanClient;
beforeAll(async () => {
  const [pki, opened] = await Promise.all([testPki(), openTestDatabase()]);
  test = opened;
  const customers = generateCustomers({ seed: 'capture', entities: 1, accounts: 1, transactions: 1 });
  server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  const { certPem, keyPem } = pki.application;
  const material = { certPem, keyPem, caPem: pki.leanChainPem };
  client = createLeanClient({ apiUrl: server.url, appToken, material });
});
afterAll(async () => {
  await client.close();
  await server.close();
  await test.drop();
});

/** All that both captures have (lean-postman@b883f28). */
const balanceTypes = [
  ...['CLOSING', 'INTERIM', 'OPENING'].flatMap((when) =>
    ['AVAILABLE', 'BOOKED', 'CLEARED'].map((what) => `${when}_${what}`),
  ),
  'EXPECTED',
  'FORWARD_AVAILABLE',
  'INFORMATION',
  'PREVIOUSLY_CLOSED_BOOKED',
];

const itemsOf = (fixture: string, member: string) =>
  leanFixtureNames.includes(fixture) ? sliceItems(readLeanFixture(fixture).bodyText, ['data', member]) : [];

/** The item's own text with its first member of that name spelled anew. */
function renamed(item: string, name: string, value: string): string {
  const member = new RegExp(`"${name}":\\s*"[^"]*"`);
  if (!member.test(item)) return item;
  return item.replace(member, `"${name}": "${value}"`);
}

interface PageOfList {
  readonly list: string;
  readonly items: readonly string[];
  readonly page?: number;
  readonly total?: number;
}

function answerWith(path: RegExp, { list, items, page = 0, total = items.length }: PageOfList): void {
  const totals = {
    number: page,
    size: 50,
    total_elements: total,
    total_pages: Math.ceil(total / 50),
    sort: null,
  };
  const body = `{"status":"OK","results_id":"r","message":"Data successfully retrieved","meta":null,
    "timestamp":"2026-05-13T19:42:30.487549603Z","status_detail":null,"refreshed_at":"2026-05-13T19:39:18.748Z",
    "type":"${list}","data":{"type":"${list}","${list}":[${items.join(',')}],"page":${JSON.stringify(totals)}}}`;
  server.faults.add({ fault: { kind: 'reply', httpStatus: 200, body }, path });
}

const of = (id: string, item: string) => renamed(renamed(item, 'entity_id', entityId), 'account_id', id);

/** Lets Lean hold a capture's accounts with whole lists; gives the ids of the accounts. */
function holdCapture(region: 'ksa' | 'uae', transactionsOfAccount: number): string[] {
  const captured = (kind: string, member: string) => itemsOf(`v2-${region}-response-${kind}`, member);
  const accounts = captured('accounts', 'accounts').map((item, place) =>
    renamed(item, 'account_id', `account-${place}`),
  );
  answerWith(/\/accounts\?/, {
    list: 'accounts',
    items: accounts.map((item) => renamed(item, 'entity_id', entityId)),
  });
  answerWith(/\/identity\?/, {
    list: 'identities',
    items: captured('identity', 'identities').map((item) => renamed(item, 'entity_id', entityId)),
  });
  const ids = accounts.map((_, place) => `account-${place}`);
  for (const id of ids) {
    const balances = captured('balances', 'balances');
    const items = balanceTypes.map((type, at) =>
      renamed(of(id, balances[at % balances.length] ?? ''), 'type', type),
    );
    answerWith(new RegExp(`/${id}/balances`), { list: 'balances', items });
    const transactions = captured('transactions', 'transactions');
    const all = Array.from({ length: transactionsOfAccount }, (_, at) =>
      renamed(of(id, transactions[at % transactions.length] ?? ''), 'transaction_id', `${id}-${at}`),
    );
    for (let page = 0; page * 50 < all.length; page += 1) {
      const part = {
        list: 'transactions',
        items: all.slice(page * 50, (page + 1) * 50),
        page,
        total: all.length,
      };
      answerWith(new RegExp(`/${id}/transactions.*page=${page}&`), part);
    }
    for (const [kind, list, path] of [
      ['account-identities', 'identities', 'identities'],
      ['beneficiaries', 'beneficiaries', 'beneficiaries'],
      ['direct-debits', 'direct_debits', 'direct-debits'],
      ['standing-orders', 'standing_orders', 'standing-orders'],
      ['scheduled-payments', 'scheduled_payments', 'scheduled-payments'],
    ] as const) {
      const listed = captured(kind, list).map((item) => of(id, item));
      answerWith(new RegExp(`/${id}/${path}`), { list, items: listed });
    }
  }
  return ids;
}

/** Rows and their warnings, table by table. */
async function readWarnings() {
  const counts: Record<string, number> = {};
  const warned: Record<string, number> = {};
  for (const table of countedTables) {
    const rows = await test.database.db.selectFrom(table).select('warnings').execute();
    counts[table] = rows.length;
    for (const warning of rows.flatMap(({ warnings }) => warnings)) {
      const name = `${table} ${warning}`;
      warned[name] = (warned[name] ?? 0) + 1;
    }
  }
  return { counts, warned };
}

/** The KSA's mock bank writes `KSAOB.SALEAN` and the like where a BIC belongs; two of its IBANs have wrong digits. */
const explainedOfKsa = {
  'accounts BIC_INVALID': 3,
  'beneficiaries BIC_INVALID': 6,
  'standing_orders BIC_INVALID': 6,
  'scheduled_payments BIC_INVALID': 6,
  'scheduled_payments IBAN_INVALID': 6,
};
/** The UAE's mock bank writes its name, `Lean Mockbank`, where a BIC belongs. */
const explainedOfUae = { 'accounts BIC_INVALID': 3 };

describe('a capture of a whole customer', () => {
  it.each([
    ['ksa' as const, 133, explainedOfKsa],
    ['uae' as const, 133, explainedOfUae],
  ])(
    'of %s passes, %i transactions an account, with no warning that is not explained',
    async (region, count, explained) => {
      await clearSyncTables(test.database);
      server.faults.clear();
      const ids = holdCapture(region, count);
      const callLean = createCallLean({ client, transactionHistoryDays: undefined });
      const parts = createSyncParts(test.database, {
        callLean,
        keyRing: testKeyRing,
        syncData: syncDataNames,
      });
      const { syncId } = await parts.request({ entityId, customerId: 'customer' });
      await parts.drain();
      expect(await readRun(test.database, syncId)).toMatchObject({ state: 'done', failure_code: null });
      const { counts, warned } = await readWarnings();
      expect(counts).toMatchObject({
        accounts: ids.length,
        balances: 13 * ids.length,
        transactions: count * ids.length,
      });
      expect(warned).toEqual(explained);
      const metric = await parts.metrics.itemWarnings.get();
      const counted = metric.values.map(({ labels, value }) => [`${labels.data} ${labels.warning}`, value]);
      expect(Object.fromEntries(counted)).toEqual(explained);
    },
  );
});

/** Why each documented body that has warnings has them. */
const explainedOfFixtures: Readonly<Record<string, readonly string[]>> = {
  // Documents print invented IBANs, and v1's example the bank's own words for its kinds of account.
  'v1-response-accounts-partial': ['IBAN_INVALID', 'WORD_UNKNOWN'],
  'v2-uae-response-accounts-openapi': ['IBAN_INVALID'],
  // As in the capture of a whole customer.
  'v2-ksa-response-accounts': ['BIC_INVALID'],
  'v2-ksa-response-beneficiaries': ['BIC_INVALID'],
  'v2-ksa-response-scheduled-payments': ['BIC_INVALID', 'IBAN_INVALID'],
  'v2-ksa-response-standing-orders': ['BIC_INVALID'],
  'v2-uae-response-accounts': ['BIC_INVALID'],
  // Bodies of 2023 had no party ids and no time zones yet.
  'v2-uae-old-response-identity-verbose': ['PARTY_ID_MISSING'],
  'v2-uae-old-response-transactions-verbose': ['TIME_ZONE_MISSING'],
};

const listNames: Readonly<Record<string, readonly [kind: string, ...path: string[]]>> = {
  'v2-.*-response-accounts': ['accounts', 'data', 'accounts'],
  'v2-.*-response-balances': ['balances', 'data', 'balances'],
  'v2-.*-response-transactions': ['transactions', 'data', 'transactions'],
  'v2-.*-response-(account-identities|identity)': ['people', 'data', 'identities'],
  'v2-.*-response-beneficiaries': ['beneficiaries', 'data', 'beneficiaries'],
  'v2-.*-response-direct-debits': ['direct debits', 'data', 'direct_debits'],
  'v2-.*-response-standing-orders': ['standing orders', 'data', 'standing_orders'],
  'v2-.*-response-scheduled-payments': ['scheduled payments', 'data', 'scheduled_payments'],
  'v2-.*-response-entity$': ['consents', 'consents'],
  'v2-.*-response-banks': ['banks'],
  'v1-response-accounts': ['v1 accounts', 'payload', 'accounts'],
};

describe('every documented list', () => {
  it('has no warning that is not explained, and no item that cannot be read', () => {
    const found: Record<string, readonly string[]> = {};
    for (const [pattern, [kindName, ...path]] of Object.entries(listNames)) {
      const kind = listKindsOfLean.find(({ name }) => name === kindName);
      const fixtures = leanFixtureNames.filter((name) => new RegExp(`^${pattern}`).test(name));
      expect([pattern, fixtures.length]).not.toEqual([pattern, 0]);
      for (const fixture of fixtures) {
        const list = kind?.normalize(sliceItems(readLeanFixture(fixture).bodyText, path));
        expect([fixture, list?.unreadable]).toEqual([fixture, 0]);
        expect([fixture, list?.records.length]).not.toEqual([fixture, 0]);
        const warnings = new Set(list?.records.flatMap(({ record }) => record.warnings));
        if (warnings.size > 0) found[fixture] = [...warnings].toSorted();
      }
    }
    expect(found).toEqual(explainedOfFixtures);
    for (const warning of Object.values(found).flat())
      expect(Object.keys(warningMeanings)).toContain(warning);
  });
});
