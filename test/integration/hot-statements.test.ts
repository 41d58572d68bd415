// What a worker does to Postgres, seen from there: it needs no right but to read and write rows, and no statement of it
// reads a table that grows from end to end.
import { randomBytes } from 'node:crypto';
import { CompiledQuery, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../src/config/load-config.ts';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { engines } from '../support/engines.ts';
import { runMigrate } from '../support/processes.ts';
import type { WorkerWorld } from '../support/running-worker.ts';
import { createRecordingLogger, type RecordedLine } from '../support/silent-logger.ts';
import { watchedDialect, type SentStatement } from '../support/watched-statements.ts';
import { createWholeWorld, doWholeWork, wholeWorkTimeoutMs } from '../support/whole-work.ts';

const { databaseUrl } = engines;
const role = `worker_${randomBytes(6).toString('hex')}`;
const password = randomBytes(12).toString('hex');

interface Watched {
  readonly world: WorkerWorld;
  readonly migrated: string;
  readonly lines: readonly RecordedLine[];
  /** The first of each text. */
  readonly sent: ReadonlyMap<string, SentStatement>;
}

let watched: Watched | null = null;
beforeAll(async () => {
  if (databaseUrl !== undefined) watched = await watchWholeWork(databaseUrl);
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
async function watchWholeWork(ownerUrl: string): Promise<Watched> {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = password;
  const world = await createWholeWorld({ DATABASE_URL: url.href });
  const { database, schema } = world.test;
  await sql`create role ${sql.id(role)} login password ${sql.lit(password)}`.execute(database.db);
  const migrated = await runMigrate({ ...world.env, MIGRATION_DATABASE_URL: ownerUrl });
  const sent = new Map<string, SentStatement>();
  const dialect = postgresDialect({
    url: url.href,
    poolSize: 8,
    applicationName: 'lean-worker',
    onIdleError: () => undefined,
  });
  const workers = openDatabase({
    schema,
    dialect: watchedDialect(dialect, (one) => sent.has(one.sql) || sent.set(one.sql, one)),
  });
  const { logger, lines } = createRecordingLogger();
  const { metrics, readiness } = world;
  const worker = await startWorker({
    config: loadConfig('worker', world.env),
    database: workers,
    logger,
    metrics,
    readiness,
    reconciler: { intervalMs: 300, olderThanMs: 300 },
    sweeps: { intervalMs: 100 },
  });
  try {
    await doWholeWork(world);
  } finally {
    await worker.close();
    await workers.close();
  }
  return { world, migrated, lines, sent };
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

/** Hold a row or a few, whatever arrives: one a bank, a sweep, a key. */
const smallTables: ReadonlySet<string> = new Set([
  'installation',
  'schema_migrations',
  'banks',
  'sweep_progress',
  'change_feed_state',
  'payload_keys',
]);

const planSchema = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Index Cond': z.string().optional(),
  'Subplan Name': z.string().optional(),
  get Plans() {
    return planSchema.array().optional();
  },
});
type Plan = z.infer<typeof planSchema>;
const explainedSchema = z.tuple([z.object({ 'QUERY PLAN': z.tuple([z.object({ Plan: planSchema })]) })]);

interface Around {
  readonly table: string;
  /** It ends after so many rows, or at the first one: `exists` is a plan of its own that comes first. */
  readonly isLimited: boolean;
}

/** Every part of the plan that goes through a growing table, or an index of one, from end to end. */
function wholeReads(plan: Plan, around: Around = { table: '', isLimited: false }): string[] {
  const { 'Node Type': node, 'Relation Name': table = around.table, 'Index Name': index } = plan;
  const isFirst = index !== undefined && plan['Subplan Name']?.startsWith('InitPlan') === true;
  const isLimited = around.isLimited || node === 'Limit' || isFirst;
  const parts = (plan.Plans ?? []).map((part) => wholeReads(part, { table, isLimited }));
  // What one index has found is looked up in another one only where that costs little.
  const below = node === 'BitmapAnd' && parts.some((reads) => reads.length === 0) ? [] : parts.flat();
  const isWhole =
    node === 'Seq Scan' || (index !== undefined && plan['Index Cond'] === undefined && !isLimited);
  return isWhole && !smallTables.has(table) ? [`${node} ${index ?? ''} of ${table}`, ...below] : below;
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
        one.reads = wholeReads(explainedSchema.parse(rows)[0]['QUERY PLAN'][0].Plan);
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

/** What the flow has come by, so that none of it is missed without anybody noticing. */
const hot = {
  'a batch is stored': /^\s*insert into S\.webhook_events as event/,
  'an event is read': /^select .* from S\.webhook_events where event_key = \$1/,
  'an event is concluded': /^update S\.webhook_events set state/,
  'the reconciler looks for events': /from S\.webhook_events\s+where concluded_at is null and updated_at <=/,
  'the reconciler looks for steps': /from S\.sync_steps as step\s+join S\.sync_runs/,
  'what sweeps are due': /from S\.sweep_progress where due_at <= now\(\)/,
  'what changes have no number': /from S\.changes where position is null\) as pending/,
  'changes are numbered': /row_number\(\) over \(order by change_id\)/,
  'transactions are stored': /^insert into S\.transactions /,
  'transactions are marked': /^update S\.transactions set superseded_at/,
  'a customer’s rows are found': /delete from S\.transactions /,
  'retention empties bodies': /update S\.webhook_events set body = null/,
  'retention forgets events': /delete from S\.webhook_events where event_key/,
  'retention forgets changes': /delete from S\.changes where change_id/,
  'what was asked for': /from S\.requests where .*due_at <= now\(\)/,
  'how much waits': /count\(\*\)::integer from \(select 1 from S\.webhook_events/,
};

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
    const texts = sent.map(({ sql: text }) => text.replaceAll('"', '').replaceAll(schema, 'S'));
    const missed = Object.entries(hot).filter(([, pattern]) => !texts.some((text) => pattern.test(text)));
    expect(missed.map(([name]) => name)).toEqual([]);
    const reading = `select position, change, entity_id, account_id, details
      from "${schema}".change_feed where position > $1 order by position limit 100`;
    const all = [...sent, { sql: reading, parameters: ['1'] }];
    expect(await withoutAWay(database, all)).toEqual([]);
  });
});
