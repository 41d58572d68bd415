// Events about an entity itself. They fill in the entity and, where the event alone cannot be trusted to be the
// newest word, have it read again from Lean. In v2 the data comes with its refresh, not with these.
import { normalizeEntity } from '../lean/normalize-entity.ts';
import { webhookPayloadSchemas } from '../lean/wire-webhook.ts';
import { appendChanges } from '../store/change-store.ts';
import { applyEntityFacts, type EntityState } from '../store/entity-store.ts';
import { hasReadHistory, requestSync } from '../store/sync-store.ts';
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
  const facts = { ...entity, state: active };
  await applyEntityFacts(context.database, context.transaction, { facts, order: orderOf(context) });
  await appendChanges(context.transaction, [
    {
      change: 'entity.connected',
      entityId: entity.entityId,
      customerId: entity.customerId,
      eventKey: context.event.eventKey,
      details: { bankIdentifier: entity.bankIdentifier, permissions: entity.permissions?.length ?? null },
    },
  ]);
  return processed(await fetchConnected(context, entity));
}

export async function onEntityUpdated(context: HandlerContext): Promise<HandlerAnswer> {
  const entity = normalizeEntity(readPayload(webhookPayloadSchemas['entity.updated'], context.envelope));
  const { permissions } = entity;
  const isRevoked = permissions?.length === 0;
  const state = permissions === null ? null : isRevoked ? revoked : active;
  const applied = await applyEntityFacts(context.database, context.transaction, {
    facts: { ...entity, state },
    order: orderOf(context),
  });
  if (isRevoked && applied.state === revoked.state) {
    await appendChanges(context.transaction, [
      {
        change: 'entity.action_required',
        entityId: entity.entityId,
        customerId: entity.customerId,
        eventKey: context.event.eventKey,
        details: { reason: revoked.reason },
      },
    ]);
  }
  return processed(await (isRevoked ? rereadUndated(context, entity) : fetchConnected(context, entity)));
}

/** Says neither bank nor permissions, and whatever had stopped the entity is over: so everything is read again. */
export async function onEntityReconnected(context: HandlerContext): Promise<HandlerAnswer> {
  const wire = readPayload(webhookPayloadSchemas['entity.reconnected'], context.envelope);
  const entity = normalizeEntity(wire);
  const facts = { ...entity, reconnectId: wire.reconnect_id, state: active };
  await applyEntityFacts(context.database, context.transaction, { facts, order: orderOf(context) });
  await appendChanges(context.transaction, [
    {
      change: 'entity.connected',
      entityId: entity.entityId,
      customerId: entity.customerId,
      eventKey: context.event.eventKey,
      details: { reconnected: true },
    },
  ]);
  return processed(await reread(context, entity));
}

const active: EntityState = { state: 'active', reason: null };
/** An update that leaves no permission is how Lean tells of a consent taken back. */
const revoked = { state: 'action_required', reason: 'PERMISSIONS_REVOKED' } as const satisfies EntityState;

interface NamedEntity {
  readonly entityId: string;
  readonly customerId: string | null;
}

/** In v2 the data comes with the refresh that Lean tells of later; in v1 this event is all that ever comes. */
async function fetchConnected(context: HandlerContext, entity: NamedEntity): Promise<FollowUps> {
  if (context.apiVersion === 'v2') return rereadUndated(context, entity);
  const { entityId, customerId } = entity;
  const isFirst = !(await hasReadHistory(context.transaction, entityId));
  const requested = await requestSync(context.database, context.transaction, {
    entityId,
    customerId,
    reason: isFirst ? 'first' : 'refresh',
    eventKey: context.event.eventKey,
    dataStatus: null,
    fullHistory: isFirst,
    rereadEntity: context.envelope.timestamp === null,
  });
  return followSync(requested);
}

/** An event without a time has no place in the order, so Lean's own word is fetched. */
async function rereadUndated(context: HandlerContext, entity: NamedEntity): Promise<FollowUps> {
  return context.envelope.timestamp === null ? reread(context, entity) : {};
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
