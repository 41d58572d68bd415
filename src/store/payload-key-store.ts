// Which keys workers have sealed with, by their ids, so that a start can name the one it lacks. Never holds a key.
import { sql } from 'kysely';
import type { KeyRing } from '../sealing/key-ring.ts';
import type { Database } from './database.ts';

export interface MissingKeys {
  /** Ids of keys that events need which are still to be applied. */
  readonly needed: readonly string[];
  /** Ids of other keys that this database's payloads were sealed with and that the ring lacks. */
  readonly unused: readonly string[];
}

/** The oldest events that wait: those sealed with a former key are among them. */
const eventsLookedAt = 1_000;

/**
 * Only keys that a worker is known to have sealed with count: a damaged body may name any key, and must not keep
 * workers from starting.
 */
export async function findMissingKeys(database: Database, keyRing: KeyRing | null): Promise<MissingKeys> {
  const rows = await database.db.selectFrom('payload_keys').select('key_id').orderBy('key_id').execute();
  const missing = rows.map((row) => row.key_id).filter((keyId) => keyRing?.keys.has(keyId) !== true);
  if (missing.length === 0) return { needed: [], unused: [] };
  // Version 1, then eight bytes of the key's id.
  const { rows: waiting } = await sql<{ key_id: string }>`
    select distinct encode(substring(body from 2 for 8), 'hex') as key_id
    from (
      select body from ${database.table('webhook_events')}
      where concluded_at is null order by received_at limit ${eventsLookedAt}
    ) as oldest
    where substring(body from 1 for 1) = '\\x01'::bytea
  `.execute(database.db);
  const needed = new Set(waiting.map((row) => row.key_id));
  return {
    needed: missing.filter((keyId) => needed.has(keyId)),
    unused: missing.filter((keyId) => !needed.has(keyId)),
  };
}

/** Before anything is sealed with it. */
export async function recordSealingKey(database: Database, { sealingKeyId }: KeyRing): Promise<void> {
  if (sealingKeyId === null) return;
  await database.db
    .insertInto('payload_keys')
    .values({ key_id: sealingKeyId })
    .onConflict((conflict) => conflict.column('key_id').doNothing())
    .execute();
}
