// Opens and checks the journal's SQLite file and commits to it. A commit returns after its fsync or throws;
// after a throw this handle is never used again. Never makes a new file in the place of one that was there before.
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { KeyRing } from '../sealing/key-ring.ts';
import { createJournalRows, journalSchema, readMeta, type JournalRows } from './journal-rows.ts';
import { damaged, isDiskFull, openFailure } from './sqlite-failure.ts';

const formatVersion = '1';
/** For a reader from outside (a backup, the command line) that is in the way for a moment. */
const busyTimeoutMs = 1000;
/**
 * After a burst the log goes back to `keep`; at `fold` SQLite starts to fold it in. Both are shares of the journal's
 * limit, because the log counts towards it: an empty journal must never look full.
 */
const mostLogKeepBytes = 16 * 1024 * 1024;
const logKeepShare = 8;
const mostLogFoldBytes = 4 * 1024 * 1024;
const logFoldShare = 16;
const defaultPageBytes = 4096;
/**
 * Every opening of the file starts its sequences at the clock's microseconds. A folder that was restored or cloned goes
 * on from the same row as its original, and a batch of the same bounds would be taken for the one already stored.
 * Safe integers until the year 2255, and ahead of any former process that took in less than 1,000 a millisecond.
 */
const sequencesPerMs = 1000;
/** Pages that one step moves through the log, 1 MiB. */
const shrinkPages = 256;

// Each is set and then read back: a pragma that did not take says nothing.
type Pragma = readonly [name: string, value: string, readsBack: string | number];

// FULL is what makes a commit in WAL mode wait for its fsync; fullfsync is the same promise on macOS.
const pragmas: readonly Pragma[] = [
  ['auto_vacuum', 'incremental', 2], // first: it can only be chosen while the file is empty
  ['journal_mode', 'wal', 'wal'],
  ['synchronous', 'full', 2],
  ['fullfsync', 'on', 1],
  ['checkpoint_fullfsync', 'on', 1],
  ['secure_delete', 'on', 1],
  ['temp_store', 'memory', 2],
  ['trusted_schema', 'off', 0],
];

const pageSizeSchema = z.object({ page_size: z.int() });
const checkpointSchema = z.object({ busy: z.int(), log: z.int(), checkpointed: z.int() });

export interface JournalDatabase {
  readonly journalId: string;
  /** Runs `work` in one transaction and commits it with one fsync. Whatever throws, nothing of it is kept. */
  transaction(work: (rows: JournalRows) => void): void;
  /**
   * Folds the write-ahead log into the file as far as nobody reads it and the disk has room, and gives a log that grew
   * beyond its share back to the disk. False when that is still to be done. Waits for nobody.
   */
  checkpoint(): boolean;
  /** Gives pages that are free inside the file back to the disk, a bounded number of them at a time. */
  shrink(): void;
  rows(): number;
  /** Looks at the file, at about the price of a row. */
  facts(): { rows: number; bytes: number; oldestReceivedAt: string | null };
  close(): void;
}

interface OpenJournalDatabaseOptions {
  readonly dir: string;
  readonly limitBytes: number;
  readonly keyRing: KeyRing | null;
  /** The journal this folder is known to hold; null when it never held one. */
  readonly rememberedId: string | null;
  /** False after nothing worse than a full disk: then the log need not be folded in before the next commit. */
  readonly mustFold: boolean;
}

/** Throws JOURNAL_CORRUPT or JOURNAL_UNWRITABLE. Ends with a commit, so an open journal is a writable one. */
export function openJournalDatabase(options: OpenJournalDatabaseOptions): JournalDatabase {
  const path = join(options.dir, 'journal.sqlite');
  let database: DatabaseSync | undefined;
  try {
    refuseVanished(path, options.rememberedId);
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    checkStructure(database, path);
    const log = logBounds(options.limitBytes);
    for (const pragma of [...pragmas, ...log.pragmas]) setPragma(database, pragma);
    const journalId = identify(database, { path, rememberedId: options.rememberedId });
    foldWholeLog(database, options.mustFold);
    const firstSequence = Date.now() * sequencesPerMs;
    const rows = createJournalRows(database, { journalId, keyRing: options.keyRing, firstSequence });
    const journal = createHandle(database, { path, journalId, rows, logKeepBytes: log.keepBytes });
    journal.transaction(() => rows.writeMeta('opened_at', new Date().toISOString()));
    return journal;
  } catch (error) {
    database?.close();
    throw openFailure(error, path);
  }
}

function logBounds(limitBytes: number): { keepBytes: number; pragmas: readonly Pragma[] } {
  const keepBytes = Math.min(mostLogKeepBytes, Math.floor(limitBytes / logKeepShare));
  const foldPages = Math.ceil(Math.min(mostLogFoldBytes, limitBytes / logFoldShare) / defaultPageBytes);
  return {
    keepBytes,
    pragmas: [
      ['wal_autocheckpoint', String(foldPages), foldPages],
      ['journal_size_limit', String(keepBytes), keepBytes],
    ],
  };
}

interface HandleParts {
  readonly path: string;
  readonly journalId: string;
  readonly rows: JournalRows;
  readonly logKeepBytes: number;
}

function createHandle(
  database: DatabaseSync,
  { path, journalId, rows, logKeepBytes }: HandleParts,
): JournalDatabase {
  const begin = database.prepare('begin immediate');
  const commit = database.prepare('commit');
  const pageSize = pageSizeSchema.parse(database.prepare('pragma page_size').get()).page_size;
  return {
    journalId,
    transaction(work) {
      begin.run();
      work(rows);
      commit.run();
    },
    checkpoint() {
      const isLarge = sizeOf(`${path}-wal`) > logKeepBytes;
      try {
        if (isLarge) truncateLog(database);
        else database.exec('pragma wal_checkpoint(passive)');
      } catch (error) {
        if (!isDiskFull(error)) throw error;
      }
      return !isLarge || sizeOf(`${path}-wal`) <= logKeepBytes;
    },
    shrink() {
      database.exec(`pragma incremental_vacuum(${shrinkPages})`);
      database.exec('pragma wal_checkpoint(truncate)');
    },
    rows: () => rows.count(),
    facts() {
      const { pages, oldest } = rows.extent();
      const bytes = pages * pageSize + sizeOf(`${path}-wal`);
      return { rows: rows.count(), bytes, oldestReceivedAt: oldest };
    },
    close() {
      database.close();
    },
  };
}

/** A reader in the way ends the attempt at once: deliveries must not wait for it. */
function truncateLog(database: DatabaseSync): void {
  database.exec('pragma busy_timeout = 0');
  try {
    database.exec('pragma wal_checkpoint(truncate)');
  } finally {
    database.exec(`pragma busy_timeout = ${busyTimeoutMs}`);
  }
}

function refuseVanished(path: string, rememberedId: string | null): void {
  if (sizeOf(path) > 0) return;
  if (rememberedId !== null) throw damaged(path, `the file of journal ${rememberedId} is missing or empty`);
  // SQLite would delete such a log, and the deliveries in it, without a word.
  if (sizeOf(`${path}-wal`) > 0)
    throw damaged(path, 'a write-ahead log is there, but its file is missing or empty');
}

function checkStructure(database: DatabaseSync, path: string): void {
  database.exec('pragma cell_size_check = on');
  const found = database.prepare('pragma quick_check(1)').get();
  if (found?.['quick_check'] !== 'ok')
    throw damaged(path, `the check found: ${String(found?.['quick_check'])}`);
}

function setPragma(database: DatabaseSync, [name, value, readsBack]: Pragma): void {
  database.prepare(`pragma ${name} = ${value}`).get();
  const [read] = Object.values(database.prepare(`pragma ${name}`).get() ?? {});
  if (read !== readsBack) throw new Error(`SQLite did not take ${name} = ${value}: it reads ${String(read)}`);
}

function identify(database: DatabaseSync, known: { path: string; rememberedId: string | null }): string {
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all();
  if (tables.length === 0 && known.rememberedId === null) return createTables(database);
  if (!tables.some(({ name }) => name === 'meta')) throw damaged(known.path, 'its tables are missing');

  const format = readMeta(database, 'format');
  if (format !== formatVersion) {
    throw damaged(known.path, `its format is ${String(format)}, this version reads ${formatVersion}`);
  }
  const journalId = readMeta(database, 'journal_id');
  if (journalId === null) throw damaged(known.path, 'it has no id');
  if (known.rememberedId !== null && known.rememberedId !== journalId) {
    throw damaged(known.path, `it is journal ${journalId}, but lock.sqlite remembers ${known.rememberedId}`);
  }
  return journalId;
}

function createTables(database: DatabaseSync): string {
  const journalId = randomUUID();
  database.exec(`begin immediate; ${journalSchema}`);
  const insert = database.prepare('insert into meta (key, value) values (?, ?)');
  insert.run('format', formatVersion);
  insert.run('journal_id', journalId);
  database.exec('commit');
  return journalId;
}

/**
 * After a failed fsync Linux drops the dirty mark of the log's pages, so old frames may exist in memory only and a
 * later fsync of the log would not save them. Folding everything into the file writes and syncs them anew, and the
 * next commit starts the log from its beginning.
 */
function foldWholeLog(database: DatabaseSync, mustFold: boolean): void {
  try {
    const { busy } = checkpointSchema.parse(database.prepare('pragma wal_checkpoint(restart)').get());
    if (busy !== 0) throw new Error('the write-ahead log could not be folded in: another process reads it');
  } catch (error) {
    // Folding needs as much room again as the log takes, which a disk that was just full may not have yet.
    if (mustFold || !isDiskFull(error)) throw error;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
