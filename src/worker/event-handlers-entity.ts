// Events about an entity itself. They fill in the entity and, where the event alone cannot be trusted to be the
// newest word, have it read again from Lean. In v2 the data comes with its refresh, not with these.
import type { DetailsOf } from '../core/change-schemas.ts';
import { normalizeEntity } from '../lean/normalize-entity.ts';
import type { ReadableEnvelope } from '../lean/webhook-envelope.ts';
import { webhookPayloadSchemas } from '../lean/wire-webhook.ts';
import { appendChanges } from '../store/change-store.ts';
import { lockEntity } from '../store/entity-lock.ts';
import type { EntityFacts } from '../store/entity-store.ts';
import type { KnownEntity } from '../store/listed-entity-store.ts';
import { hasReadHistory, requestSync } from '../store/sync-store.ts';
import { active, applyEntityWord, applyFactsAndState, revoked } from './entity-state.ts';
import {
  followSync,
  orderOf,
  processed,
  readPayload,
  type FollowUps,
  type HandlerAnswer,
  type HandlerContext,
} from './event-handler.ts';

export async function onEntityCreated(context: HandlerContext): Promise<HandlerAnswer> {
  const entity = normalizeEntity(readPayload(webhookPayloadSchemas['entity.created'], context.envelope));
  const { bankIdentifier, permissions } = entity;
  await connect(context, entity, { bankIdentifier, permissions: permissions?.length ?? null });
  return processed(
    await fetchConnected(context, entity, { rereadEntity: context.envelope.timestamp === null }),
  );
}

/** Nothing is to be fetched because of it: see fetchConnected. */
export function isOnlyKept({ timestamp }: ReadableEnvelope, apiVersion: 'v1' | 'v2'): boolean {
  return apiVersion === 'v2' && timestamp !== null;
}

export async function onEntityUpdated(context: HandlerContext): Promise<HandlerAnswer> {
  const entity = normalizeEntity(readPayload(webhookPayloadSchemas['entity.updated'], context.envelope));
  const { permissions } = entity;
  const isRevoked = permissions?.length === 0;
  const state = permissions === null ? null : isRevoked ? revoked : active;
  const { former } = await applyEntityWord(context.database, context.transaction, {
    facts: entity,
    order: orderOf(context),
    state,
    eventKey: context.event.eventKey,
  });
  if (isRevoked && !isInDoubt(context, former)) return processed();
  // Also a consent that is over may leave its permissions in the event: only Lean, asked now, knows.
  return processed(
    await (isRevoked ? reread(context, entity) : fetchConnected(context, entity, { rereadEntity: true })),
  );
}

/** Says neither bank nor permissions, and whatever had stopped the entity is over: so everything is read again. */
export async function onEntityReconnected(context: HandlerContext): Promise<HandlerAnswer> {
  const wire = readPayload(webhookPayloadSchemas['entity.reconnected'], context.envelope);
  const entity = normalizeEntity(wire);
  await connect(context, { ...entity, reconnectId: wire.reconnect_id }, { reconnected: true });
  return processed(await reread(context, entity));
}

/** Tells of it unless a later word has the entity otherwise: an event may be old and late. */
async function connect(
  context: HandlerContext,
  facts: Omit<EntityFacts, 'state'>,
  details: DetailsOf<'entity.connected'>,
): Promise<void> {
  const { database, transaction, event, connectedNs = null } = context;
  const { entityId, customerId = null } = facts;
  await lockEntity(database, transaction, entityId);
  const said = { facts, order: orderOf(context), state: active, sinceNs: connectedNs };
  const { state } = await applyFactsAndState(database, transaction, said);
  if (state !== 'active') return;
  await appendChanges(transaction, [
    { change: 'entity.connected', entityId, customerId, eventKey: event.eventKey, details },
  ]);
}

interface NamedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
}

/** As long as a call to Lean lasts at most. */
const longestCallNs = 150_000_000_000n;

/**
 * Whether Lean's own word must be fetched: the event has no time and so no place in the order, or it is of about the
 * moment of a reply, which may have been made before it or after it.
 */
function isInDoubt({ envelope: { timestamp } }: HandlerContext, former: KnownEntity | undefined): boolean {
  if (timestamp === null) return true;
  const replyNs = former?.permissionsReplyNs ?? null;
  if (replyNs === null) return false;
  return timestamp.ns > replyNs - longestCallNs && timestamp.ns < replyNs + longestCallNs;
}

/** In v2 the data comes with the refresh that Lean tells of later; in v1 this event is all that ever comes. */
async function fetchConnected(
  context: HandlerContext,
  entity: NamedEntity,
  { rereadEntity }: { readonly rereadEntity: boolean },
): Promise<FollowUps> {
  if (context.apiVersion === 'v2') return rereadEntity ? reread(context, entity) : {};
  const { entityId, customerId } = entity;
  const isFirst = !(await hasReadHistory(context.transaction, entityId));
  const requested = await requestSync(context.database, context.transaction, {
    entityId,
    customerId,
    reason: isFirst ? 'first' : 'refresh',
    eventKey: context.event.eventKey,
    dataStatus: null,
    fullHistory: isFirst,
    rereadEntity,
  });
  return followSync(requested);
}

async function reread(context: HandlerContext, { entityId, customerId }: NamedEntity): Promise<FollowUps> {
  const requested = await requestSync(context.database, context.transaction, {
    entityId,
    customerId,
    reason: 'refresh',
    eventKey: context.event.eventKey,
    dataStatus: null,
    fullHistory: false,
    rereadEntity: true,
  });
  return followSync(requested);
}
