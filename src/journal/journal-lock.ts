// One process per journal folder: an exclusive transaction on lock.sqlite that stays open. The kernel drops it when
// the process ends, however it ends. The file also remembers which journal the folder holds, so that a journal
// that vanished is noticed instead of replaced by an empty one.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { isBusy, openFailure } from './sqlite-failure.ts';

const rememberedSchema = z.object({ journal_id: z.string() });

export interface JournalLock {
  /** The journal this folder held before, null for a new folder. */
  readonly journalId: string | null;
  remember(journalId: string): void;
  close(): void;
}

/** For whoever only looks whether the folder is held (journal-status.ts): that takes microseconds. A holder stays. */
const busyTimeoutMs = 250;

/** Throws JOURNAL_LOCKED (another holder), JOURNAL_UNWRITABLE or JOURNAL_CORRUPT. */
export function takeJournalLock(dir: string): JournalLock {
  const path = join(dir, 'lock.sqlite');
  const database = attempt(() => new DatabaseSync(path, { timeout: busyTimeoutMs }), path);
  try {
    return attempt(() => holdLock(database), path);
  } catch (error) {
    database.close();
    throw error;
  }
}

function holdLock(database: DatabaseSync): JournalLock {
  database.exec('begin exclusive');
  const made = database.prepare("select 1 from sqlite_master where name = 'remembered'").get() !== undefined;
  const row = made ? database.prepare('select journal_id from remembered').get() : undefined;
  return {
    journalId: row === undefined ? null : rememberedSchema.parse(row).journal_id,
    remember(journalId) {
      database.exec(
        'create table if not exists remembered (journal_id text not null) strict; delete from remembered',
      );
      database.prepare('insert into remembered (journal_id) values (?)').run(journalId);
      // Between these two another process may take the lock; then this one ends with JOURNAL_LOCKED.
      attempt(() => database.exec('commit; begin exclusive'), 'lock.sqlite');
    },
    close() {
      database.close();
    },
  };
}

function attempt<Value>(action: () => Value, path: string): Value {
  try {
    return action();
  } catch (error) {
    if (isBusy(error))
      throw new AppError('JOURNAL_LOCKED', `${path} is held by another process`, { cause: error });
    throw openFailure(error, path);
  }
}
