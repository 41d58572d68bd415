// Accounts as Lean's lists gave them. A list from before the stored one changes nothing; an account that a complete
// list no longer has is marked as removed and kept.
import { sql, type Selectable } from 'kysely';
import { canonicalJson } from '../core/canonical-json.ts';
import { normalizerVersion, type CanonicalAccount } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Executor } from './database.ts';
import { isNotNewerThan, isOutdated } from './freshness.ts';
import type { Tables } from './tables.ts';
import { writeTolerantly } from './tolerant-write.ts';

export interface UpsertAccounts {
  readonly entityId: string;
  readonly customerId: string | null;
  /** The sync whose list this is: what it has not seen at its end is gone. */
  readonly syncId: string;
  readonly refreshedAt: Instant | null;
  readonly accounts: readonly CanonicalAccount[];
  readonly keyRing: KeyRing | null;
}

/** Account ids. */
interface Sorted {
  readonly inserted: string[];
  readonly changed: string[];
  readonly unchanged: string[];
}

export interface UpsertedAccounts extends Sorted {
  readonly refused: number;
}

/** Of several accounts with one id the last counts. */
export async function upsertAccounts(
  transaction: Executor,
  { entityId, customerId, syncId, refreshedAt, accounts, keyRing }: UpsertAccounts,
): Promise<UpsertedAccounts> {
  const rows = new Map(
    accounts.map((account) => {
      const record = rawRecord('accounts', [entityId, account.accountId]);
      const raw = seal(keyRing, record, Buffer.from(account.raw));
      const refreshed = refreshedAt?.at ?? null;
      return [account.accountId, accountRow(account, { entityId, customerId, syncId, refreshed, raw })];
    }),
  );
  const { results, refused } = await writeTolerantly(transaction, {
    rows: [...rows.values()],
    write: (chunk) => upsertRows(transaction, entityId, chunk),
  });
  return {
    inserted: results.flatMap(({ inserted }) => inserted),
    changed: results.flatMap(({ changed }) => changed),
    unchanged: results.flatMap(({ unchanged }) => unchanged),
    refused: refused.length,
  };
}

interface RowFacts {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly syncId: string;
  readonly refreshed: string | null;
  readonly raw: Uint8Array;
}

function accountRow(account: CanonicalAccount, { entityId, customerId, syncId, refreshed, raw }: RowFacts) {
  return {
    entity_id: entityId,
    account_id: account.accountId,
    customer_id: customerId,
    ...accountColumns(account),
    refreshed_at: refreshed,
    removed_at: null,
    seen_sync_id: syncId,
    normalizer_version: normalizerVersion,
    raw,
  };
}

/** What follows from Lean's text alone, but for the key. */
export function accountColumns(account: CanonicalAccount) {
  return {
    status: account.status,
    currency: account.currency,
    account_type: account.accountType,
    account_sub_type: account.accountSubType,
    nickname: account.nickname,
    description: account.description,
    account_holder_name: account.accountHolderName,
    opening_date: account.openingDate,
    iban: account.iban,
    identifiers: canonicalJson(account.identifiers),
    servicer: account.servicer && canonicalJson(account.servicer),
    warnings: account.warnings,
  };
}
type AccountRow = ReturnType<typeof accountRow>;

async function upsertRows(transaction: Executor, entityId: string, rows: readonly AccountRow[]) {
  const stored = await transaction
    .selectFrom('accounts')
    .selectAll()
    .where('entity_id', '=', entityId)
    .where(
      'account_id',
      'in',
      rows.map((row) => row.account_id),
    )
    .forUpdate()
    .execute();
  const former = new Map(stored.map((row) => [row.account_id, row]));
  const result: Sorted = { inserted: [], changed: [], unchanged: [] };
  const writable: AccountRow[] = [];
  for (const row of rows) {
    const known = former.get(row.account_id);
    const outdated = isOutdated(row.refreshed_at, known?.refreshed_at);
    if (!outdated) writable.push(row);
    if (known === undefined) result.inserted.push(row.account_id);
    else if (!outdated && differs(row, known)) result.changed.push(row.account_id);
    else result.unchanged.push(row.account_id);
  }
  if (writable.length > 0) await writeRows(transaction, writable);
  for (const row of rows) if (!writable.includes(row)) await markSeen(transaction, row);
  return result;
}

/** Of an outdated list only this counts: the account is still there. */
async function markSeen(transaction: Executor, row: AccountRow): Promise<void> {
  await transaction
    .updateTable('accounts')
    .set({
      customer_id: sql`coalesce(customer_id, ${row.customer_id}::text)`,
      seen_sync_id: row.seen_sync_id,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', row.entity_id)
    .where('account_id', '=', row.account_id)
    .execute();
}

async function writeRows(transaction: Executor, rows: readonly AccountRow[]): Promise<void> {
  await transaction
    .insertInto('accounts')
    .values([...rows])
    .onConflict((conflict) =>
      conflict.columns(['entity_id', 'account_id']).doUpdateSet((excluded) => ({
        customer_id: sql`coalesce(${excluded.ref('excluded.customer_id')}, accounts.customer_id)`,
        status: excluded.ref('excluded.status'),
        currency: excluded.ref('excluded.currency'),
        account_type: excluded.ref('excluded.account_type'),
        account_sub_type: excluded.ref('excluded.account_sub_type'),
        nickname: excluded.ref('excluded.nickname'),
        description: excluded.ref('excluded.description'),
        account_holder_name: excluded.ref('excluded.account_holder_name'),
        opening_date: excluded.ref('excluded.opening_date'),
        iban: excluded.ref('excluded.iban'),
        identifiers: excluded.ref('excluded.identifiers'),
        servicer: excluded.ref('excluded.servicer'),
        refreshed_at: sql`coalesce(${excluded.ref('excluded.refreshed_at')}, accounts.refreshed_at)`,
        removed_at: null,
        seen_sync_id: excluded.ref('excluded.seen_sync_id'),
        normalizer_version: excluded.ref('excluded.normalizer_version'),
        raw: excluded.ref('excluded.raw'),
        warnings: excluded.ref('excluded.warnings'),
        updated_at: sql`now()`,
      })),
    )
    .execute();
}

type StoredAccount = Selectable<Tables['accounts']>;

function differs(row: AccountRow, former: StoredAccount): boolean {
  if (former.removed_at !== null) return true;
  const stored = {
    ...former,
    identifiers: canonicalJson(former.identifiers),
    servicer: former.servicer === null ? null : canonicalJson(former.servicer),
  };
  return contentColumns.some((column) => canonicalJson(row[column]) !== canonicalJson(stored[column]));
}

const contentColumns = [
  'status',
  'currency',
  'account_type',
  'account_sub_type',
  'nickname',
  'description',
  'account_holder_name',
  'opening_date',
  'iban',
  'identifiers',
  'servicer',
  'normalizer_version',
  'warnings',
] as const;

export interface AccountsOfSync {
  readonly entityId: string;
  readonly syncId: string;
}

/** A list that starts over is seen anew. */
export async function forgetSeenAccounts(
  transaction: Executor,
  { entityId, syncId }: AccountsOfSync,
): Promise<void> {
  await transaction
    .updateTable('accounts')
    .set({ seen_sync_id: null })
    .where('entity_id', '=', entityId)
    .where('seen_sync_id', '=', syncId)
    .execute();
}

export interface RemoveUnseen extends AccountsOfSync {
  /** Of the list. */
  readonly refreshedAt: Instant | null;
}

/** Marks accounts that the sync's complete list did not have, unless a newer one did; gives their ids. */
export async function removeUnseenAccounts(
  transaction: Executor,
  { entityId, syncId, refreshedAt }: RemoveUnseen,
): Promise<string[]> {
  const listAt = refreshedAt?.at ?? null;
  const removed = await transaction
    .updateTable('accounts')
    .set({
      removed_at: sql<string>`now()`,
      // So that a list from before this one does not bring it back.
      refreshed_at: sql<string>`coalesce(${listAt}::timestamptz, refreshed_at)`,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('removed_at', 'is', null)
    .where(sql<boolean>`seen_sync_id is distinct from ${syncId}`)
    .where(isNotNewerThan(listAt))
    .returning('account_id')
    .execute();
  return removed.map(({ account_id }) => account_id);
}
