// Amounts in every spelling JSON has for a number, from the bytes of a reply over mTLS through client, normalizing and
// sync into Postgres: read back, every one is the same decimal, in both dialects. Judged by whole numbers only.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { currencyExponent } from '../../src/core/currency.ts';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { open, rawRecord } from '../../src/sealing/seal.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { signedSpelling, unsignedSpelling } from '../support/amount-spellings.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { exactValue, scaledValue } from '../support/exact-decimal.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts } from '../support/sync-parts.ts';
import { testKeyRing } from '../support/worker-parts.ts';

const [entityId, accountId, appToken] = ['entity-exact', 'account-exact', 'app-token'];
const currencies = ['AED', 'SAR', 'KWD', 'BHD', 'OMR', 'JOD', 'JPY', 'CLF'];
let pki: Pki;
let test: TestDatabase;
beforeAll(async () => {
  [pki, test] = await Promise.all([testPki(), openTestDatabase()]);
});
afterAll(() => test.drop());

/** Lean in one dialect, answering what a test says. */
async function openLean(dialect: 'v1' | 'v2'): Promise<{ server: LeanServer; client: LeanClient }> {
  const customers = generateCustomers({ seed: 'exact', entities: 1, accounts: 1, transactions: 1 });
  const server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true, dialect });
  const { certPem, keyPem } = pki.application;
  const material = { certPem, keyPem, caPem: pki.leanChainPem };
  const client = createLeanClient({
    apiUrl: server.url,
    appToken,
    apiVersion: dialect,
    region: 'ae',
    material,
  });
  return { server, client };
}

const around = '"status":"OK","results_id":"r","message":"","timestamp":"2026-05-13T19:42:30Z"';

/** A reply of v2, its items as the texts they are. */
function listReply(list: string, items: readonly string[]): string {
  const page = `"page":{"number":0,"size":100,"total_elements":${items.length},"total_pages":1}`;
  return `{${around},"refreshed_at":"2026-05-13T19:39:18Z","data":{"${list}":[${items.join(',')}],${page}}}`;
}

/** A reply of v1. */
const payload = (text: string) => `{${around},"payload":{${text}}}`;

interface Answers {
  readonly lean: { server: LeanServer; client: LeanClient };
  readonly apiVersion: 'v1' | 'v2';
  readonly replies: readonly (readonly [path: RegExp, body: string])[];
}

async function sync({ lean: { server, client }, apiVersion, replies }: Answers): Promise<void> {
  await clearSyncTables(test.database);
  server.faults.clear();
  for (const [path, body] of replies)
    server.faults.add({ fault: { kind: 'reply', httpStatus: 200, body }, path });
  const callLean = createCallLean({ client, transactionHistoryDays: undefined });
  const syncData = ['accounts', 'balances', 'transactions', 'scheduled_payments'];
  const parts = createSyncParts(test.database, { callLean, keyRing: testKeyRing, syncData, apiVersion });
  await parts.request({ entityId, customerId: 'customer' });
  await parts.drain();
  expect(server.faults.size).toBe(0);
}

interface Stored {
  readonly key: string;
  readonly amount: string;
  readonly signed: string | null;
  readonly minor: string | null;
  readonly warnings: string[];
  readonly raw: Uint8Array;
}

async function readMoney(query: (table: (name: string) => unknown) => ReturnType<typeof sql<Stored>>) {
  const { rows } = await query((name) => test.database.table(name)).execute(test.database.db);
  return new Map(rows.map((row) => [row.key, row]));
}

const transactionRows = () =>
  readMoney(
    (table) => sql<Stored>`select transaction_id as key, amount, signed_amount as signed,
      amount_minor as minor, warnings, raw from ${table('transactions')}`,
  );

/** Plain notation keeps every character, zeros at the end included; an exponent keeps the value. */
function expectSame(stored: string | null | undefined, written: string): void {
  const spelled = (text: string) => (/e/i.test(written) ? exactValue(text) : text);
  expect(spelled(stored ?? '')).toBe(spelled(written));
}

function expectMinor(row: Stored, written: string, currency: string): void {
  const minor = scaledValue(written, currencyExponent(currency) ?? 0);
  expect(row.minor).toBe(minor === null ? null : String(minor));
  expect(row.warnings.includes('MINOR_UNITS_INEXACT')).toBe(minor === null);
}

const money = (amount: string, place: number) => `{"currency":"${currencyAt(place)}","amount": ${amount}}`;
const indicator = (place: number) => (place % 2 === 0 ? 'CREDIT' : 'DEBIT');
const currencyAt = (place: number) => currencies[place % currencies.length] ?? '';
/** One page each of 100; a run costs one sync. */
const pageOf = (spelling: fc.Arbitrary<string>) => fc.array(spelling, { minLength: 100, maxLength: 100 });
const runs = { numRuns: 4 };

describe('v2', () => {
  let lean: Awaited<ReturnType<typeof openLean>>;
  beforeAll(async () => {
    lean = await openLean('v2');
  });
  afterAll(async () => {
    await lean.client.close();
    await lean.server.close();
  });

  it('amounts of transactions, balances, credit lines and orders are the same decimals in the rows', async () => {
    await fc.assert(
      fc.asyncProperty(pageOf(unsignedSpelling), async (amounts) => {
        const transactions = amounts.map(
          (amount, place) =>
            `{"transaction_id":"t${place}","amount":${money(amount, place)},"credit_debit_indicator":"${indicator(place)}"}`,
        );
        const balances = amounts.map(
          (amount, place) =>
            `{"type":"b${place}","amount":${money(amount, place)},"credit_debit_indicator":"${indicator(place)}","date_time":"2026-05-13T00:00:00Z","credit_line":[{"included":true,"type":"CREDIT","amount":${money(amount, place)}}]}`,
        );
        const payments = amounts.map(
          (amount, place) =>
            `{"scheduled_payment_id":"s${place}","instructed_amount":${money(amount, place)}}`,
        );
        await sync({
          lean,
          apiVersion: 'v2',
          replies: [
            [/\/accounts\?/, listReply('accounts', [`{"account_id":"${accountId}"}`])],
            [/\/balances\?/, listReply('balances', balances)],
            [/\/transactions\?/, listReply('transactions', transactions)],
            [/\/scheduled-payments\?/, listReply('scheduled_payments', payments)],
          ],
        });

        const rows = await transactionRows();
        const balanceRows = await readMoney(
          (table) => sql<Stored>`select balance_type as key, amount,
            credit_lines -> 0 ->> 'amount' as signed, null as minor, warnings, raw from ${table('balances')}`,
        );
        const paymentRows = await readMoney(
          (table) => sql<Stored>`select scheduled_payment_id as key, scheduled_payment_amount as amount,
            null as signed, null as minor, warnings, raw from ${table('scheduled_payments')}`,
        );
        expect([rows.size, balanceRows.size, paymentRows.size]).toEqual([100, 100, 100]);
        for (const [place, amount] of amounts.entries()) {
          const row = rows.get(`t${place}`);
          if (row === undefined) throw new Error(`no row t${place}`);
          expectSame(row.amount, amount);
          const sign = indicator(place) === 'DEBIT' && exactValue(amount) !== '0' ? '-' : '';
          expectSame(row.signed, `${sign}${amount}`);
          expectMinor(row, amount, currencyAt(place));
          const record = rawRecord('transactions', [entityId, accountId, row.key]);
          expect(Buffer.from(open(testKeyRing, record, row.raw)).toString()).toBe(transactions[place]);
          expectSame(balanceRows.get(`b${place}`)?.amount, amount);
          expectSame(balanceRows.get(`b${place}`)?.signed, amount);
          expectSame(paymentRows.get(`s${place}`)?.amount, amount);
        }
      }),
      runs,
    );
  });
});

describe('v1', () => {
  let lean: Awaited<ReturnType<typeof openLean>>;
  beforeAll(async () => {
    lean = await openLean('v1');
  });
  afterAll(async () => {
    await lean.client.close();
    await lean.server.close();
  });

  it('signed amounts are the same decimals in the rows, credit above zero and debit below', async () => {
    await fc.assert(
      fc.asyncProperty(pageOf(signedSpelling), async (amounts) => {
        const [balance = '0'] = amounts;
        const transactions = amounts.map(
          (amount, place) => `{"id":"t${place}","amount":${amount},"currency_code":"${currencyAt(place)}"}`,
        );
        await sync({
          lean,
          apiVersion: 'v1',
          replies: [
            [/accounts/, payload(`"accounts":[{"account_id":"${accountId}","currency_code":"AED"}]`)],
            [/balance/, payload(`"balance":${balance},"currency_code":"AED","account_id":"${accountId}"`)],
            [/transactions/, payload(`"transactions":[${transactions.join(',')}]`)],
          ],
        });

        const rows = await transactionRows();
        expect(rows.size).toBe(100);
        for (const [place, amount] of amounts.entries()) {
          const row = rows.get(`t${place}`);
          if (row === undefined) throw new Error(`no row t${place}`);
          expectSame(row.amount, amount.replace(/^-/, ''));
          // A zero has no sign.
          expectSame(row.signed, exactValue(amount) === '0' ? amount.replace(/^-/, '') : amount);
          expectMinor(row, amount.replace(/^-/, ''), currencyAt(place));
        }
        const [only] = await test.database.db.selectFrom('balances').selectAll().execute();
        expectSame(only?.amount, balance.replace(/^-/, ''));
        const isDebit = balance.startsWith('-') && exactValue(balance) !== '0';
        expect(only?.credit_debit_indicator).toBe(isDebit ? 'DEBIT' : 'CREDIT');
      }),
      runs,
    );
  });
});
