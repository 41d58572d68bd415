// Ties pending payments that are gone from a complete list to the bookings they have become. Nothing is deleted, and
// who is not certain is left for a later list. Runs in the transaction that closes a sync, when the whole list is there.
import { sql, type RawBuilder } from 'kysely';
import {
  earlierDays,
  explicitNames,
  matchBookings,
  referenceDays,
  type BookingMatch,
  type MatchablePayment,
} from '../core/match-bookings.ts';
import type { Database, Executor } from './database.ts';
import { isGone, type SupersedeVanished } from './transaction-version-store.ts';

export interface LinkBookings extends Omit<SupersedeVanished, 'availableFrom'> {
  /** Of either side; 20,000 when left out. */
  readonly rowsLimit?: number;
}

export interface LinkedBookings {
  /** Superseded by their bookings now. */
  readonly superseded: number;
  /** Taken for vanished before, when their bookings had not been listed yet. */
  readonly relinked: number;
}

/** Of one account: its bookings of some weeks, in a busy company's too. */
const defaultRowsLimit = 20_000;

/** In core's words, wherever a reference is compared or counted. */
const trimmedReference = sql`btrim(reference, ${' \t\n\r\f\v\u00a0'}::text)`;

/**
 * Before `supersedeVanished`, which takes what is left. The caller holds the entity's lock. Links nothing where there are
 * more rows than the limit: among those that were not read may be the one that makes a match uncertain.
 */
export async function linkBookings(
  database: Database,
  transaction: Executor,
  { rowsLimit = defaultRowsLimit, ...list }: LinkBookings,
): Promise<LinkedBookings> {
  const isUsable = ({ length }: readonly MatchablePayment[]) => length > 0 && length <= rowsLimit;
  const limit = rowsLimit + 1;
  const pending = await findGone(database, transaction, { ...list, limit });
  if (!isUsable(pending)) return nothingLinked;
  const booked = await findUnclaimed(database, transaction, { ...list, pending, limit });
  if (!isUsable(booked)) return nothingLinked;
  const referenceUses = await countReferences(database, transaction, { ...list, pending, booked });
  return write(database, transaction, {
    ...list,
    matches: matchBookings({ pending, booked, referenceUses }),
  });
}

const nothingLinked: LinkedBookings = { superseded: 0, relinked: 0 };

type List = Omit<LinkBookings, 'rowsLimit'>;

interface Limited extends List {
  readonly limit: number;
}

/** A payment as `matchBookings` takes it; `listed` is a column or an expression. */
function matchable(listed: ReturnType<typeof sql>) {
  return sql`transaction_id as "transactionId", ${trimmedReference} as reference, trim_scale(amount)::text as amount, currency,
    credit_debit_indicator as indicator, counterparty ->> 'identification' as identification,
    counterparty ->> 'name' as name, merchant_name as "merchantName",
    coalesce(booking_date, (value_at at time zone 'UTC')::date)::text as day,
    (extract(epoch from ${listed}) * 1000)::float8 as "listedAtMs"`;
}

/**
 * A former version's worker leaves `last_listed_at` as it was: then `refreshed_at` says when the row was last there, until
 * it is superseded. What a row of a former version that had vanished says about its last list is overwritten: it stays as it is.
 */
async function findGone(
  database: Database,
  transaction: Executor,
  { limit, ...list }: Limited,
): Promise<MatchablePayment[]> {
  const lastListed = sql`coalesce(
    case when superseded_at is null then greatest(last_listed_at, refreshed_at) else last_listed_at end, created_at)`;
  const { rows } = await sql<MatchablePayment>`
    select ${matchable(lastListed)}
    from ${database.table('transactions')}
    where entity_id = ${list.entityId} and account_id = ${list.accountId}
      and status = 'PENDING' and superseded_by is null
      and (
        ${isGone(list)}
        or (supersede_rule = 'vanished' and last_listed_at is not null
          and superseded_at > now() - make_interval(days => ${referenceDays}))
      )
    order by booking_date, transaction_id
    limit ${limit}
  `.execute(transaction);
  return rows;
}

async function findUnclaimed(
  database: Database,
  transaction: Executor,
  { entityId, accountId, pending, limit }: Limited & { readonly pending: readonly MatchablePayment[] },
): Promise<MatchablePayment[]> {
  const [earliestMs = 0] = pending
    .map(({ listedAtMs }) => listedAtMs)
    .toSorted((left, right) => left - right);
  const { rows } = await sql<MatchablePayment>`
    select ${matchable(sql`first_listed_at`)}
    from ${database.table('transactions')} as booked
    where entity_id = ${entityId} and account_id = ${accountId} and status = 'BOOKED' and superseded_at is null
      and first_listed_at > to_timestamp(${earliestMs / 1_000}::float8)
      and ${isWithinReach(pending)}
      and not exists (
        select from ${database.table('transactions')} as claimed
        where claimed.entity_id = booked.entity_id and claimed.account_id = booked.account_id
          and claimed.superseded_by = booked.transaction_id
      )
    order by booking_date, transaction_id
    limit ${limit}
  `.execute(transaction);
  return rows;
}

/** No rule reaches further; an account may have years of bookings, and an index of their days. */
function isWithinReach(pending: readonly MatchablePayment[]): RawBuilder<unknown> {
  const days = pending.flatMap(({ day }) => day ?? []).toSorted();
  if (days.length < pending.length) return sql`true`;
  return sql`(booking_date is null or booking_date between ${days[0]}::date - ${sql.lit(earlierDays)}
    and ${days.at(-1)}::date + ${sql.lit(referenceDays)})`;
}

interface BothSides extends List {
  readonly pending: readonly MatchablePayment[];
  readonly booked: readonly MatchablePayment[];
}

/** Only of what both sides name: mostly nothing. */
async function countReferences(
  database: Database,
  transaction: Executor,
  { entityId, accountId, pending, booked }: BothSides,
): Promise<ReadonlyMap<string, number>> {
  const ofPending = new Set(pending.flatMap(explicitNames));
  const names = booked.flatMap(explicitNames).filter((name) => ofPending.has(name));
  if (names.length === 0) return new Map();
  const { rows } = await sql<{ reference: string; uses: number }>`
    select ${trimmedReference} as reference, count(*)::int as uses from ${database.table('transactions')}
    where entity_id = ${entityId} and account_id = ${accountId}
      and ${trimmedReference} = any (${[...new Set(names)]}::text[])
    group by 1
  `.execute(transaction);
  return new Map(rows.map(({ reference, uses }) => [reference, uses]));
}

async function write(
  database: Database,
  transaction: Executor,
  { entityId, accountId, refreshedAt, matches }: List & { readonly matches: readonly BookingMatch[] },
): Promise<LinkedBookings> {
  if (matches.length === 0) return nothingLinked;
  // superseded_at stays where it vanished before; the list's time goes with it, as when it vanishes.
  const { rows } = await sql<LinkedBookings>`
    with match as (
      select * from json_to_recordset(${JSON.stringify(matches)}::json)
        as match ("pendingId" text, "bookedId" text, rule text, confidence numeric)
    ), linked as (
      update ${database.table('transactions')} as pending set
        superseded_at = coalesce(superseded_at, now()), superseded_by = match."bookedId",
        supersede_rule = match.rule, supersede_confidence = match.confidence,
        refreshed_at = greatest(refreshed_at, ${refreshedAt?.at ?? null}::timestamptz),
        updated_at = now()
      from match
      where entity_id = ${entityId} and account_id = ${accountId} and transaction_id = match."pendingId"
      returning superseded_at = now() as is_new
    )
    select count(*) filter (where is_new)::int as superseded,
      count(*) filter (where not is_new)::int as relinked from linked
  `.execute(transaction);
  return rows[0] ?? nothingLinked;
}
