// The disk journal: where a delivery is made durable before it is answered, and where it stays until its batch is
// stored. Never forgets an acknowledged delivery, never reuses a sequence, never cuts the same deliveries twice.
import { Worker } from 'node:worker_threads';
import { AppError } from '../core/app-error.ts';
import type { BatchBounds, Delivery, JournalBatch, SealedDelivery } from '../core/delivery.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { createAppendQueue } from './append-queue.ts';
import { openJournalLink } from './journal-link.ts';
import { unpackBytes } from './journal-messages.ts';
import type { AnswerBody, JournalThreadData, PackedBatch } from './journal-messages.ts';

const closeTimeoutMs = 10_000;

export interface JournalStats {
  readonly rows: number;
  /**
   * Pages in use plus the write-ahead log, bytes: what JOURNAL_LIMIT_BYTES bounds. Looked at after eight commits, or
   * bodies of 0.1 % of the limit if that is sooner; by so much, their pages and log it may be old.
   */
  readonly bytes: number;
  readonly limitBytes: number;
  /** ISO 8601 of the oldest delivery held, null when there is none. */
  readonly oldestReceivedAt: string | null;
  /**
   * True after a commit succeeded; false from a failed one until the next good one, while the thread is dead, and while
   * it has owed an answer for 2 s.
   */
  readonly writable: boolean;
  readonly failure?: FailureCode;
  /** Transactions that wrote since the thread started. */
  readonly commits: number;
}

export interface Journal {
  /** Random UUID made together with the file. */
  readonly id: string;
  /**
   * Resolves with the sequence after the fsync; rejects with NOT_DURABLE, at once when 64 MiB wait for the disk already.
   * Has no deadline of its own. Sequences rise, with gaps between one opening of the file and the next.
   */
  append(delivery: Delivery): Promise<number>;
  /**
   * The next deliveries in order of arrival, at most 256 and 1 MiB of sealed bytes (a larger one goes alone), their
   * bounds recorded. Null when everything is cut.
   */
  cutBatch(): Promise<JournalBatch | null>;
  /** Cut and not yet deleted, in order. */
  openBatches(): Promise<BatchBounds[]>;
  /** The same bytes every time. Rejects with JOURNAL_BATCH_UNKNOWN when it is deleted or of another journal. */
  readBatch(bounds: BatchBounds): Promise<JournalBatch>;
  /** The deliveries and their bounds leave the journal. Repeating it changes nothing. */
  deleteBatch(bounds: BatchBounds): Promise<void>;
  /** Called once per group of deliveries that became durable. */
  onAppended(listener: () => void): void;
  /** As of the last answer of the thread, but for `bytes`; asks nobody. */
  stats(): JournalStats;
  /** The Lean application whose deliveries this journal forwards; null until it was written. */
  readInstallation(): Promise<string | null>;
  writeInstallation(installation: string): Promise<void>;
  /**
   * Commits what was appended, folds the log in, releases the folder. Everything asked after it is rejected.
   * A disk that hangs is waited for `timeoutMs` (10 s when left out), then given up with what it had not answered.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>;
}

interface OpenJournalOptions {
  /** One folder per process; made when missing, readable by its owner only. */
  readonly dir: string;
  /** What `stats` is measured against; the disk needs this and 32 MiB for the log and the reserve. At least 1 MiB. */
  readonly limitBytes: number;
  /** Null keeps bodies unsealed. */
  readonly keyRing: KeyRing | null;
  readonly startThread?: (threadData: JournalThreadData) => Worker;
  /** The way to that thread; a simulation has one of its own. */
  readonly openLink?: typeof openJournalLink;
  readonly atEndOfTurn?: (run: () => void) => unknown;
}

/** Throws JOURNAL_LOCKED, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE. */
export async function openJournal(options: OpenJournalOptions): Promise<Journal> {
  const { dir, keyRing, limitBytes, startThread = startJournalThread, openLink = openJournalLink } = options;
  const listeners: (() => void)[] = [];
  const link = await openLink({
    startThread: () => startThread({ dir, limitBytes, keyRing }),
    onAppended: () => listeners.forEach((listener) => listener()),
  });
  const appends = createAppendQueue(link, options.atEndOfTurn);
  const id = link.journalId;
  let isClosed = false;

  function ask<Value>(...question: Parameters<typeof link.ask<Value>>): Promise<Value> {
    return isClosed ? Promise.reject(closedError()) : link.ask(...question);
  }

  return {
    id,
    append: (delivery) => (isClosed ? Promise.reject(closedError()) : appends.add(delivery)),
    cutBatch: () => ask({ kind: 'cut' }, (body) => batchOf(id, body)),
    openBatches: () =>
      ask({ kind: 'openBatches' }, (body) => {
        if (body.kind !== 'bounds') throw mismatch(body);
        return body.bounds.map((bounds) => ({ journalId: id, ...bounds }));
      }),
    async readBatch(bounds) {
      if (bounds.journalId !== id) throw new AppError('JOURNAL_BATCH_UNKNOWN', 'a batch of another journal');
      const batch = await ask({ kind: 'read', bounds: plain(bounds) }, (body) => batchOf(id, body));
      if (batch === null) throw new AppError('JOURNAL_BATCH_UNKNOWN', 'the batch is empty');
      return batch;
    },
    async deleteBatch(bounds) {
      if (bounds.journalId !== id) throw new AppError('JOURNAL_BATCH_UNKNOWN', 'a batch of another journal');
      await ask({ kind: 'delete', bounds: plain(bounds) }, () => undefined);
    },
    onAppended(listener) {
      listeners.push(listener);
    },
    stats() {
      const { failure, ...facts } = link.facts();
      return { ...facts, limitBytes, writable: failure === null, ...(failure === null ? {} : { failure }) };
    },
    readInstallation: () =>
      ask({ kind: 'readInstallation' }, (body) => {
        if (body.kind !== 'installation') throw mismatch(body);
        return body.installation;
      }),
    async writeInstallation(installation) {
      await ask({ kind: 'writeInstallation', installation }, () => undefined);
    },
    async close({ timeoutMs = closeTimeoutMs } = {}) {
      isClosed = true;
      appends.flush();
      await link.close(timeoutMs);
    },
  };
}

/** Starts the thread that owns the folder; it ends with `close`. */
export function startJournalThread(threadData: JournalThreadData): Worker {
  return new Worker(new URL('./journal-thread.ts', import.meta.url), {
    workerData: threadData,
    name: 'journal',
  });
}

function batchOf(journalId: string, body: AnswerBody): JournalBatch | null {
  if (body.kind !== 'batch') throw mismatch(body);
  return body.batch === null ? null : { journalId, ...unpackBatch(body.batch) };
}

function unpackBatch({ first, last, sequences, receivedAt, proofs, sealed }: PackedBatch) {
  const bytes = unpackBytes(sealed);
  const deliveries = sequences.flatMap((sequence, index): SealedDelivery[] => {
    const [at, proof, part] = [receivedAt[index], proofs[index], bytes[index]];
    return at === undefined || proof === undefined || part === undefined
      ? []
      : [{ sequence, receivedAt: at, proof, sealed: part }];
  });
  return { first, last, deliveries };
}

/** Only the bounds travel; the caller's object may carry more. */
function plain({ first, last }: BatchBounds): { first: number; last: number } {
  return { first, last };
}

function closedError(): AppError {
  return new AppError('NOT_DURABLE', 'the journal is closed');
}

function mismatch(body: AnswerBody): Error {
  return new Error(`the journal thread answered with ${body.kind}`);
}
