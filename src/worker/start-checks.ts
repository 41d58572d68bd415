// What must be so in the database before a worker takes a job. Waits for a Postgres that is away and never for one
// that is the wrong one.
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/app-error.ts';
import type { Logger } from '../observability/logger.ts';
import type { Readiness } from '../observability/readiness.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import { checkInstallation, type InstallationFacts } from '../store/installation-store.ts';
import { readDatabaseTime } from '../store/database-time.ts';
import { findMissingKeys, recordSealingKey } from '../store/payload-key-store.ts';

interface StartCheckOptions {
  readonly database: Database;
  readonly facts: InstallationFacts;
  readonly keyRing: KeyRing | null;
  readonly logger: Logger;
  readonly readiness: Readiness;
  /** Between two attempts while Postgres is away; 2,000 when left out. */
  readonly retryMs?: number;
}

const defaultRetryMs = 2_000;

export interface StartFacts {
  readonly installationId: string;
  /** How far Postgres' clock is ahead of this machine's. */
  readonly aheadMs: number;
}

/**
 * What the worker goes by, as soon as Postgres answers; until then the process is not ready, and a signal ends it.
 * Throws SCHEMA_OUTDATED, WRONG_INSTALLATION, PAYLOAD_KEY_MISSING, or what a database that does answer throws.
 */
export async function checkStart(options: StartCheckOptions): Promise<StartFacts> {
  const { logger, readiness, retryMs = defaultRetryMs } = options;
  let isAway = false;
  readiness.register('database', () => (isAway ? { ok: false, code: 'DATABASE_AWAY' } : { ok: true }));
  for (;;) {
    try {
      const facts = await checkOnce(options);
      if (isAway) logger.write('database_state', { outcome: 'back' });
      return facts;
    } catch (error) {
      if (!passesByItself(error)) throw error;
      // One line for an outage, however long it lasts.
      if (!isAway) logger.write('database_state', { outcome: 'away', failure_code: 'DATABASE_AWAY', error });
      isAway = true;
      await pause(retryMs);
    }
  }
}

/** A statement that ran out of time is a database too busy to start on, which passes as well. */
function passesByItself(error: unknown): boolean {
  return ['away', 'slow'].includes(databaseFailure(error));
}

async function checkOnce({ database, facts, keyRing, logger }: StartCheckOptions): Promise<StartFacts> {
  const installationId = await checkInstallation(database, facts);
  await checkKeys(database, keyRing, logger);
  const time = await readDatabaseTime(database);
  return { installationId, aheadMs: time.getTime() - Date.now() };
}

/** Throws PAYLOAD_KEY_MISSING when events wait that no key here opens: they would wait for ever. */
async function checkKeys(database: Database, keyRing: KeyRing | null, logger: Logger): Promise<void> {
  const { needed, unused } = await findMissingKeys(database, keyRing);
  if (needed.length > 0) {
    throw new AppError(
      'PAYLOAD_KEY_MISSING',
      `events wait that were sealed with key ${needed.join(', ')}, which PAYLOAD_KEYS does not have`,
    );
  }
  for (const keyId of unused) {
    const problem = `does not have key ${keyId}: what was sealed with it and is still kept cannot be opened`;
    logger.write('config_warning', { variable: 'PAYLOAD_KEYS', problem });
  }
  if (keyRing !== null) await recordSealingKey(database, keyRing);
}
