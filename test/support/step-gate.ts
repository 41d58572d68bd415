// A gate in front of one step of a worker: a trigger in Postgres that waits for a lock the test holds. So a test knows
// where exactly a worker is when it kills or freezes it. Only in the test's own schema.
import { randomInt } from 'node:crypto';
import { sql } from 'kysely';
import { Client } from 'pg';
import type { TestDatabase } from './engines.ts';

export interface GatedStep {
  readonly table: string;
  readonly operation: 'insert' | 'update';
  /** Before the row is written, or when its transaction commits: then it is stored although nobody is told. */
  readonly at: 'row' | 'commit';
}

export interface StepGate {
  /** Whoever comes to the step from now on waits; first waits for those who are past it to end their transactions. */
  shut(): Promise<void>;
  open(): Promise<void>;
  /** How many wait at it now. */
  waiting(): Promise<number>;
  /** Opens it for good. */
  close(): Promise<void>;
}

/** Open at first. */
export async function openStepGate(
  { database, schema, url }: TestDatabase,
  step: GatedStep,
): Promise<StepGate> {
  const lock = { classId: 7_001, objectId: randomInt(2 ** 31 - 1) };
  const key = `${lock.classId}, ${lock.objectId}`;
  const gate = sql.id(schema, 'wait_at_gate');
  await sql`create function ${gate}() returns trigger language plpgsql as ${sql.lit(
    `begin perform pg_advisory_xact_lock_shared(${key}); return new; end`,
  )}`.execute(database.db);
  const when = step.at === 'row' ? sql`trigger gate before` : sql`constraint trigger gate after`;
  const deferred = step.at === 'row' ? sql`` : sql`deferrable initially deferred`;
  await sql`create ${when} ${sql.raw(step.operation)} on ${sql.id(schema, step.table)} ${deferred}
    for each row execute function ${gate}()`.execute(database.db);
  const holder = new Client({ connectionString: url, application_name: 'gate' });
  await holder.connect();
  return {
    async shut() {
      await holder.query(`select pg_advisory_lock(${key})`);
    },
    async open() {
      await holder.query(`select pg_advisory_unlock(${key})`);
    },
    async waiting() {
      const { rows } = await sql<{ waiting: number }>`
        select count(*)::integer as waiting from pg_locks
        where locktype = 'advisory' and classid = ${lock.classId} and objid = ${lock.objectId} and not granted
      `.execute(database.db);
      return rows[0]?.waiting ?? 0;
    },
    close: () => holder.end(),
  };
}
