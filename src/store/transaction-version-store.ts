// What becomes of transactions that changed or are gone: former contents are kept as numbered versions, and rows that
// a complete list no longer has are superseded. Nothing is deleted here.
import { sql, type RawBuilder } from 'kysely';
import type { Instant } from '../core/instant.ts';
import type { Executor } from './database.ts';
import { isNotNewerThan } from './freshness.ts';

export interface KeepVersions {
  readonly entityId: string;
  readonly accountId: string;
  readonly transactionIds: readonly string[];
  /** The event that led to the new content. */
  readonly eventKey: string | null;
  /** `listed`, Lean gave other content, when left out. */
  readonly rule?: 'listed' | 'renormalized';
}

/** What a payment says; everything else of a row is about where it came from and what became of it. */
const contentColumns = [
  'amount',
  'currency',
  'credit_debit_indicator',
  'amount_minor',
  'status',
  'mutability',
  'booked_at',
  'booked_at_text',
  'booked_at_precision',
  'booking_date',
  'value_at',
  'description',
  'reference',
  'transaction_type',
  'merchant_name',
  'merchant_category_code',
  'counterparty',
  'category',
  'warnings',
] as const;

/** Copies the rows as they are now, before they are replaced, under the next version number each. */
export async function keepVersions(
  transaction: Executor,
  { entityId, accountId, transactionIds, eventKey, rule = 'listed' }: KeepVersions,
): Promise<void> {
  if (transactionIds.length === 0) return;
  const copied = [
    'entity_id',
    'account_id',
    'transaction_id',
    'customer_id',
    ...contentColumns,
    'content_hash',
    'refreshed_at',
    'normalizer_version',
    'raw',
  ] as const;
  await transaction
    .insertInto('transaction_versions')
    .columns([...copied, 'version', 'event_key', 'rule'])
    .expression((build) =>
      build
        .selectFrom('transactions as former')
        .where('former.entity_id', '=', entityId)
        .where('former.account_id', '=', accountId)
        .where('former.transaction_id', 'in', transactionIds)
        .select(copied.map((column) => `former.${column}` as const))
        .select((inner) => [
          inner
            .selectFrom('transaction_versions as version')
            .whereRef('version.entity_id', '=', 'former.entity_id')
            .whereRef('version.account_id', '=', 'former.account_id')
            .whereRef('version.transaction_id', '=', 'former.transaction_id')
            .select(sql<number>`coalesce(max(version.version), 0) + 1`.as('next'))
            .as('version'),
          sql<string | null>`${eventKey}::text`.as('event_key'),
          sql<string>`${rule}::text`.as('rule'),
        ]),
    )
    .execute();
}

/**
 * Writes to the newest version of each in which columns the row, replaced by now, differs from it. Gives how many of
 * them the bank had called final: a category is Lean's to learn later, anything else of those should never change.
 */
export async function nameChanges(
  transaction: Executor,
  { entityId, accountId, transactionIds }: Pick<KeepVersions, 'entityId' | 'accountId' | 'transactionIds'>,
): Promise<number> {
  if (transactionIds.length === 0) return 0;
  const names = sql`unnest(${[...contentColumns]}::text[])`;
  const rows = await transaction
    .updateTable('transaction_versions as former')
    .from('transactions as latter')
    .set({
      changed_columns: sql<string[]>`array(
        select name from ${names} as name
        where to_jsonb(former) -> name is distinct from to_jsonb(latter) -> name order by name
      )`,
      updated_at: sql`now()`,
    })
    .where('former.entity_id', '=', entityId)
    .where('former.account_id', '=', accountId)
    .where('former.transaction_id', 'in', transactionIds)
    .whereRef('latter.entity_id', '=', 'former.entity_id')
    .whereRef('latter.account_id', '=', 'former.account_id')
    .whereRef('latter.transaction_id', '=', 'former.transaction_id')
    .where('former.changed_columns', 'is', null)
    .where('former.version', '=', (inner) =>
      inner
        .selectFrom('transaction_versions as version')
        .whereRef('version.entity_id', '=', 'former.entity_id')
        .whereRef('version.account_id', '=', 'former.account_id')
        .whereRef('version.transaction_id', '=', 'former.transaction_id')
        .select(({ fn }) => fn.max('version.version').as('newest')),
    )
    .returning(
      sql<boolean>`former.mutability = 'IMMUTABLE' and former.normalizer_version = latter.normalizer_version
        and not former.changed_columns <@ '{category,warnings}'::text[]`.as('alarms'),
    )
    .execute();
  return rows.filter(({ alarms }) => alarms).length;
}

export interface AccountOfSync {
  readonly entityId: string;
  readonly accountId: string;
  readonly syncId: string;
}

/** A list that starts over is seen anew: what only its former passes had does not count as seen. */
export async function forgetSeen(
  transaction: Executor,
  { entityId, accountId, syncId }: AccountOfSync,
): Promise<void> {
  await transaction
    .updateTable('transactions')
    .set({ seen_sync_id: null })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('seen_sync_id', '=', syncId)
    .execute();
}

export interface SupersedeVanished extends AccountOfSync {
  /** Booking days that the list surely covered, both included; null = unbounded. */
  readonly from: string | null;
  readonly to: string | null;
  /** First day Lean holds at all, where it said so. */
  readonly availableFrom: string | null;
  /** Of the list. */
  readonly refreshedAt: Instant | null;
}

/** Of a row of the list's account: it is not in this complete list, nor in a newer one. */
export function isGone({ syncId, from, to, refreshedAt }: Omit<SupersedeVanished, 'availableFrom'>) {
  const conditions: RawBuilder<boolean>[] = [
    sql`superseded_at is null`,
    sql`seen_sync_id is distinct from ${syncId}`,
    isNotNewerThan(refreshedAt?.at ?? null),
  ];
  if (from !== null) conditions.push(sql`booking_date >= ${from}::date`);
  if (to !== null) conditions.push(sql`booking_date <= ${to}::date`);
  return sql<boolean>`(${sql.join(conditions, sql` and `)})`;
}

/**
 * Supersedes rows that a complete list did not have, unless a newer list did, and gives their number. Only a PENDING
 * row may vanish on any day, since it either settles or lapses. Every other one counts as gone only if the list
 * reaches back behind its day: Lean holds about a year, and a payment that has merely become too old for it is not
 * undone. The list's first day itself may have been cut anywhere.
 */
export async function supersedeVanished(transaction: Executor, list: SupersedeVanished): Promise<number> {
  const { entityId, accountId, syncId, availableFrom, refreshedAt } = list;
  const { earliest } = await transaction
    .selectFrom('transactions')
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('seen_sync_id', '=', syncId)
    .select(sql<string | null>`least(min(booking_date), ${availableFrom}::date)`.as('earliest'))
    .executeTakeFirstOrThrow();
  const superseded = await transaction
    .updateTable('transactions')
    .set({
      superseded_at: sql<string>`now()`,
      supersede_rule: 'vanished',
      // So that a list from before this one does not bring it back.
      refreshed_at: sql<string>`coalesce(${refreshedAt?.at ?? null}::timestamptz, refreshed_at)`,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where(isGone(list))
    .where(sql<boolean>`(status = 'PENDING' or booking_date > ${earliest}::date)`)
    .returning('transaction_id')
    .execute();
  return superseded.length;
}
