// What becomes of transactions that changed or are gone: former contents are kept as numbered versions, and rows that
// a complete list no longer has are superseded. Nothing is deleted here.
import { sql } from 'kysely';
import type { Instant } from '../core/instant.ts';
import type { Executor } from './database.ts';
import { isNotNewerThan } from './freshness.ts';

export interface KeepVersions {
  readonly entityId: string;
  readonly accountId: string;
  readonly transactionIds: readonly string[];
  /** The event that led to the new content. */
  readonly eventKey: string | null;
}

/** Copies the rows as they are now, before they are replaced, under the next version number each. */
export async function keepVersions(
  transaction: Executor,
  { entityId, accountId, transactionIds, eventKey }: KeepVersions,
): Promise<void> {
  if (transactionIds.length === 0) return;
  const copied = [
    'entity_id',
    'account_id',
    'transaction_id',
    'customer_id',
    'amount',
    'currency',
    'credit_debit_indicator',
    'status',
    'mutability',
    'booked_at_text',
    'booking_date',
    'description',
    'reference',
    'content_hash',
    'normalizer_version',
    'raw',
  ] as const;
  await transaction
    .insertInto('transaction_versions')
    .columns([...copied, 'version', 'event_key'])
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
        ]),
    )
    .execute();
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

/**
 * Supersedes rows that a complete list did not have, unless a newer list did, and gives their number. Only a PENDING
 * row may vanish on any day, since it either settles or lapses. Every other one counts as gone only if the list
 * reaches back behind its day: Lean holds about a year, and a payment that has merely become too old for it is not
 * undone. The list's first day itself may have been cut anywhere.
 */
export async function supersedeVanished(
  transaction: Executor,
  { entityId, accountId, syncId, from, to, availableFrom, refreshedAt }: SupersedeVanished,
): Promise<number> {
  const listAt = refreshedAt?.at ?? null;
  const { earliest } = await transaction
    .selectFrom('transactions')
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('seen_sync_id', '=', syncId)
    .select(sql<string | null>`least(min(booking_date), ${availableFrom}::date)`.as('earliest'))
    .executeTakeFirstOrThrow();
  let query = transaction
    .updateTable('transactions')
    .set({
      superseded_at: sql<string>`now()`,
      supersede_rule: 'vanished',
      // So that a list from before this one does not bring it back.
      refreshed_at: sql<string>`coalesce(${listAt}::timestamptz, refreshed_at)`,
      updated_at: sql`now()`,
    })
    .where('entity_id', '=', entityId)
    .where('account_id', '=', accountId)
    .where('superseded_at', 'is', null)
    .where(sql<boolean>`seen_sync_id is distinct from ${syncId}`)
    .where(isNotNewerThan(listAt))
    .where(sql<boolean>`(status = 'PENDING' or booking_date > ${earliest}::date)`);
  if (from !== null) query = query.where('booking_date', '>=', from);
  if (to !== null) query = query.where('booking_date', '<=', to);
  const superseded = await query.returning('transaction_id').execute();
  return superseded.length;
}
