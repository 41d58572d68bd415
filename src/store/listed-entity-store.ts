// What is known of the entities on a page of Lean's list, and which of them belong to somebody who was erased.
import type { Database, TablesTransaction } from './database.ts';
import { findErased, holdOffErasures, readDigestInUse } from './erasure-store.ts';

export interface ListedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  /** When it was connected, in nanoseconds; null where Lean does not say. */
  readonly connectedNs: bigint | null;
}

export interface JudgedEntities {
  /** Entities we have, with their states. */
  readonly known: ReadonlyMap<string, string>;
  /** Nothing of these may be kept. */
  readonly erased: ReadonlySet<string>;
}

/** Until the transaction ends no erasure begins, so that the answer holds for what it stores. */
export async function judgeListedEntities(
  database: Database,
  transaction: TablesTransaction,
  listed: readonly ListedEntity[],
): Promise<JudgedEntities> {
  await holdOffErasures(database, transaction);
  if (listed.length === 0) return { known: new Map(), erased: new Set() };
  const ids = listed.map(({ entityId }) => entityId);
  const rows = await transaction
    .selectFrom('entities')
    .select(['entity_id', 'state'])
    .where('entity_id', 'in', ids)
    .execute();
  const known = new Map(rows.map(({ entity_id: entityId, state }) => [entityId, state]));
  const digest = await readDigestInUse(transaction);
  if (digest === null) return { known, erased: new Set() };
  // A connection made after the erasure counts as one that is heard of by webhook.
  const events = listed.map(({ entityId, customerId, connectedNs }) => ({
    type: 'entity.created',
    occurredAtNs: connectedNs,
    customerId,
    entityId,
    resultsId: null,
  }));
  const places = await findErased(transaction, { events, digest });
  return { known, erased: new Set([...places].flatMap((place) => ids[place] ?? [])) };
}
