// Keeps the journal of one folder open: answers groups of requests, and after a failure closes the file and opens and
// checks it again before anything is written. Never commits on a handle that failed, never accepts without a reserve.
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AppError } from '../core/app-error.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import { answerAll, refuseAll, writes } from './journal-answers.ts';
import { bodyBytes } from './journal-messages.ts';
import { openJournalDatabase, type JournalDatabase } from './journal-database.ts';
import { takeJournalLock, type JournalLock } from './journal-lock.ts';
import type { Answer, JournalFacts, JournalThreadData, Request } from './journal-messages.ts';
import { createJournalReserve, type JournalReserve } from './journal-reserve.ts';
import { describeFailure, isDiskFull, openFailure } from './sqlite-failure.ts';

/** The file is looked at anew after so many commits, or so small a share of its limit in new bodies. */
const factsCommits = 8;
const factsLimitShare = 1024;
const firstRetryMs = 250;
const lastRetryMs = 5000;

interface Outage {
  readonly code: FailureCode;
  readonly message: string;
  readonly retryMs: number;
}

/** Throws JOURNAL_LOCKED, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE. */
export function openJournalKeeper(threadData: JournalThreadData): JournalKeeper {
  makeFolder(threadData.dir);
  const lock = takeJournalLock(threadData.dir);
  try {
    const reserve = createJournalReserve(threadData.dir, threadData.limitBytes);
    const database = openFirst(threadData, { lock, reserve });
    if (lock.journalId === null) lock.remember(database.journalId);
    reserve.fill();
    return new JournalKeeper({ threadData, lock, reserve, database });
  } catch (error) {
    lock.close();
    throw openFailure(error, threadData.dir);
  }
}

interface KeeperParts {
  readonly threadData: JournalThreadData;
  readonly lock: JournalLock;
  readonly reserve: JournalReserve;
  readonly database: JournalDatabase;
}

export class JournalKeeper {
  readonly journalId: string;
  readonly #parts: Omit<KeeperParts, 'database'>;
  #database: JournalDatabase | null;
  #outage: Outage | null = null;
  #retryAt = 0;
  /** An fsync failed since the log was last folded in whole. */
  #mustFold = false;
  #commits = 0;
  #unseenCommits = 0;
  #unseenBytes = 0;
  #lastFacts: ReturnType<JournalDatabase['facts']>;

  constructor({ database, ...parts }: KeeperParts) {
    this.journalId = database.journalId;
    this.#parts = parts;
    this.#database = database;
    this.#lastFacts = database.facts();
  }

  /** One transaction for all of them; if it fails, every one is answered NOT_DURABLE. */
  answer(requests: readonly Request[]): Answer[] {
    this.recover();
    const database = this.#database;
    if (database === null) return refuseAll(requests, this.#outage?.message ?? 'it is closed');
    const accepted = this.#parts.reserve.isWhole()
      ? requests
      : requests.filter((request) => !isAppend(request));
    const refused = accepted === requests ? [] : requests.filter(isAppend);
    try {
      const answers = answerAll(database, accepted);
      if (accepted.some(writes)) this.#commits += 1;
      this.#noteFacts(database, accepted);
      return [...answers, ...refuseAll(refused, 'the disk has no room for its reserve')];
    } catch (error) {
      this.#fail(error, 'NOT_DURABLE');
      return refuseAll(requests, describeFailure(error));
    }
  }

  facts(): JournalFacts {
    const short = this.#parts.reserve.isWhole() ? null : 'NOT_DURABLE';
    return { ...this.#lastFacts, commits: this.#commits, failure: this.#outage?.code ?? short };
  }

  /** Milliseconds until `recover` has something to do; null while all is well. */
  retryInMs(): number | null {
    if (this.#outage === null && this.#parts.reserve.isWhole()) return null;
    return Math.max(0, this.#retryAt - performance.now());
  }

  /** Opens the file again when that is due; gives room back to a disk that was full and takes the reserve again. */
  recover(): void {
    const { threadData, reserve } = this.#parts;
    if (this.retryInMs() !== 0) return;
    try {
      if (this.#outage !== null) {
        const known = { rememberedId: this.journalId, mustFold: this.#mustFold };
        this.#database = openJournalDatabase({ ...threadData, ...known });
        this.#outage = null;
        this.#mustFold = false;
      }
      if (!reserve.fill()) {
        this.#database?.shrink();
        reserve.fill();
      }
      if (this.#database !== null) this.#lookAtFile(this.#database);
      this.#retryAt = performance.now() + firstRetryMs;
    } catch (error) {
      this.#fail(error, openFailure(error, threadData.dir).code);
    }
  }

  /** False when the log is still larger than it may stay: a reader was in the way, or the disk is full. */
  checkpoint(): boolean {
    if (this.#database === null) return true;
    try {
      const isDone = this.#database.checkpoint();
      this.#lookAtFile(this.#database);
      return isDone;
    } catch (error) {
      this.#fail(error, 'NOT_DURABLE');
      return true;
    }
  }

  close(): void {
    this.#closeDatabase();
    this.#parts.lock.close();
  }

  #fail(error: unknown, code: FailureCode): void {
    this.#closeDatabase();
    if (isDiskFull(error)) this.#parts.reserve.release();
    else this.#mustFold = true;
    const retryMs = this.#outage === null ? firstRetryMs : Math.min(this.#outage.retryMs * 2, lastRetryMs);
    this.#retryAt = performance.now() + retryMs;
    this.#outage = { code, message: describeFailure(error), retryMs };
  }

  /** Between two looks at the file only the rows are counted on: a look at each commit would cost as much as its rows. */
  #noteFacts(database: JournalDatabase, accepted: readonly Request[]): void {
    const before = this.#lastFacts.rows;
    const rows = database.rows();
    this.#unseenCommits += 1;
    this.#unseenBytes += accepted.reduce((sum, request) => sum + bodyBytes(request), 0);
    const isFar =
      this.#unseenCommits >= factsCommits ||
      this.#unseenBytes >= this.#parts.threadData.limitBytes / factsLimitShare;
    if (isFar || before === 0 || accepted.some(isDelete)) this.#lookAtFile(database);
    else this.#lastFacts = { ...this.#lastFacts, rows };
  }

  #lookAtFile(database: JournalDatabase): void {
    this.#lastFacts = database.facts();
    this.#unseenCommits = 0;
    this.#unseenBytes = 0;
  }

  /** Closing folds the log in; on a failed disk that fails too, and adds nothing to the first failure. */
  #closeDatabase(): void {
    try {
      this.#database?.close();
    } catch {
      // The next attempt to open the file tells whether it is usable.
    }
    this.#database = null;
  }
}

/** A start on a full disk must be possible, because what is in the journal is what fills it. */
function openFirst(
  threadData: JournalThreadData,
  { lock, reserve }: { lock: JournalLock; reserve: JournalReserve },
): JournalDatabase {
  const options = { ...threadData, rememberedId: lock.journalId, mustFold: true };
  try {
    return openJournalDatabase(options);
  } catch (error) {
    if (!isDiskFull(error) || !reserve.isWhole()) throw error;
    reserve.release();
    return openJournalDatabase(options);
  }
}

function isDelete({ question }: Request): boolean {
  return question.kind === 'delete';
}

function isAppend({ question }: Request): boolean {
  return question.kind === 'append';
}

/** The folder's own name must survive a power cut too, so every folder made on the way is synced, and the one above. */
function makeFolder(dir: string): void {
  try {
    const [outermost, ...further] = missingFolders(resolve(dir));
    if (outermost === undefined) return;
    const made = [outermost, ...further];
    for (const folder of made) makeOne(folder);
    for (const folder of made.toReversed()) syncFolder(folder);
    syncFolder(dirname(outermost));
  } catch (error) {
    throw new AppError('JOURNAL_UNWRITABLE', `${dir}: ${describeFailure(error)}`, { cause: error });
  }
}

/** The outermost first. One by one: where the system makes no folders at all, node's own `recursive` tries for ever. */
function missingFolders(folder: string): string[] {
  if (folder === dirname(folder) || isFolder(folder)) return [];
  return [...missingFolders(dirname(folder)), folder];
}

function makeOne(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process was faster.
    if (!isFolder(folder)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
