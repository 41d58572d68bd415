// Replies that are one thing and no list: an entity with its consents, a refresh, the start of one.
import { isJsonObject } from '../core/lossless-json.ts';
import { parseBody, type ReplySource } from './lean-reply.ts';
import { readList, type ItemList } from './read-list.ts';
import { wireConsentSchema, type WireConsent } from './wire-consent.ts';
import { wireEntitySchema, type WireEntity } from './wire-entity.ts';
import { wireRefreshSchema, type WireRefresh } from './wire-refresh.ts';
import { wireOptionalId } from './wire-values.ts';

export interface EntityData {
  readonly entity: WireEntity;
}

/** Null where it is not the entity asked for. Its consents: `readConsents(reply.bodyText)`. */
export function readEntity({ body }: ReplySource, entityId: string): EntityData | null {
  const parsed = wireEntitySchema.safeParse(body);
  return parsed.success && parsed.data.id === entityId ? { entity: parsed.data } : null;
}

const noConsents: ItemList<WireConsent> = { items: [], unreadable: [] };

/**
 * The consents inside an entity, from the entity's own text: the body of `getEntity`, or `raw` of an item of
 * `getEntities`. Empty where the entity does not speak of them.
 */
export function readConsents(entityText: string): ItemList<WireConsent> {
  const body = parseBody(entityText);
  if (!isJsonObject(body)) return noConsents;
  const customerId = wireOptionalId.parse(body['customer_id']);
  const belongsTo = customerId === null ? {} : { customer_id: customerId };
  const source = { bodyText: entityText, body, path: ['consents'], schema: wireConsentSchema, belongsTo };
  return readList(source) ?? noConsents;
}

export interface RefreshData {
  readonly refresh: WireRefresh;
}

export interface RefreshAsked {
  readonly refreshId: string;
  readonly entityId: string;
}

/** Null where it is another refresh, or another entity's. */
export function readRefresh({ body }: ReplySource, asked: RefreshAsked): RefreshData | null {
  const parsed = wireRefreshSchema.safeParse(body);
  if (!parsed.success || parsed.data.entity_id !== asked.entityId) return null;
  return (parsed.data.refresh_id ?? asked.refreshId) === asked.refreshId ? { refresh: parsed.data } : null;
}

export interface StartedRefresh {
  readonly refreshId: string | null;
}

export function readStartedRefresh({ body }: ReplySource): StartedRefresh | null {
  return isJsonObject(body) ? { refreshId: wireOptionalId.parse(body['refresh_id']) } : null;
}
