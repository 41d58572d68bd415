// What Lean's list of entities says of one of them that no webhook has brought. Decisions only: stores nothing, and
// takes a list's silence for no news.
import type { CanonicalConsent } from '../core/canonical-access.ts';
import type { CanonicalEntity } from '../core/canonical.ts';
import { readInstant } from '../core/local-date.ts';
import { readConsents } from '../lean/lean-things.ts';
import { normalizeConsents } from '../lean/normalize-consent.ts';
import { normalizeEntity } from '../lean/normalize-entity.ts';
import type { WireItem } from '../lean/read-list.ts';
import type { WireEntity } from '../lean/wire-entity.ts';
import type { KnownEntity } from '../store/listed-entity-store.ts';
import { active, revoked, type SaidEntityState } from './entity-state.ts';

export interface ListedEntity {
  readonly entity: CanonicalEntity;
  readonly consents: readonly CanonicalConsent[];
  readonly connectedNs: bigint | null;
  /** When the last of it happened that has a time; null where nothing has. */
  readonly changedNs: bigint | null;
  /** Lean has taken it away. */
  readonly isGone: boolean;
}

export type EntityNews =
  | { readonly kind: 'none' }
  | { readonly kind: 'ended' }
  /** Nobody has told of it. */
  | { readonly kind: 'found'; readonly state: SaidEntityState }
  /** Somebody has, and not of this; `state` is null where it stays. */
  | { readonly kind: 'changed'; readonly state: SaidState | null; readonly entity: CanonicalEntity };

export interface SaidState {
  readonly state: SaidEntityState;
  /** Since when; null where Lean says no more than that it is so now. */
  readonly sinceNs: bigint | null;
}

export function readListed({ wire, raw }: WireItem<WireEntity>): ListedEntity {
  const consents = normalizeConsents(readConsents(raw).items);
  const entity = normalizeEntity(wire);
  const connectedNs = readInstant(wire.created_at)?.ns ?? null;
  const times = [
    connectedNs,
    readInstant(wire.updated_at)?.ns ?? null,
    ...consents.flatMap((consent) => [
      consent.createdAtBank?.ns ?? null,
      consent.statusUpdatedAt?.ns ?? null,
    ]),
  ].filter((ns) => ns !== null);
  return {
    entity,
    consents,
    connectedNs,
    changedNs: times.length === 0 ? null : times.reduce((left, right) => (left > right ? left : right)),
    isGone: wire.status === 'DELETED' || wire.status === 'REMOVED',
  };
}

/** `settledNs`: what happened after it may still come by webhook, and counts as lost only at a later look. */
export function newsOf(
  listed: ListedEntity,
  { known, settledNs }: { readonly known: KnownEntity | undefined; readonly settledNs: bigint },
): EntityNews {
  const { isGone, changedNs } = listed;
  if (isGone) return known === undefined || known.state === 'ended' ? none : { kind: 'ended' };
  if ((changedNs ?? 0n) > settledNs || known?.state === 'ended') return none;
  if (known === undefined) {
    return { kind: 'found', state: listed.entity.permissions?.length === 0 ? revoked : active };
  }
  const entity = currentFacts(listed);
  const state = stateOf(listed, known);
  return state !== null || saysMore(entity, known) ? { kind: 'changed', state, entity } : none;
}

const none = { kind: 'none' } as const;

/** The list goes on naming what a consent allowed that is over: then it does not say what is allowed now. */
export function currentFacts({ entity, consents }: ListedEntity): CanonicalEntity {
  const isOver = consents.length > 0 && !consents.some(isConsentActive);
  return isOver && entity.permissions?.length !== 0 ? { ...entity, permissions: null } : entity;
}

/**
 * Taken back, or given anew since the entity was stopped; null where neither is certain. That there are permissions
 * says something only where their lack had stopped it: a bank that wants its customer again leaves them in place.
 */
export function stateOf(listed: ListedEntity, known: KnownEntity): SaidState | null {
  const { permissions } = currentFacts(listed);
  if (permissions === null) return null;
  if (permissions.length === 0) return known.state === 'active' ? { state: revoked, sinceNs: null } : null;
  if (known.state !== 'action_required') return null;
  if (known.reason === revoked.reason) return { state: active, sinceNs: null };
  const given = listed.consents.filter(isConsentActive).flatMap(givenNs);
  const sinceNs = given.reduce((left, right) => (left > right ? left : right), 0n);
  return sinceNs > (known.stateNs ?? 0n) ? { state: active, sinceNs } : null;
}

/** A consent is made before its customer authorises it. */
function givenNs({ createdAtBank, statusUpdatedAt }: CanonicalConsent): bigint[] {
  return [createdAtBank?.ns, statusUpdatedAt?.ns].filter((ns) => ns !== undefined);
}

/** Also true of what was written and does not hold, because a later word has it otherwise. */
export function saysMore(
  { customerId, bankIdentifier, permissions }: CanonicalEntity,
  known: KnownEntity,
): boolean {
  if (customerId !== null && known.customerId === null) return true;
  if (bankIdentifier !== null && known.bankIdentifier === null) return true;
  return permissions !== null && permissions.join('\n') !== known.permissions?.join('\n');
}

/** Webhooks say AUTHORISED where lists say ACTIVE. */
export function isConsentActive({ status }: Pick<CanonicalConsent, 'status'>): boolean {
  return status === 'ACTIVE' || status === 'AUTHORISED';
}
