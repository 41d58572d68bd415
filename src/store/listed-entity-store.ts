// What is known of the entities on a page of Lean's list, and which of them belong to somebody who was erased.
import { sql } from 'kysely';
import type { Database, Executor, TablesTransaction } from './database.ts';
import { lockEntities } from './entity-lock.ts';
import { replyNsOf } from './entity-store.ts';
import { findErased, holdOffErasures, readDigestInUse } from './erasure-store.ts';
import { gathered } from './gathered.ts';

export interface ListedConnection {
  readonly entityId: string;
  readonly customerId: string | null;
  /** When it was connected, in nanoseconds; null where Lean does not say. */
  readonly connectedNs: bigint | null;
}

export interface KnownEntity {
  readonly state: 'active' | 'action_required' | 'ended';
  /** Why it is not active. */
  readonly reason: string | null;
  /** Of what last decided the state, in nanoseconds; null where that has no time. */
  readonly stateNs: bigint | null;
  readonly customerId: string | null;
  readonly bankIdentifier: string | null;
  readonly bankName: string | null;
  readonly permissions: readonly string[] | null;
  /** Of the reply of Lean whose permissions hold, in nanoseconds; null where an event gave them, or nothing did. */
  readonly permissionsReplyNs: bigint | null;
}

export interface JudgedEntities {
  /** Entities we have. */
  readonly known: ReadonlyMap<string, KnownEntity>;
  /** Nothing of these may be kept. */
  readonly erased: ReadonlySet<string>;
}

/** Until the transaction ends no erasure begins and nobody else writes these, so that the answer holds for what it stores. */
export async function judgeListedEntities(
  database: Database,
  transaction: TablesTransaction,
  listed: readonly ListedConnection[],
): Promise<JudgedEntities> {
  await holdOffErasures(database, transaction);
  if (listed.length === 0) return { known: new Map(), erased: new Set() };
  const entityIds = listed.map(({ entityId }) => entityId);
  await lockEntities(database, transaction, entityIds);
  const known = await readKnownEntities(transaction, entityIds);
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
  return { known, erased: new Set([...places].flatMap((place) => listed[place]?.entityId ?? [])) };
}

/** Those that we have, by id. */
export async function readKnownEntities(
  transaction: Executor,
  entityIds: readonly string[],
): Promise<ReadonlyMap<string, KnownEntity>> {
  return readTogether(transaction, entityIds);
}

const readTogether = gathered(async (transaction: Executor, wanted: readonly (readonly string[])[]) => {
  const known = await readEntities(transaction, [...new Set(wanted.flat())]);
  return wanted.map((entityIds) => new Map(entityIds.flatMap((id) => entryOf(known, id))));
});

function entryOf(known: ReadonlyMap<string, KnownEntity>, entityId: string): [string, KnownEntity][] {
  const entity = known.get(entityId);
  return entity === undefined ? [] : [[entityId, entity]];
}

async function readEntities(
  transaction: Executor,
  entityIds: readonly string[],
): Promise<ReadonlyMap<string, KnownEntity>> {
  const rows = await transaction
    .selectFrom('entities')
    .select(['entity_id as entityId', 'state', 'state_event_ns as stateNs', 'customer_id as customerId'])
    .select('state_reason as reason')
    .select(['bank_identifier as bankIdentifier', 'bank_name as bankName', 'permissions'])
    .select(sql<string | null>`field_orders ->> 'permissions'`.as('permissionsOrder'))
    .where('entity_id', 'in', entityIds)
    .execute();
  return new Map(
    rows.map(({ entityId, permissionsOrder, ...known }) => [
      entityId,
      { ...known, permissionsReplyNs: replyNsOf(permissionsOrder) },
    ]),
  );
}
