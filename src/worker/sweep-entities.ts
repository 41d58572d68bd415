// One page of Lean's entities by date: one whose `entity.created` was lost is found, one whose `entity.updated` was lost
// is brought up to date, and one that Lean has removed, of which no webhook tells, is ended. Consents are taken along.
// Nothing of somebody erased is kept.
import type { WireItem } from '../lean/read-list.ts';
import type { WireEntity } from '../lean/wire-entity.ts';
import { readBankNames } from '../store/bank-store.ts';
import type { TablesTransaction } from '../store/database.ts';
import type { FactOrder } from '../store/entity-store.ts';
import { judgeListedEntities } from '../store/listed-entity-store.ts';
import { requestSync } from '../store/sync-store.ts';
import { newsOf, readListed } from './listed-entity.ts';
import { applyNews, nameBank, storeConsents, type FollowedEntity } from './listed-entity-rows.ts';
import { replyOrder } from './reply-order.ts';
import {
  nothingSwept,
  sweepReplyOf,
  type SweepDeps,
  type SweepPage,
  type SweepReply,
  type SweptPage,
} from './sweep-parts.ts';
import { daysAround, settledMs } from './sweep-plan.ts';

export async function readEntitiesPage(
  deps: SweepDeps,
  { window, page, progress }: SweepPage,
  signal: AbortSignal,
): Promise<SweepReply> {
  const reply = await deps.lean.getEntitiesByDate({ ...daysAround(window), page, signal });
  return sweepReplyOf(reply, ({ timestamp, httpDate, facts, items }) => {
    const at = timestamp ?? httpDate;
    const order = replyOrder({ at, facts, now: deps.now(), key: `entities:${progress.revision}` });
    return (transaction) => storeEntities(deps, transaction, { items, order });
  });
}

async function storeEntities(
  deps: SweepDeps,
  transaction: TablesTransaction,
  { items, order }: { readonly items: readonly WireItem<WireEntity>[]; readonly order: FactOrder },
): Promise<SweptPage> {
  const { database } = deps;
  // Sorted, so that transactions which lock several entities never wait for each other.
  const listed = items
    .map(readListed)
    .toSorted((left, right) => (left.entity.entityId < right.entity.entityId ? -1 : 1));
  const facts = listed.map(({ entity: { entityId, customerId }, connectedNs }) => ({
    entityId,
    customerId,
    connectedNs,
  }));
  const { known, erased } = await judgeListedEntities(database, transaction, facts);
  const names = await readBankNames(
    transaction,
    listed.flatMap(({ entity: { bankIdentifier } }) => bankIdentifier ?? []),
  );
  const settledNs = BigInt(deps.now().getTime() - settledMs) * 1_000_000n;
  const followed: FollowedEntity[] = [];
  const reread: FollowedEntity[] = [];
  let found = 0;
  for (const one of listed) {
    const { entityId } = one.entity;
    if (erased.has(entityId)) continue;
    const before = known.get(entityId);
    // Only the webhook that never came has the bank's name in it, so the list of banks gives it.
    const name = names.get(one.entity.bankIdentifier ?? '') ?? null;
    const given = { listed: one, order, bankName: before?.bankName == null ? name : null };
    const applied = await applyNews(deps, transaction, {
      ...given,
      news: newsOf(one, { known: before, settledNs }),
    });
    if (before !== undefined) await nameBank(deps, transaction, { ...given, known: before });
    const changedConsents = await storeConsents(deps, transaction, { ...given, settledNs });
    if (changedConsents > 0 && before?.state !== 'ended') {
      reread.push({ entityId, customerId: one.entity.customerId, isNew: false });
    }
    found += applied.found + changedConsents;
    followed.push(...applied.followed);
  }
  // With refreshes, Lean is asked whether there is anything to fetch yet; its own fetching may be under way.
  const { hasRefreshes } = deps;
  const askedEntities = hasRefreshes ? followed.map(({ entityId }) => entityId) : [];
  const syncIds = await requestSyncs(deps, transaction, hasRefreshes ? reread : [...followed, ...reread]);
  return { ...nothingSwept, found, askedEntities, syncIds };
}

async function requestSyncs(
  { database }: SweepDeps,
  transaction: TablesTransaction,
  entities: readonly FollowedEntity[],
): Promise<readonly string[]> {
  const syncIds: string[] = [];
  for (const { entityId, customerId, isNew } of entities) {
    const { syncId } = await requestSync(database, transaction, {
      entityId,
      customerId,
      reason: 'sweep',
      eventKey: null,
      dataStatus: null,
      fullHistory: isNew,
      rereadEntity: !isNew,
    });
    syncIds.push(syncId);
  }
  return syncIds;
}
