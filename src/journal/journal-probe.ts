// Tries the disk under a journal's folder the way a journal uses it: a small file written and synced, whose name is gone
// before the first byte. Never touches a file of the journal's own, makes no folder, and holds up nobody but its caller.
import { randomBytes } from 'node:crypto';
import { constants, promises as files } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../core/app-error.ts';
import { describeFailure } from './sqlite-failure.ts';

export interface JournalDiskProbe {
  /** False where the folder is not made yet; then only the right to make it was looked at. */
  readonly exists: boolean;
  readonly freeBytes: number;
  /** The middle of a few; null where the folder is not made yet. */
  readonly syncMs: number | null;
}

const syncs = 5;
/** A slow disk is known by fewer. */
const enoughMs = 1_000;
/** What one commit of a quiet receiver writes. */
const bytes = 4_096;

/** Throws JOURNAL_UNWRITABLE. */
export async function probeJournalDisk(dir: string): Promise<JournalDiskProbe> {
  const folder = resolve(dir);
  try {
    if (await isThere(folder))
      return { exists: true, freeBytes: await freeBytes(folder), syncMs: await middleSyncMs(folder) };
    const above = await nearestFolder(folder);
    await files.access(above, constants.W_OK | constants.X_OK);
    return { exists: false, freeBytes: await freeBytes(above), syncMs: null };
  } catch (error) {
    throw new AppError('JOURNAL_UNWRITABLE', `${folder}: ${describeFailure(error)}`, { cause: error });
  }
}

async function middleSyncMs(folder: string): Promise<number> {
  const path = join(folder, `doctor-${randomBytes(6).toString('hex')}.tmp`);
  const file = await files.open(path, 'wx', 0o600);
  try {
    // At once: whatever ends this process from now on leaves nothing behind.
    await files.rm(path, { force: true });
    const took: number[] = [];
    for (let spentMs = 0; took.length < syncs && spentMs < enoughMs;) {
      const startedMs = performance.now();
      await file.write(randomBytes(bytes));
      await file.sync();
      const syncMs = performance.now() - startedMs;
      took.push(syncMs);
      spentMs += syncMs;
    }
    return took.toSorted((one, other) => one - other)[Math.floor(took.length / 2)] ?? 0;
  } finally {
    await file.close();
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await files.statfs(folder);
  return bavail * bsize;
}

/** A place that is not there; one that may not be looked at is a failure. */
async function isThere(folder: string): Promise<boolean> {
  try {
    await files.stat(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function nearestFolder(folder: string): Promise<string> {
  const above = dirname(folder);
  return above === folder || (await isThere(above)) ? above : nearestFolder(above);
}
