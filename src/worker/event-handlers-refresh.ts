// A data refresh: once Lean has finished it, and not before, there is something to fetch.
import { z } from 'zod';
import type { ReadableEnvelope } from '../lean/webhook-envelope.ts';
import { webhookPayloadSchemas } from '../lean/wire-webhook.ts';
import { isTerminalRefresh } from '../lean/wire-refresh.ts';
import { recordTerminalRefresh } from '../store/entity-refresh-store.ts';
import { hasReadHistory, hasReread, requestSync } from '../store/sync-store.ts';
import { applyEntityWord } from './entity-state.ts';
import {
  followSync,
  orderOf,
  processed,
  readPayload,
  type HandlerAnswer,
  type HandlerContext,
} from './event-handler.ts';

/** Consents come whole with the entity alone, and no list has their events: so often it is read again with its data. */
const rereadEveryHours = 24;

const statusSchema = z.looseObject({ status: z.string() });

/** Nothing is to be fetched because of it yet. */
export function isUnderWay({ payload }: ReadableEnvelope): boolean {
  const { success, data } = statusSchema.safeParse(payload);
  return success && !isTerminalRefresh(data.status);
}

export async function onRefreshUpdated(context: HandlerContext): Promise<HandlerAnswer> {
  const { database, transaction, event, envelope } = context;
  const refresh = readPayload(webhookPayloadSchemas['entity.data.refresh.updated'], envelope);
  const { entity_id: entityId, customer_id: customerId } = refresh;
  const facts = { entityId, customerId, appUserId: refresh.app_user_id };
  const { eventKey } = event;
  await applyEntityWord(database, transaction, { facts, order: orderOf(context), state: null, eventKey });
  if (!isTerminalRefresh(refresh.status)) return processed();
  const ended = { entityId, refreshId: refresh.refresh_id, at: envelope.timestamp };
  await recordTerminalRefresh(database, transaction, ended);
  const isFirst = !(await hasReadHistory(transaction, entityId));
  const isRecent = await hasReread(transaction, { entityId, hours: rereadEveryHours });
  const requested = await requestSync(database, transaction, {
    entityId,
    customerId,
    reason: isFirst ? 'first' : 'refresh',
    eventKey,
    dataStatus: refresh.data_status,
    fullHistory: isFirst,
    rereadEntity: envelope.timestamp === null || !isRecent,
  });
  return processed(followSync(requested));
}
