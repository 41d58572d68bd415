// Balances: one row per account, type, currency and time the bank reported it at. The same report read again with
// other figures corrects its row, unless the list is an older one; nothing is ever removed.
import { sql } from 'kysely';
import { canonicalJson } from '../core/canonical-json.ts';
import { storableText } from '../core/clean-text.ts';
import { normalizerVersion, type CanonicalBalance } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Executor } from './database.ts';
import { addCounts, nothingStored, type StoredCounts } from './stored-counts.ts';
import { writeTolerantly } from './tolerant-write.ts';

export interface UpsertBalances {
  readonly entityId: string;
  readonly accountId: string;
  readonly customerId: string | null;
  /** Of the list; left out where it does not say. */
  readonly refreshedAt?: Instant | null;
  readonly balances: readonly CanonicalBalance[];
  readonly keyRing: KeyRing | null;
}

/** Of several balances with one key the last counts. */
export async function upsertBalances(transaction: Executor, options: UpsertBalances): Promise<StoredCounts> {
  const rows = new Map(options.balances.map((balance) => [keyOf(balance), balanceRow(balance, options)]));
  const { results, refused } = await writeTolerantly(transaction, {
    rows: [...rows.values()],
    write: (chunk) => writeRows(transaction, chunk),
  });
  await confirm(transaction, options);
  await fillCustomer(transaction, options);
  return addCounts([...results, { ...nothingStored, refused: refused.length }]);
}

/** A newer list still has them: what an older one says comes too late from now on. No change of a balance. */
async function confirm(
  transaction: Executor,
  { entityId, accountId, refreshedAt, balances }: UpsertBalances,
): Promise<void> {
  const listAt = refreshedAt?.at ?? null;
  if (listAt === null || balances.length === 0) return;
  const keys = balances.map(({ balanceType, currency, reportedAt }) => ({
    type: storableText(balanceType),
    currency: storableText(currency),
    reported_at: reportedAt.at,
  }));
  await transaction
    .updateTable('balances')
    .set({ refreshed_at: listAt, updated_at: sql`now()` })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where(sql<boolean>`(refreshed_at is null or refreshed_at < ${listAt}::timestamptz)`)
    .where(sql<boolean>`(balance_type, currency, reported_at) in (
      select type, currency, reported_at
      from json_to_recordset(${JSON.stringify(keys)}::json) as key (type text, currency text, reported_at timestamptz)
    )`)
    .execute();
}

/** Rows from before the customer was known; no change of a balance. */
async function fillCustomer(
  transaction: Executor,
  { entityId, accountId, customerId, balances }: UpsertBalances,
): Promise<void> {
  if (customerId === null || balances.length === 0) return;
  await transaction
    .updateTable('balances')
    .set({ customer_id: customerId, updated_at: sql`now()` })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('customer_id', 'is', null)
    .execute();
}

function keyOf({ balanceType, currency, reportedAt }: CanonicalBalance): string {
  return JSON.stringify([balanceType, currency, reportedAt.at]);
}

function balanceRow(balance: CanonicalBalance, options: UpsertBalances) {
  const { entityId, accountId, customerId, keyRing } = options;
  const { balanceType, currency, reportedAt } = balance;
  const record = rawRecord('balances', [entityId, accountId, balanceType, currency, reportedAt.at]);
  return {
    entity_id: entityId,
    account_id: accountId,
    customer_id: customerId,
    balance_type: balanceType,
    currency,
    reported_at: reportedAt.at,
    refreshed_at: options.refreshedAt?.at ?? null,
    ...balanceColumns(balance),
    normalizer_version: normalizerVersion,
    raw: seal(keyRing, record, Buffer.from(balance.raw)),
  };
}

/** What follows from Lean's text alone, but for the key. */
export function balanceColumns(balance: CanonicalBalance) {
  return {
    reported_at_source: balance.reportedAtSource,
    amount: balance.amount,
    credit_debit_indicator: balance.creditDebitIndicator,
    credit_lines: canonicalJson(balance.creditLines),
    warnings: balance.warnings,
  };
}

async function writeRows(
  transaction: Executor,
  rows: readonly ReturnType<typeof balanceRow>[],
): Promise<StoredCounts> {
  const written = await transaction
    .insertInto('balances')
    .values([...rows])
    .onConflict((conflict) =>
      conflict
        .columns(['entity_id', 'account_id', 'balance_type', 'currency', 'reported_at'])
        .doUpdateSet((excluded) => ({
          customer_id: sql`coalesce(${excluded.ref('excluded.customer_id')}, balances.customer_id)`,
          reported_at_source: excluded.ref('excluded.reported_at_source'),
          amount: excluded.ref('excluded.amount'),
          credit_debit_indicator: excluded.ref('excluded.credit_debit_indicator'),
          credit_lines: excluded.ref('excluded.credit_lines'),
          // greatest() passes over nulls.
          refreshed_at: sql`greatest(balances.refreshed_at, ${excluded.ref('excluded.refreshed_at')})`,
          normalizer_version: excluded.ref('excluded.normalizer_version'),
          raw: excluded.ref('excluded.raw'),
          warnings: excluded.ref('excluded.warnings'),
          updated_at: sql`now()`,
        })).where(sql<boolean>`(excluded.refreshed_at < balances.refreshed_at) is not true
          and (balances.amount, balances.credit_debit_indicator, balances.credit_lines,
          balances.reported_at_source, balances.normalizer_version, balances.warnings)
          is distinct from (excluded.amount, excluded.credit_debit_indicator, excluded.credit_lines,
          excluded.reported_at_source, excluded.normalizer_version, excluded.warnings)`),
    )
    // A row that is new has never been touched by a later transaction.
    .returning(sql<boolean>`(xmax = 0)`.as('inserted'))
    .execute();
  const inserted = written.filter((row) => row.inserted).length;
  const changed = written.length - inserted;
  return { inserted, changed, unchanged: rows.length - written.length, refused: 0 };
}
