// What is settled about an event before anything of it is kept: is it of somebody who was erased, or so old that its
// key may have been forgotten already? Judged by the database's clock, which is the one that forgets keys.
import { sql } from 'kysely';
import type { Database, TablesTransaction } from './database.ts';
import { erasuresHeldOff, findErased, readDigestInUse } from './erasure-store.ts';
import type { IntakeDelivery } from './intake-groups.ts';

export interface JudgeArrivals {
  readonly deliveries: readonly IntakeDelivery[];
  /** How long keys are kept, EVENT_KEY_KEEP_DAYS; undefined: for ever. */
  readonly eventKeyKeepDays: number | undefined;
}

/** Until the transaction ends no erasure begins, so that the answer holds for what it stores. */
export async function judgeArrivals(
  database: Database,
  transaction: TablesTransaction,
  { deliveries, eventKeyKeepDays }: JudgeArrivals,
): Promise<IntakeDelivery[]> {
  const oldestNs = await holdOffAndReadOldestNs(database, transaction, eventKeyKeepDays);
  const digest = await readDigestInUse(transaction);
  const erased =
    digest === null ? new Set() : await findErased(transaction, { events: deliveries.map(facts), digest });
  return deliveries.map((delivery, place) => {
    if (erased.has(place)) return withoutCustomer(delivery);
    return oldestNs !== null && isTooOld(delivery, oldestNs) ? asTooOld(delivery) : delivery;
  });
}

function facts({ type, occurredAt, customerId, entityId, resultsId = null }: IntakeDelivery) {
  return { type, occurredAtNs: occurredAt?.ns ?? null, customerId, entityId, resultsId };
}

/** Two questions in one statement, as every batch asks both; null: no event is too old. */
async function holdOffAndReadOldestNs(
  database: Database,
  transaction: TablesTransaction,
  keepDays: number | undefined,
): Promise<bigint | null> {
  const { rows } = await sql<{ oldest: Date | null }>`
    select ${erasuresHeldOff(database)}, now() - make_interval(days => ${keepDays ?? null}::int) as oldest
  `.execute(transaction);
  const oldest = rows[0]?.oldest ?? null;
  return oldest === null ? null : BigInt(oldest.getTime()) * 1_000_000n;
}

/** Its key would have been deleted had it come in time, so nobody can tell a replay of it from the event itself. */
function isTooOld({ occurredAt }: Pick<IntakeDelivery, 'occurredAt'>, oldestNs: bigint): boolean {
  return occurredAt !== null && occurredAt.ns < oldestNs;
}

/** Set aside with its body, where an operator sees it and may let it count all the same. */
function asTooOld(delivery: IntakeDelivery): IntakeDelivery {
  if (delivery.state === 'quarantined') return delivery;
  return { ...delivery, state: 'quarantined', failureCode: 'EVENT_TOO_OLD' };
}

/** What is left lets a further delivery of the same event be known, and names nobody. */
function withoutCustomer(delivery: IntakeDelivery): IntakeDelivery {
  return { ...delivery, customerId: null, entityId: null, state: 'ignored', failureCode: 'CUSTOMER_ERASED' };
}
