// Which type of event is handled by what: the one table. A type that is not here is recorded and ignored.
import type { EventHandler } from './event-handler.ts';
import { onEntityCreated, onEntityReconnected, onEntityUpdated } from './event-handlers-entity.ts';
import { onRefreshUpdated } from './event-handlers-refresh.ts';
import { onResultsReady } from './event-handlers-results.ts';

const handlers: ReadonlyMap<string, EventHandler> = new Map([
  ['entity.created', onEntityCreated],
  ['entity.updated', onEntityUpdated],
  ['entity.reconnected', onEntityReconnected],
  ['entity.data.refresh.updated', onRefreshUpdated],
  ['results.ready', onResultsReady],
]);

export function handlerFor(type: string): EventHandler | null {
  return handlers.get(type) ?? null;
}

export function isHandled(type: string): boolean {
  return handlers.has(type);
}
