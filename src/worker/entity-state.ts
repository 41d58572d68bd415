// What events and replies of Lean say of an entity and its state, written in one place: the application is told when
// it turns, once, and of nothing that does not hold; what still waits for an entity that was stopped ends.
import type { ChangeOrigin } from '../core/change-schemas.ts';
import { appendChanges } from '../store/change-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { lockEntity } from '../store/entity-lock.ts';
import {
  applyEntityFacts,
  type AppliedFacts,
  type EntityFacts,
  type EntityState,
  type FactOrder,
} from '../store/entity-store.ts';
import { readKnownEntities, type KnownEntity } from '../store/listed-entity-store.ts';
import { dropWaitingRun } from '../store/waiting-run-store.ts';

export const active = { state: 'active', reason: null } as const satisfies EntityState;
/** No permission is left: so Lean tells of a consent that was taken back. */
export const revoked = {
  state: 'action_required',
  reason: 'PERMISSIONS_REVOKED',
} as const satisfies EntityState;
/** What can be told here; how an entity stops otherwise, and ends, is told in stopped-entity.ts. */
export type SaidEntityState = typeof active | typeof revoked;

export interface SaidOfEntity {
  readonly facts: Omit<EntityFacts, 'state'>;
  readonly order: FactOrder;
  /** Null where nothing is said of it. */
  readonly state: SaidEntityState | null;
  /** Since when the state is so; null or left out: as everything else. */
  readonly sinceNs?: bigint | null;
  /** Where the caller holds the entity's lock: how it is, as read since then; undefined: not known at all. */
  readonly locked?: { readonly former: KnownEntity | undefined };
  /** The event that led to it. */
  readonly eventKey?: string | null;
  /** For the change, beside what it says of itself. */
  readonly origin?: ChangeOrigin;
}

export interface AppliedWord {
  readonly applied: AppliedFacts;
  /** As it was before. */
  readonly former: KnownEntity | undefined;
  /** It has turned, and the application was told. */
  readonly isTold: boolean;
}

/** Part of the caller's transaction, in which it takes the entity's lock unless the caller holds it. */
export async function applyEntityWord(
  database: Database,
  transaction: TablesTransaction,
  said: SaidOfEntity,
): Promise<AppliedWord> {
  const { facts, eventKey = null, origin = {} } = said;
  const { entityId } = facts;
  const { former } = said.locked ?? (await lockAndRead(database, transaction, entityId));
  const applied = await applyFactsAndState(database, transaction, said);
  const about = { entityId, customerId: facts.customerId ?? former?.customerId ?? null, eventKey };
  const isBack = applied.state === 'active' && former?.state !== 'active';
  if (isBack) {
    const { bankIdentifier = null, permissions } = facts;
    const first = { bankIdentifier, permissions: permissions?.length ?? null };
    const connected = former === undefined ? first : ({ reconnected: true } as const);
    await appendChanges(transaction, [
      { change: 'entity.connected', ...about, details: { ...origin, ...connected } },
    ]);
  }
  const reason = said.state?.reason ?? null;
  const isStopped = applied.stateWritten && reason !== null && former?.reason !== reason;
  if (isStopped) {
    const details = { ...origin, reason, reconnectId: null, reconnectExpiresAt: null };
    await appendChanges(transaction, [{ change: 'entity.action_required', ...about, details }]);
    await dropWaitingRun(transaction, { entityId, failureCode: stoppedRunCode });
  }
  return { applied, former, isTold: isBack || isStopped };
}

async function lockAndRead(database: Database, transaction: TablesTransaction, entityId: string) {
  await lockEntity(database, transaction, entityId);
  return { former: (await readKnownEntities(transaction, [entityId])).get(entityId) };
}

/** Why a run ends whose entity has no permission left. */
export const stoppedRunCode = 'CONSENT_EXPIRED';

/** Tells nobody. Of a state with a time of its own no event is that late: it leaves no mark as the last one. */
export async function applyFactsAndState(
  database: Database,
  transaction: TablesTransaction,
  { facts, order, state, sinceNs = null }: Pick<SaidOfEntity, 'facts' | 'order' | 'state' | 'sinceNs'>,
): Promise<AppliedFacts> {
  if (state === null || sinceNs === null) {
    return applyEntityFacts(database, transaction, { facts: { ...facts, state }, order });
  }
  await applyEntityFacts(database, transaction, { facts, order });
  const { entityId } = facts;
  return applyEntityFacts(database, transaction, {
    facts: { entityId, state },
    order: { ...order, ns: sinceNs, source: 'reply' },
  });
}
