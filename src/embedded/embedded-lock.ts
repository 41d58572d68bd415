// One process at a time may own the embedded engines' folder: two would corrupt the database.
// The lock is an open exclusive SQLite transaction, which the kernel releases however the process ends.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../core/app-error.ts';

/** Takes the folder (made when missing) or throws EMBEDDED_IN_USE; `close` gives it back. */
export function lockEmbeddedFolder(dir: string): { close(): void } {
  mkdirSync(dir, { recursive: true });
  const lock = new DatabaseSync(join(dir, 'lock.sqlite'));
  try {
    lock.exec('begin exclusive');
  } catch (error) {
    lock.close();
    throw new AppError('EMBEDDED_IN_USE', `another process runs on the embedded engines in ${dir}`, {
      cause: error,
    });
  }
  return {
    close() {
      lock.close();
    },
  };
}
