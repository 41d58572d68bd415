// Writes what a list of entities has brought, in the transaction of its page, and tells the application. What webhooks
// have told already is written too and told of no more.
import type { CanonicalEntity } from '../core/canonical.ts';
import { appendChanges } from '../store/change-store.ts';
import type { TablesTransaction } from '../store/database.ts';
import { applyEntityFacts, type FactOrder } from '../store/entity-store.ts';
import { readKnownEntities, type KnownEntity } from '../store/listed-entity-store.ts';
import { hasReadHistory } from '../store/sync-store.ts';
import { applyEntityWord } from './entity-state.ts';
import { storeListedConsents } from './listed-consents.ts';
import { saysMore, type EntityNews, type ListedEntity, type SaidState } from './listed-entity.ts';
import { endEntity } from './stopped-entity.ts';
import type { SweepDeps } from './sweep-parts.ts';

interface Given {
  readonly listed: ListedEntity;
  /** When Lean said so. */
  readonly order: FactOrder;
  /** As the list of banks has it; null where it is known, or nowhere to be had. */
  readonly bankName: string | null;
}

/** Its data may have been announced and not heard of. */
export interface FollowedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
  /** Nothing of it was ever read. */
  readonly isNew: boolean;
}

export interface AppliedNews {
  readonly found: number;
  readonly followed: readonly FollowedEntity[];
}

const nothing: AppliedNews = { found: 0, followed: [] };

export async function applyNews(
  deps: SweepDeps,
  transaction: TablesTransaction,
  { news, ...given }: Given & { readonly news: EntityNews },
): Promise<AppliedNews> {
  switch (news.kind) {
    case 'none':
      return nothing;
    case 'ended':
      return endListed(deps, transaction, given);
    case 'found': {
      const said = { state: news.state, sinceNs: null };
      return writeEntity(deps, transaction, { ...given, entity: given.listed.entity, said });
    }
    case 'changed':
      return writeEntity(deps, transaction, { ...given, entity: news.entity, said: news.state });
  }
}

async function endListed(
  { database }: SweepDeps,
  transaction: TablesTransaction,
  { listed, order }: Given,
): Promise<AppliedNews> {
  const { entityId, customerId } = listed.entity;
  const isEnded = await endEntity(database, transaction, {
    entityId,
    customerId,
    order,
    reason: 'LEAN_ENTITY_UNKNOWN',
    source: 'sweep',
  });
  return { ...nothing, found: isEnded ? 1 : 0 };
}

interface WrittenEntity extends Given {
  readonly entity: CanonicalEntity;
  readonly said: SaidState | null;
}

async function writeEntity(
  { database }: SweepDeps,
  transaction: TablesTransaction,
  { entity, said, order, bankName }: WrittenEntity,
): Promise<AppliedNews> {
  const { entityId, customerId, bankIdentifier, permissions } = entity;
  const { applied, isTold } = await applyEntityWord(database, transaction, {
    facts: { ...entity, bankName },
    order,
    state: said?.state ?? null,
    sinceNs: said?.sinceNs ?? null,
    origin: { source: 'sweep' },
  });
  if (applied.state !== 'active') return { ...nothing, found: isTold ? 1 : 0 };
  if (!isTold) {
    const known = (await readKnownEntities(transaction, [entityId])).get(entityId);
    if (known === undefined || saysMore(entity, known)) return nothing;
    // No change has a name of its own for this, and what only a sweep has found is always told.
    const details = { bankIdentifier, permissions: permissions?.length ?? null, source: 'sweep' } as const;
    await appendChanges(transaction, [{ change: 'entity.connected', entityId, customerId, details }]);
  }
  const isNew = !(await hasReadHistory(transaction, entityId));
  return { found: 1, followed: [{ entityId, customerId, isNew }] };
}

/** Where everything else is known already. */
export async function nameBank(
  { database }: SweepDeps,
  transaction: TablesTransaction,
  { listed, order, bankName, known }: Given & { readonly known: KnownEntity },
): Promise<void> {
  const { entityId, bankIdentifier } = listed.entity;
  if (bankName === null || known.bankIdentifier !== bankIdentifier) return;
  await applyEntityFacts(database, transaction, { facts: { entityId, bankName }, order });
}

/** Gives how many of them have changed and nobody had told so: then the entity is read again, as after the webhook. */
export async function storeConsents(
  { database, keyRing }: SweepDeps,
  transaction: TablesTransaction,
  { listed, order, settledNs }: Given & { readonly settledNs: bigint },
): Promise<number> {
  const { entity, isGone, consents, changedNs } = listed;
  if (isGone || (changedNs ?? 0n) > settledNs) return 0;
  const { entityId, customerId } = entity;
  const origin = { source: 'sweep' } as const;
  const given = { entityId, customerId, consents, order, keyRing, origin };
  return storeListedConsents(database, transaction, given);
}
