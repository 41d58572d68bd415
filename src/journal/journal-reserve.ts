// A file that only takes up room. A full disk would otherwise shut the journal in: deleting rows and folding the log
// in need room themselves. It is given up when the disk is full, and nothing is accepted until it is back.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Covers folding in the largest log (4 MiB and one group of at most 5 MiB) and deleting a batch, with half as much again
 * to spare. Only a single body of more than 4 MiB, under a raised BODY_LIMIT_BYTES, makes a larger group.
 */
const mostBytes = 16 * 1024 * 1024;
/** A small limit has a small reserve, down to where it covers less than the log. */
const limitShare = 8;
/** Room that must be free before it is taken back: the log grows again, and must not find the disk full at once. */
const spare = 1.5;
const chunkBytes = 1024 * 1024;

export interface JournalReserve {
  isWhole(): boolean;
  /** Takes the room back when there is enough of it. Never throws: what fails leaves the reserve released. */
  fill(): boolean;
  release(): void;
}

export function createJournalReserve(dir: string, limitBytes: number): JournalReserve {
  const path = join(dir, 'reserve');
  const bytes = Math.min(mostBytes, Math.floor(limitBytes / limitShare));
  let whole = statSync(path, { throwIfNoEntry: false })?.size === bytes;

  function release(): void {
    whole = false;
    rmSync(path, { force: true });
  }

  return {
    isWhole: () => whole,
    release,
    fill() {
      if (whole) return true;
      try {
        if (freeBytes(dir) < bytes * spare) return false;
        writeWhole(path, bytes);
        whole = true;
      } catch {
        release();
      }
      return whole;
    },
  };
}

function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** Random bytes, because a file system that compresses would keep no room for zeros. */
function writeWhole(path: string, bytes: number): void {
  const file = openSync(path, 'w', 0o600);
  try {
    for (let left = bytes; left > 0;) left -= writeSync(file, randomBytes(Math.min(left, chunkBytes)));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
