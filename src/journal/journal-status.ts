// Looks into a journal's folder from outside, also while a receiver works on it: read-only, and never in its way for
// longer than one short query. Makes nothing, not even a folder.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { damaged, isBusy, openFailure } from './sqlite-failure.ts';

export interface JournalStatus {
  readonly journalId: string;
  /** Deliveries that are not known to be in Postgres yet. */
  readonly rows: number;
  /** Batches cut from them. */
  readonly batches: number;
  /** Pages in use plus the write-ahead log: what JOURNAL_LIMIT_BYTES bounds. */
  readonly bytes: number;
  /** ISO 8601, null when there is none. */
  readonly oldestReceivedAt: string | null;
  /** The Lean application whose deliveries these are; null until a receiver learned it. */
  readonly installation: string | null;
  /** Whether a receiver, or a drain, holds the folder at this moment. */
  readonly isHeld: boolean;
}

const statusSchema = z.object({
  journal_id: z.string(),
  row_count: z.int(),
  batch_count: z.int(),
  page_bytes: z.int(),
  oldest: z.string().nullable(),
  installation: z.string().nullable(),
});

/** A commit of the receiver takes less. */
const busyTimeoutMs = 2_000;

/** Throws JOURNAL_NOT_FOUND, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE, the last where it cannot be read either. */
export function readJournalStatus(dir: string): JournalStatus {
  const path = join(dir, 'journal.sqlite');
  const lockPath = join(dir, 'lock.sqlite');
  if (!existsSync(path)) {
    if (existsSync(lockPath)) throw damaged(path, 'the file is missing, but lock.sqlite is there');
    throw new AppError('JOURNAL_NOT_FOUND', `${dir} holds no journal`);
  }
  try {
    const row = statusSchema.parse(readOnly(path, busyTimeoutMs, selectStatus));
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    return {
      journalId: row.journal_id,
      rows: row.row_count,
      batches: row.batch_count,
      bytes: row.page_bytes + log,
      oldestReceivedAt: row.oldest,
      installation: row.installation,
      isHeld: existsSync(lockPath) && isLocked(lockPath),
    };
  } catch (error) {
    throw openFailure(error, path);
  }
}

const selectStatus = `
  select (select value from meta where key = 'journal_id') as journal_id,
    (select count(*) from deliveries) as row_count,
    (select count(*) from batches) as batch_count,
    ((select page_count from pragma_page_count) - (select freelist_count from pragma_freelist_count))
      * (select page_size from pragma_page_size) as page_bytes,
    (select received_at from deliveries order by sequence limit 1) as oldest,
    (select value from meta where key = 'installation') as installation`;

function readOnly(path: string, timeout: number, query: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true, timeout });
  try {
    return database.prepare(query).get();
  } finally {
    database.close();
  }
}

/** The holder's exclusive transaction keeps readers out; where there is none, reading takes microseconds. */
function isLocked(lockPath: string): boolean {
  try {
    readOnly(lockPath, 0, 'select 1 from sqlite_master limit 1');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  }
}
