// `npm run ops -- renormalize`: what a former normalizer made is made anew from Lean's own text, without Lean, in
// batches; what the present one made stays as it is, to the last column.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { normalizerVersion } from '../../src/core/canonical.ts';
import type { Database } from '../../src/store/database.ts';
import { beginErasure, readDigest, recordErasures } from '../../src/store/erasure-store.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { readItems } from '../../src/store/renormalize-read.ts';
import { renormalizedTables } from '../../src/store/renormalized-tables.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { logEntries, operate, type OperatorWish } from '../support/operator.ts';
import {
  allRows,
  dialects,
  prepareCustomers,
  storeCustomer,
  storeReports,
  transactionsOfAccount,
} from '../support/renormalize-parts.ts';
import { clearSyncTables, readChanges } from '../support/sync-parts.ts';

const payloadKey = Buffer.alloc(32, 7).toString('base64');

let test: TestDatabase;
beforeAll(async () => {
  test = await openTestDatabase();
  await stampInstallation(test.database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  await prepareCustomers(test.database);
});
afterAll(() => test.drop());
beforeEach(async () => {
  await clearSyncTables(test.database);
  for (const table of ['operator_log', 'erasures', 'consents', 'banks'] as const)
    await test.database.db.deleteFrom(table).execute();
});

const diffSchema = z.object({
  dryRun: z.boolean(),
  isInterrupted: z.boolean(),
  tables: z.array(
    z.object({
      table: z.enum(renormalizedTables),
      items: z.number(),
      changed: z.number(),
      columns: z.record(z.string(), z.number()),
      keyMissing: z.number(),
      unreadable: z.number(),
    }),
  ),
});

async function renormalize(argv: readonly string[] = [], wish: OperatorWish = {}) {
  const env = { PAYLOAD_KEYS: payloadKey };
  const done = await operate(['renormalize', '--json', ...argv], { database: test.database, env, ...wish });
  const { tables, ...rest } = diffSchema.parse(JSON.parse(done.output));
  return { ...done, ...rest, tables, of: Object.fromEntries(tables.map((diff) => [diff.table, diff])) };
}

/** As an older normalizer might have left them. */
async function age(): Promise<void> {
  const { db } = test.database;
  for (const table of renormalizedTables) {
    await sql`update ${test.database.table(table)} set normalizer_version = 1`.execute(db);
  }
  await db
    .updateTable('transactions')
    .set({ description: null, amount_minor: null, counterparty: '{"name": "nobody"}' })
    .execute();
  await db.updateTable('accounts').set({ identifiers: '[]', nickname: 'former' }).execute();
  await db.updateTable('balances').set({ amount: '1.5' }).execute();
}

describe.each(dialects)('rows of the %s dialect', (dialect) => {
  it('that this normalizer made stay as they are, down to the last column', async () => {
    await storeCustomer(test.database, dialect);
    // Said of an item because of its neighbours in a list.
    await sql`update ${test.database.table('transactions')} set warnings = '{ITEM_REPEATED}'
      where warnings = '{}'`.execute(test.database.db);
    const before = await allRows(test.database);
    expect(JSON.stringify(before['transactions'])).toContain('"ITEM_REPEATED"');
    const { code, tables } = await renormalize(['--all', '--yes']);
    expect(code).toBe(0);
    for (const { table, items, changed, columns, keyMissing, unreadable } of tables) {
      expect({ table, items, changed, columns, left: keyMissing + unreadable }).toEqual({
        table,
        items: before[table]?.length,
        changed: 0,
        columns: {},
        left: 0,
      });
    }
    expect(await allRows(test.database)).toEqual(before);
    expect((await renormalize()).tables.every(({ items }) => items === 0)).toBe(true);
    expect(await test.database.db.selectFrom('transaction_versions').selectAll().execute()).toEqual([]);
  });

  it('that a former one made are made anew, from the stored text alone', async () => {
    await storeCustomer(test.database, dialect);
    const before = await allRows(test.database);
    await age();
    const { code } = await renormalize(['--yes', '--batch', '7']);
    expect(code).toBe(0);
    const after = await allRows(test.database);
    for (const table of renormalizedTables) expect(after[table]).toEqual(before[table]);
  });
});

describe('renormalize', () => {
  it('without a yes only says what would differ, by table and column', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    const aged = await allRows(test.database);
    const { code, dryRun, of } = await renormalize();
    expect([code, dryRun]).toEqual([0, true]);
    expect(of['accounts']).toMatchObject({ items: 2, changed: 2, columns: { identifiers: 2, nickname: 2 } });
    expect(of['transactions']).toMatchObject({
      items: 2 * transactionsOfAccount,
      changed: 2 * transactionsOfAccount,
      unreadable: 0,
    });
    expect(Object.keys(of['transactions']?.columns ?? {})).toEqual([
      'amount_minor',
      'counterparty',
      'description',
    ]);
    expect(of['identities']).toMatchObject({ changed: 0, columns: {} });
    expect(await allRows(test.database)).toEqual(aged);
    expect(await logEntries(test.database)).toEqual([]);
  });

  it('shows it first to whoever is asked, and does nothing on a no', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    const wish = { database: test.database, env: { PAYLOAD_KEYS: payloadKey }, answer: 'n' };
    const { code, output, asked, progress } = await operate(['renormalize'], wish);
    expect(code).toBe(1);
    expect(asked).toEqual([expect.stringMatching(/^write \d+ changed items\? \[y\/N\] $/)]);
    expect(output).toContain('identifiers 2, nickname 2');
    expect(progress.some((line) => /^renormalize: \d+ of \d+ items$/.test(line))).toBe(true);
    expect(await logEntries(test.database)).toEqual([]);
  });

  it('keeps what a transaction said before, tells the application, and logs who did it', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    await test.database.db.deleteFrom('changes').execute();
    const { tables } = await renormalize(['--yes', '--as', 'mona']);
    const versions = await test.database.db
      .selectFrom('transaction_versions')
      .select(['version', 'rule', 'changed_columns', 'normalizer_version', 'event_key', 'counterparty'])
      .execute();
    expect(versions).toHaveLength(2 * transactionsOfAccount);
    expect(versions[0]).toMatchObject({
      version: 1,
      rule: 'renormalized',
      changed_columns: expect.arrayContaining(['counterparty']),
      normalizer_version: 1,
      event_key: null,
      counterparty: { name: 'nobody' },
    });
    const told = (await readChanges(test.database)).filter(({ change }) => change === 'transactions.updated');
    expect(told.map(({ details }) => details)).toEqual(
      [transactionsOfAccount, transactionsOfAccount].map((changed) => ({
        inserted: 0,
        changed,
        superseded: 0,
        from: null,
        to: null,
        renormalized: true,
      })),
    );
    const affected = tables.reduce((sum, { changed }) => sum + changed, 0);
    expect(await logEntries(test.database)).toEqual([
      { operator: 'mona', command: 'renormalize', affected, details: { normalizerVersion } },
    ]);
  });

  it('keeps no version of a payment that was only read better: another precision, hash or warning', async () => {
    await storeCustomer(test.database, 'v2');
    await test.database.db
      .updateTable('transactions')
      .set({ normalizer_version: 1, booked_at_precision: null, content_hash: 'former', warnings: [] })
      .execute();
    const { of } = await renormalize(['--yes']);
    expect(of['transactions']?.changed).toBe(2 * transactionsOfAccount);
    expect(await test.database.db.selectFrom('transaction_versions').selectAll().execute()).toEqual([]);
  });

  it('that was stopped half way goes on where it was, and does nothing twice', async () => {
    await storeCustomer(test.database, 'v2');
    const before = await allRows(test.database);
    await age();
    const stop = new AbortController();
    let transactions = 0;
    // Stopped in the middle of the writing; the look before it needs no transaction.
    const transaction: Database['transaction'] = (run) => {
      transactions += 1;
      if (transactions === 6) stop.abort();
      return test.database.transaction(run);
    };
    const database = { ...test.database, transaction };
    const first = await renormalize(['--yes', '--batch', '5'], { database, stop: stop.signal });
    expect([first.code, first.isInterrupted]).toEqual([1, true]);
    const second = await renormalize(['--yes', '--batch', '5']);
    expect([second.code, second.isInterrupted]).toEqual([0, false]);
    const itemsOf = ({ tables }: typeof first) => tables.reduce((sum, { items }) => sum + items, 0);
    expect(itemsOf(first)).toBeGreaterThan(0);
    expect(itemsOf(first) + itemsOf(second)).toBe(Object.values(before).flat().length);
    expect(await allRows(test.database)).toEqual(before);
    expect(await logEntries(test.database)).toHaveLength(2);
  });

  it('goes through rows of several former normalizers once each, the oldest first', async () => {
    await storeCustomer(test.database, 'v2');
    const before = await allRows(test.database);
    await age();
    // Others than the first ones in the order of keys.
    await sql`update ${test.database.table('transactions')} set normalizer_version = 0
      where ascii(right(transaction_id, 1)) % 2 = 0`.execute(test.database.db);
    const choice = { table: 'transactions', versions: 'former', since: null, limit: 100 } as const;
    const { db } = test.database;
    const versions = (await readItems(test.database, db, choice)).map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((left, right) => left - right));
    expect(new Set(versions)).toEqual(new Set([0, 1]));
    const { of } = await renormalize(['--yes', '--batch', '4']);
    expect(of['transactions']?.items).toBe(2 * transactionsOfAccount);
    expect(await allRows(test.database)).toEqual(before);
  });

  it('makes anew what a consent and a bank have of that text, and nothing that an event has said since', async () => {
    await storeReports(test.database);
    const before = await allRows(test.database);
    expect((await renormalize(['--all', '--yes'])).tables.every(({ changed }) => changed === 0)).toBe(true);
    expect(await allRows(test.database)).toEqual(before);
    const { db } = test.database;
    // The former one could not read a day, and took something else for the name.
    await sql`update ${test.database.table('consents')} set normalizer_version = 1, expires_at = null,
      field_orders = field_orders - 'expires_at'`.execute(db);
    await sql`update ${test.database.table('banks')} set normalizer_version = 1, name = 'former'`.execute(db);
    const { code, of } = await renormalize(['--yes']);
    expect(code).toBe(0);
    expect(of['consents']?.columns).toEqual({ expires_at: 1, field_orders: 1 });
    expect(of['banks']?.columns).toEqual({ name: 1 });
    expect(await allRows(test.database)).toEqual(before);
    expect(before['consents']).toMatchObject([{ status: 'REVOKED', entity_id: 'entity' }]);
    expect(before['banks']).toMatchObject([{ name: 'Mockbank', active_data: false }]);
    const told = await readChanges(test.database);
    expect(told.map(({ change }) => change)).toEqual(['consent.updated', 'bank.updated']);
  });

  it('looks only at what was written since', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    await sql`update ${test.database.table('transactions')} set updated_at = '2026-01-01T00:00:00Z'`.execute(
      test.database.db,
    );
    const { of } = await renormalize(['--since', '1h']);
    expect(of['transactions']?.items).toBe(0);
    expect(of['accounts']?.items).toBe(2);
  });

  it('leaves what it has no key for, says so, and ends with 1', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    const env = { PAYLOAD_KEYS: Buffer.alloc(32, 8).toString('base64') };
    const { code, of } = await renormalize(['--yes'], { env });
    expect(code).toBe(1);
    expect(of['accounts']).toMatchObject({ items: 2, changed: 0, keyMissing: 2 });
    expect((await renormalize()).of['accounts']).toMatchObject({ items: 2, changed: 2, keyMissing: 0 });
  });

  it('touches nothing of somebody whose erasure has begun', async () => {
    await storeCustomer(test.database, 'v2');
    await age();
    const aged = await allRows(test.database);
    await test.database.transaction(async (inside) => {
      await beginErasure(test.database, inside);
      const digest = await readDigest(inside);
      const { entity_id: id } = await inside
        .selectFrom('accounts')
        .select('entity_id')
        .limit(1)
        .executeTakeFirstOrThrow();
      if (digest !== null)
        await recordErasures(inside, { subjects: [{ kind: 'entity', id }], digest, now: new Date() });
    });
    await renormalize(['--yes']);
    expect(await allRows(test.database)).toEqual(aged);
    expect(await test.database.db.selectFrom('transaction_versions').selectAll().execute()).toEqual([]);
  });
});
