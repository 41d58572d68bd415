// Goes through stored items in batches and reads Lean's text of each anew: first only to say what would differ, then to
// write it. An interrupt or a crash loses nothing: what is done carries the new version and is not looked at again.
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { lockEntity } from '../store/entity-lock.ts';
import { holdOffErasures, isEntityErased } from '../store/erasure-store.ts';
import { extendOperatorLog, writeOperatorLog } from '../store/operator-log-store.ts';
import { lockItems, readItems, type ItemChoice, type StoredItem } from '../store/renormalize-read.ts';
import { applyItems, compareItems, type ItemChange, type ReplayedItem } from '../store/renormalize-store.ts';
import { renormalizedTables, type RenormalizedTable } from '../store/renormalized-tables.ts';
import { replayRaw } from './replay-raw.ts';

export interface ScanOptions extends Omit<ItemChoice, 'table'> {
  readonly database: Database;
  readonly keyRing: KeyRing | null;
  /** Where the banks' days are. */
  readonly zone: string;
  /** Of one batch. */
  readonly limit: number;
  readonly stop: AbortSignal;
  /** Told of the items looked at so far. */
  readonly onProgress: (items: number) => void;
}

export interface TableDiff {
  readonly table: RenormalizedTable;
  items: number;
  /** Items of which some column differs. */
  changed: number;
  /** How many items differ in each column. */
  readonly columns: Map<string, number>;
  /** Their key is not in PAYLOAD_KEYS; they are left as they are. */
  keyMissing: number;
  /** Their text does not open or is no item; they are left as they are. */
  unreadable: number;
}

export interface Scanned {
  readonly tables: readonly TableDiff[];
  readonly isInterrupted: boolean;
}

/** What would differ. Changes nothing. */
export async function compareAll(options: ScanOptions): Promise<Scanned> {
  const { database } = options;
  return scan(options, async (diff, items) => {
    const of = { table: diff.table, items: replayAll(options, diff, items) };
    count(diff, await compareItems(database, database.db, of));
  });
}

export interface ApplyOptions extends ScanOptions {
  readonly operator: string;
  /** For the operators' log. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Writes it, one transaction for what a batch has of one entity. */
export async function applyAll(options: ApplyOptions): Promise<Scanned> {
  let logId: bigint | null = null;
  return scan(options, async (diff, items) => {
    for (const ofEntity of Map.groupBy(items, ({ entityId }) => entityId).values()) {
      logId = await options.database.transaction((transaction) =>
        applyOfEntity(options, { transaction, diff, seen: ofEntity, logId }),
      );
    }
  });
}

interface Batch {
  readonly transaction: TablesTransaction;
  readonly diff: TableDiff;
  /** As they were before the entity was locked. */
  readonly seen: readonly StoredItem[];
  readonly logId: bigint | null;
}

async function applyOfEntity(
  options: ApplyOptions,
  { transaction, diff, seen, logId }: Batch,
): Promise<bigint | null> {
  const { database, operator, details, versions, since } = options;
  const [firstItem] = seen;
  if (firstItem === undefined) return logId;
  const { entityId } = firstItem;
  const { table } = diff;
  await holdOffErasures(database, transaction);
  if (entityId !== null) {
    await lockEntity(database, transaction, entityId);
    if (await isEntityErased(transaction, entityId)) return logId;
  }
  // Read again: a sync may have written them meanwhile. Under a lock, since events write without one of the entity.
  const keys = seen.map(({ key }) => key);
  const items = await lockItems(database, transaction, { table, versions, since, entityId, keys });
  const replayed = replayAll(options, diff, items);
  const changes = await applyItems(database, transaction, { table, entityId, items: replayed });
  count(diff, changes);
  const affected = changes.length;
  if (logId === null) {
    return writeOperatorLog(transaction, { operator, command: 'renormalize', affected, details });
  }
  await extendOperatorLog(transaction, { logId, affected });
  return logId;
}

async function scan(
  options: ScanOptions,
  take: (diff: TableDiff, items: readonly StoredItem[]) => Promise<void>,
): Promise<Scanned> {
  const { database, versions, since, limit, stop, onProgress } = options;
  const tables: TableDiff[] = [];
  let looked = 0;
  for (const table of renormalizedTables) {
    const diff = { table, items: 0, changed: 0, columns: new Map(), keyMissing: 0, unreadable: 0 };
    tables.push(diff);
    let after: StoredItem | null = null;
    while (!stop.aborted) {
      const items: StoredItem[] = await readItems(database, database.db, {
        table,
        versions,
        since,
        after,
        limit,
      });
      const last = items.at(-1);
      if (last === undefined) break;
      await take(diff, items);
      after = last;
      looked += items.length;
      onProgress(looked);
    }
  }
  return { tables, isInterrupted: stop.aborted };
}

/** Counts those that cannot be replayed, and leaves them out. */
function replayAll(
  { keyRing, zone }: ScanOptions,
  diff: TableDiff,
  items: readonly StoredItem[],
): ReplayedItem[] {
  diff.items += items.length;
  return items.flatMap((item) => {
    const replayed = replayRaw({ table: diff.table, item, keyRing, zone });
    if (replayed.kind === 'key_missing') diff.keyMissing += 1;
    if (replayed.kind === 'unreadable') diff.unreadable += 1;
    return replayed.kind === 'replayed' ? [{ item, columns: replayed.columns }] : [];
  });
}

function count(diff: TableDiff, changes: readonly ItemChange[]): void {
  diff.changed += changes.length;
  for (const name of changes.flatMap(({ columns }) => columns)) {
    diff.columns.set(name, (diff.columns.get(name) ?? 0) + 1);
  }
}
