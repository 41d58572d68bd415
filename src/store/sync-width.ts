// What a run covers, and how two of them become one. Pure.
import type { Selectable } from 'kysely';
import { mergeDataStatus, readDataStatus, writeDataStatus } from './data-status.ts';
import { moreUrgent } from './sync-priority.ts';
import type { Tables } from './tables.ts';

export type Width = Pick<
  Selectable<Tables['sync_runs']>,
  | 'reason'
  | 'customer_id'
  | 'event_key'
  | 'full_history'
  | 'window_from'
  | 'window_to'
  | 'data_status'
  | 'reread_entity'
>;

interface TwoWidths {
  readonly former: Width;
  /** The later wish: its event and its words count where only one can. */
  readonly latter: Width;
}

/** Everything that either covers, as columns. */
export function coverBoth({ former, latter }: TwoWidths) {
  const status = mergeDataStatus(readDataStatus(former.data_status), readDataStatus(latter.data_status));
  const bounded = former.window_from !== null && latter.window_from !== null;
  return {
    reason: moreUrgent(former.reason, latter.reason),
    customer_id: latter.customer_id ?? former.customer_id,
    event_key: latter.event_key ?? former.event_key,
    full_history: former.full_history || latter.full_history,
    window_from: bounded ? earliest(former.window_from, latter.window_from) : null,
    window_to: bounded ? latest(former.window_to, latter.window_to) : null,
    data_status: status && writeDataStatus(status),
    reread_entity: former.reread_entity || latter.reread_entity,
  };
}

/** ISO days sort as text. */
function earliest(left: string | null, right: string | null): string | null {
  if (left === null || right === null) return null;
  return left < right ? left : right;
}

function latest(left: string | null, right: string | null): string | null {
  if (left === null || right === null) return null;
  return left > right ? left : right;
}
