// What a worker does to Postgres, seen from there: it needs no right but to read and write rows, and no statement of it
// reads a table that grows from end to end.
import { randomBytes } from 'node:crypto';
import { CompiledQuery, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { engines } from '../support/engines.ts';
import { hotStatements, plainText } from '../support/hot-statements.ts';
import { runMigrate } from '../support/processes.ts';
import type { WorkerWorld } from '../support/running-worker.ts';
import { readPlan, wholeReads } from '../support/statement-plans.ts';
import type { SentStatement } from '../support/watched-statements.ts';
import { watchWholeWork, type WatchedWork } from '../support/watched-work.ts';
import { createWholeWorld, wholeWorkTimeoutMs } from '../support/whole-work.ts';

const { databaseUrl } = engines;
const role = `worker_${randomBytes(6).toString('hex')}`;
const password = randomBytes(12).toString('hex');

interface Watched extends WatchedWork {
  readonly world: WorkerWorld;
  readonly migrated: string;
}

let watched: Watched | null = null;
beforeAll(async () => {
  if (databaseUrl !== undefined) watched = await watchInRole(databaseUrl);
}, wholeWorkTimeoutMs);
afterAll(async () => {
  const database = watched?.world.test.database;
  if (database !== undefined) {
    await sql`drop owned by ${sql.id(role)}`.execute(database.db);
    await sql`drop role ${sql.id(role)}`.execute(database.db);
  }
  await watched?.world.close();
});

/** By a worker in a role that `migrate` has given what it gives to workers, and nobody anything else. */
async function watchInRole(ownerUrl: string): Promise<Watched> {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = password;
  const world = await createWholeWorld({ DATABASE_URL: url.href });
  await sql`create role ${sql.id(role)} login password ${sql.lit(password)}`.execute(world.test.database.db);
  const migrated = await runMigrate({ ...world.env, MIGRATION_DATABASE_URL: ownerUrl });
  return { world, migrated, ...(await watchWholeWork(world, url.href)) };
}

describe('a worker whose role only reads and writes rows', () => {
  it('does all of its work, and is refused nothing', (context) => {
    if (watched === null) return context.skip('needs a real Postgres');
    expect(watched.migrated).toContain(`role ${role} may read and write rows, as workers do`);
    const said = watched.lines.map((line) => JSON.stringify(line, withErrors));
    expect(said.filter((line) => /permission denied|"42501"/.test(line))).toEqual([]);
  });
});

function withErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? `${value.message} ${String(value.cause)}` : value;
}

interface WholeReads {
  readonly text: string;
  readonly reads: readonly string[];
}

/**
 * The statements for which Postgres, were every table and every index large, would have no way but to read something
 * from end to end.
 */
async function withoutAWay(
  { db, schema }: Database,
  sent: readonly SentStatement[],
): Promise<readonly WholeReads[]> {
  const transaction = await db.startTransaction().execute();
  const set = (way: string, value: 'on' | 'off') =>
    sql.raw(`set local enable_${way} = ${value}`).execute(transaction);
  try {
    await sql`
      update pg_class set reltuples = 20000, relpages = greatest(1, pg_relation_size(oid) / 8192)
      where relnamespace = ${schema}::regnamespace and relkind in ('r', 'i')
    `.execute(transaction);
    // Their few pages stay what they are, and nothing is known of their values: so the ways that pay for small tables, or
    // for joins of many rows, are switched off, joins go in the order in which they are written, and the way that only
    // some statements need is tried on and off.
    await sql`set local join_collapse_limit = 1`.execute(transaction);
    for (const way of ['seqscan', 'hashjoin', 'mergejoin']) await set(way, 'off');
    let left = sent.map(({ sql: text, parameters }) => ({ text, parameters, reads: ['not asked yet'] }));
    for (const bitmaps of ['on', 'off'] as const) {
      await set('bitmapscan', bitmaps);
      for (const one of left) {
        const asked = CompiledQuery.raw(`explain (format json, costs off) ${one.text}`, [...one.parameters]);
        const { rows } = await transaction.executeQuery(asked);
        one.reads = wholeReads(readPlan(rows));
      }
      left = left.filter(({ reads }) => reads.length > 0);
    }
    return left.map(({ text, reads }) => ({ text, reads }));
  } finally {
    await transaction.rollback().execute();
  }
}

const isSuperuser = async ({ db }: Database) =>
  (await sql`select from pg_roles where rolname = current_user and rolsuper`.execute(db)).rows.length > 0;

describe('a statement of a worker', () => {
  it('reads no table that grows from end to end, whichever statement it is', async (context) => {
    if (watched === null) return context.skip('needs a real Postgres');
    const { database, schema } = watched.world.test;
    context.skip(
      !(await isSuperuser(database)),
      'needs a superuser, to tell Postgres how large its tables are',
    );
    const sent = [...watched.sent.values()].filter(({ sql: text }) =>
      /^\s*(select|insert|update|delete|with)\b/.test(text),
    );
    const texts = sent.map(({ sql: text }) => plainText(text, schema));
    const missed = Object.entries(hotStatements).filter(
      ([, pattern]) => !texts.some((text) => pattern.test(text)),
    );
    expect(missed.map(([name]) => name)).toEqual([]);
    const reading = `select position, change, entity_id, account_id, details
      from "${schema}".change_feed where position > $1 order by position limit 100`;
    const all = [...sent, { sql: reading, parameters: ['1'] }];
    expect(await withoutAWay(database, all)).toEqual([]);
  });
});
