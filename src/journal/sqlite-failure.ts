// Tells SQLite's failures apart by their result code; its texts are for the log only.
import { AppError } from '../core/app-error.ts';

// Primary result codes, https://www.sqlite.org/rescode.html
const busy = 5;
const corrupt = 11;
const full = 13;
const notADatabase = 26;

export function isBusy(error: unknown): boolean {
  return primaryCode(error) === busy;
}

/** A write found no room. No fsync failed, so what was synced before still is. */
export function isDiskFull(error: unknown): boolean {
  return primaryCode(error instanceof AppError ? error.cause : error) === full;
}

/** JOURNAL_CORRUPT for a damaged file, JOURNAL_UNWRITABLE for all else; an AppError stays what it is. */
export function openFailure(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error;
  const code = primaryCode(error);
  if (code === corrupt || code === notADatabase) return damaged(path, describeFailure(error), error);
  return new AppError('JOURNAL_UNWRITABLE', `${path}: ${describeFailure(error)}`, { cause: error });
}

export function damaged(path: string, what: string, cause?: unknown): AppError {
  const cure =
    'move the whole folder away (keep it) and start with an empty one; never put an older copy in its place';
  return new AppError('JOURNAL_CORRUPT', `${path}: ${what}; ${cure}`, { cause });
}

/** SQLite's or the system's own words; neither holds a value of a row. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure';
  return 'errcode' in error ? `${error.message} (SQLite ${String(error.errcode)})` : error.message;
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  // The extended code carries the primary one in its lowest byte.
  return error.errcode & 0xff;
}
