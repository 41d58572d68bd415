// One page of Lean's entities by date: one whose `entity.created` was lost is found, and one that Lean has removed,
// of which no webhook tells, is ended. Consents are taken along. Nothing of somebody erased is kept.
import type { CanonicalConsent } from '../core/canonical-access.ts';
import type { CanonicalEntity } from '../core/canonical.ts';
import { readInstant } from '../core/local-date.ts';
import { unreadableReply } from '../lean/lean-failures.ts';
import { readConsents } from '../lean/lean-things.ts';
import { normalizeConsents } from '../lean/normalize-consent.ts';
import { normalizeEntity } from '../lean/normalize-entity.ts';
import type { WireItem } from '../lean/read-list.ts';
import type { WireEntity } from '../lean/wire-entity.ts';
import { appendChanges } from '../store/change-store.ts';
import { upsertConsents } from '../store/consent-store.ts';
import type { TablesTransaction } from '../store/database.ts';
import { applyEntityFacts, type EntityState, type FactOrder } from '../store/entity-store.ts';
import { judgeListedEntities } from '../store/listed-entity-store.ts';
import { requestSync } from '../store/sync-store.ts';
import { stopEntity } from './stopped-entity.ts';
import type { SweepDeps, SweepPage, SweepReply, SweptPage } from './sweep-parts.ts';
import { daysAround, settledMs } from './sweep-plan.ts';

export async function readEntitiesPage(
  deps: SweepDeps,
  { window, page, progress }: SweepPage,
  signal: AbortSignal,
): Promise<SweepReply> {
  const reply = await deps.lean.getEntitiesByDate({ ...daysAround(window), page, signal });
  const { facts } = reply;
  if (reply.kind === 'failed') return reply;
  if (reply.kind === 'pending') return { kind: 'failed', failure: unreadableReply(null), facts };
  const at = reply.timestamp ?? reply.httpDate;
  const order: FactOrder = {
    ns: at?.ns ?? BigInt(deps.now().getTime()) * 1_000_000n,
    key: `reply:entities:${progress.revision}`,
    source: 'reply',
  };
  return {
    kind: 'page',
    isLastPage: reply.isLastPage,
    unreadable: reply.unreadable.length,
    facts,
    store: (transaction) => storeEntities(deps, transaction, { items: reply.items, order }),
  };
}

interface Listed {
  readonly entity: CanonicalEntity;
  readonly consents: readonly CanonicalConsent[];
  readonly connectedNs: bigint | null;
  /** Lean has taken it away. */
  readonly isGone: boolean;
}

function readListed({ wire, raw }: WireItem<WireEntity>): Listed {
  const entity = normalizeEntity(wire);
  const consents = normalizeConsents(readConsents(raw).items);
  return {
    entity,
    consents,
    connectedNs: readInstant(wire.created_at)?.ns ?? null,
    isGone: wire.status === 'DELETED' || wire.status === 'REMOVED',
  };
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
  const ours = listed.filter(({ entity }) => !erased.has(entity.entityId));
  const found: CanonicalEntity[] = [];
  let ended = 0;
  const settledNs = BigInt(deps.now().getTime() - settledMs) * 1_000_000n;
  for (const { entity, isGone, connectedNs } of ours) {
    const state = known.get(entity.entityId);
    if (isGone && state !== undefined && state !== 'ended') {
      ended += (await endEntity(deps, transaction, { entity, order })) ? 1 : 0;
    } else if (!isGone && state === undefined && (connectedNs ?? 0n) <= settledNs) {
      await addEntity(deps, transaction, { entity, order });
      found.push(entity);
    }
  }
  await storeConsents(deps, transaction, { listed: ours, order });
  const next = await followFound(deps, transaction, found);
  return { found: found.length + ended, openEvents: [], ...next };
}

async function storeConsents(
  { database, keyRing }: SweepDeps,
  transaction: TablesTransaction,
  { listed, order }: { readonly listed: readonly Listed[]; readonly order: FactOrder },
): Promise<void> {
  for (const { entity, consents, isGone } of listed) {
    if (isGone || consents.length === 0) continue;
    const { entityId, customerId } = entity;
    const given = { entityId, customerId, consents, order, source: 'item', keyRing } as const;
    await upsertConsents(database, transaction, given);
  }
}

interface OrderedEntity {
  readonly entity: CanonicalEntity;
  readonly order: FactOrder;
}

async function endEntity(
  { database, now }: SweepDeps,
  transaction: TablesTransaction,
  { entity: { entityId, customerId }, order: { key } }: OrderedEntity,
): Promise<boolean> {
  const failure = { code: 'LEAN_ENTITY_UNKNOWN', reconnectId: null } as const;
  return stopEntity(database, transaction, { entityId, customerId, failure, now: now(), orderKey: key });
}

async function addEntity(
  { database }: SweepDeps,
  transaction: TablesTransaction,
  { entity, order }: OrderedEntity,
): Promise<void> {
  const { entityId, customerId, bankIdentifier, permissions } = entity;
  const state: EntityState =
    permissions?.length === 0
      ? { state: 'action_required', reason: 'PERMISSIONS_REVOKED' }
      : { state: 'active', reason: null };
  await applyEntityFacts(database, transaction, { facts: { ...entity, state }, order });
  await appendChanges(transaction, [
    {
      change: 'entity.connected',
      entityId,
      customerId,
      details: { bankIdentifier, permissions: permissions?.length ?? null, source: 'sweep' },
    },
  ]);
}

/** With refreshes, Lean is asked whether there is anything to fetch yet; its own fetching may be under way. */
async function followFound(
  { database, hasRefreshes }: SweepDeps,
  transaction: TablesTransaction,
  found: readonly CanonicalEntity[],
): Promise<Pick<SweptPage, 'askedEntities' | 'syncIds'>> {
  if (hasRefreshes) return { askedEntities: found.map(({ entityId }) => entityId), syncIds: [] };
  const syncIds: string[] = [];
  for (const { entityId, customerId } of found) {
    const { syncId } = await requestSync(database, transaction, {
      entityId,
      customerId,
      reason: 'sweep',
      eventKey: null,
      dataStatus: null,
      fullHistory: true,
      rereadEntity: false,
    });
    syncIds.push(syncId);
  }
  return { askedEntities: [], syncIds };
}
