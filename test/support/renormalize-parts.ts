// Rows for tests of renormalizing: a customer's, as a sync over the wire stores them in either dialect, a consent and a
// bank that several reports have spoken of, and all of them as they can be compared.
import { sql, type KyselyPlugin } from 'kysely';
import { syncDataNames } from '../../src/core/sync-data.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { createLeanClient } from '../../src/lean/lean-client.ts';
import { normalizeBanks } from '../../src/lean/normalize-bank.ts';
import { normalizeConsents } from '../../src/lean/normalize-consent.ts';
import { wireBankSchema } from '../../src/lean/wire-bank.ts';
import { wireConsentSchema } from '../../src/lean/wire-consent.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { Database } from '../../src/store/database.ts';
import { renormalizedTables } from '../../src/store/renormalized-tables.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { startLeanServer } from '../simulator/lean-server.ts';
import { testPki } from './pki.ts';
import { clearSyncTables, createSyncParts } from './sync-parts.ts';
import { testKeyRing } from './worker-parts.ts';

export const dialects = ['v1', 'v2'] as const;
export type Dialect = (typeof dialects)[number];

/** Of each of the two accounts. */
export const transactionsOfAccount = 15;

/** Syncs a customer in each dialect and puts the rows aside, since a sync takes seconds. */
export async function prepareCustomers(database: Database): Promise<void> {
  for (const dialect of dialects) {
    await clearSyncTables(database);
    await syncCustomer(database, dialect);
    for (const table of renormalizedTables) {
      const copy = database.table(`${table}_${dialect}`);
      await sql`create table ${copy} as table ${database.table(table)}`.execute(database.db);
    }
  }
}

/** The rows that the sync in this dialect has left. */
export async function storeCustomer(database: Database, dialect: Dialect): Promise<void> {
  for (const table of renormalizedTables) {
    const { rows } = await sql<{ name: string }>`
      select column_name as name from information_schema.columns
      where table_schema = ${database.schema} and table_name = ${table} and is_generated = 'NEVER'
    `.execute(database.db);
    const names = sql.join(rows.map(({ name }) => sql.ref(name)));
    await sql`insert into ${database.table(table)} (${names})
      select ${names} from ${database.table(`${table}_${dialect}`)}`.execute(database.db);
  }
}

async function syncCustomer(database: Database, apiVersion: Dialect): Promise<void> {
  const [pki, appToken] = [await testPki(), 'app-token'];
  const customers = generateCustomers({
    seed: `again-${apiVersion}`,
    entities: 1,
    accounts: 2,
    transactions: transactionsOfAccount,
    region: 'ae',
  });
  const server = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: true,
    dialect: apiVersion,
  });
  const { certPem, keyPem } = pki.application;
  const material = { certPem, keyPem, caPem: pki.leanChainPem };
  const client = createLeanClient({ apiUrl: server.url, appToken, apiVersion, region: 'ae', material });
  try {
    const callLean = createCallLean({ client, transactionHistoryDays: undefined });
    const parts = createSyncParts(database, {
      callLean,
      keyRing: testKeyRing,
      syncData: syncDataNames,
      apiVersion,
    });
    for (const { entityId, customerId } of customers.entities) await parts.request({ entityId, customerId });
    await parts.drain();
  } finally {
    await client.close();
    await server.close();
  }
}

/** A consent and a bank as a list has them. */
export function reportedItems() {
  const raws = {
    consent:
      '{"id": "consent", "consent_status": "ACTIVE", "expiration_date_time": "2027-05-11T08:40:44.701443Z"}',
    bank: '{"identifier": "bank", "name": "Mockbank", "country_code": "ARE", "swift_code": "LEANAE01"}',
  };
  const consentItem = { wire: wireConsentSchema.parse(parseLossless(raws.consent)), raw: raws.consent };
  const bankItem = { wire: wireBankSchema.parse(parseLossless(raws.bank)), raw: raws.bank };
  const [consent] = normalizeConsents([consentItem]);
  const [bank] = normalizeBanks([bankItem]);
  if (consent === undefined || bank === undefined) throw new Error('no items');
  return { consent, bank };
}

/** A whole item of the first day, and of the second day an event that says one thing otherwise. */
export async function storeReports(database: Database): Promise<void> {
  const { consent, bank } = reportedItems();
  const whose = { entityId: 'entity', customerId: 'customer', keyRing: testKeyRing };
  await database.transaction(async (inside) => {
    const item = { ...whose, order: orderOf(1), source: 'item' } as const;
    await upsertConsents(database, inside, { ...item, consents: [consent] });
    await upsertBanks(database, inside, { ...item, banks: [bank] });
    const event = { ...whose, order: orderOf(2), source: 'event' } as const;
    const revoked = { ...consent, status: 'REVOKED', expiresAt: null };
    await upsertConsents(database, inside, { ...event, consents: [revoked] });
    await upsertBanks(database, inside, { ...event, banks: [{ ...bank, name: null, activeData: false }] });
  });
}

export function orderOf(day: number) {
  return { ns: BigInt(day), key: `day-${day}`, source: 'reply' } as const;
}

/** By table, everything but when it was written, and bytes that seal the same text differently. */
export async function allRows(database: Database): Promise<Record<string, unknown[]>> {
  const tables: Record<string, unknown[]> = {};
  for (const table of renormalizedTables) {
    const { rows } = await sql<{ row: unknown }>`
      select to_jsonb(stored) - array['updated_at', 'raw'] as row from ${database.table(table)} as stored
      order by (to_jsonb(stored) - array['updated_at', 'raw'])::text
    `.execute(database.db);
    tables[table] = rows.map(({ row }) => row);
  }
  return tables;
}

/** Sees the rows of every statement before who asked for them does; may make that one wait, or throw. */
export function onRows(see: (rows: readonly Record<string, unknown>[]) => Promise<void>): KyselyPlugin {
  return {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await see(result.rows);
      return result;
    },
  };
}
