// Wishes to have an entity's data fetched anew: at most one is open for an entity.
import { askFor } from './ask-request.ts';
import type { Database, Executor } from './database.ts';

export interface SyncWish {
  readonly entityId: string;
  /** The whole history, and not only what is new. */
  readonly fullHistory: boolean;
}

/** Joins the open request where there is one, and widens it. The customer is looked up. */
export function requestSyncOnce(
  database: Database,
  executor: Executor,
  { entityId, fullHistory }: SyncWish,
): Promise<{ requestId: string; isNew: boolean }> {
  return askFor(database, executor, { kind: 'sync', id: entityId, fullHistory });
}
