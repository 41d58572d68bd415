// `node test/bench/retention.ts --rows 10000000`: how fast retention works through a large table, by which plans, what it
// writes, and what intake beside it feels; on a Postgres of its own that waits for its disk. Exit 1 when a statement reads
// the table from end to end.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { storeBatch } from '../../src/store/intake-store.ts';
import { migrate } from '../../src/store/migrate.ts';
import { retentionStatements, retentionTasks } from '../../src/store/retention-store.ts';
import { readDelivery } from '../../src/worker/intake-job.ts';
import { createEngineProcesses } from '../support/engines-processes.ts';
import { webhookBody } from '../support/event-bodies.ts';
import { explain, wholeReads } from '../support/statement-plans.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    seconds: { type: 'string', default: '20' },
    phases: { type: 'string', default: '3' },
  },
});
const [rows, phaseSeconds, phases] = [values.rows, values.seconds, values.phases].map(wholeNumber);
if (rows === undefined || phaseSeconds === undefined || phases === undefined) throw new Error('no numbers');

const round = { keepDays: { bodies: 7, quarantine: 30, eventKeys: 120, changes: 30 }, limit: 1_000 };
/** Statements of one kind in one round of a worker. */
const statementsPerRound = 10;
/** Events of one batch that comes in meanwhile, and from the end of one to the next. */
const intake = { events: 32, everyMs: 50 };
const lockLookMs = 100;
const megabyte = 1_048_576;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const memory = ['shared_buffers=1GB', 'max_wal_size=8GB', 'maintenance_work_mem=512MB'];
const processes = createEngineProcesses();
try {
  const filling = await processes.startPostgres({ args: memory });
  await withDatabase(filling.url, async (database) => {
    await migrate(database);
    const filledMs = await fill(database, rows);
    say(`${rows} events in ${(filledMs / 1_000).toFixed(0)} s, ${await sizeOf(database)}`);
    await sql`checkpoint`.execute(database.db);
  });
  await processes.signal(filling.pid, 'SIGINT');
  const { folder, port } = filling;
  const durable = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on'];
  const { url } = await processes.startPostgres({ folder, port, args: [...memory, ...durable] });
  await withDatabase(url, async (database) => {
    await showPlans(database);
    await measure(database, { phases, seconds: phaseSeconds });
  });
} finally {
  await processes.close();
}

function wholeNumber(text: string): number {
  const read = Number(text);
  if (!Number.isInteger(read) || read < 1) throw new Error(`${text} is not a whole number above 0`);
  return read;
}

async function withDatabase(url: string, run: (database: Database) => Promise<void>): Promise<void> {
  const dialect = postgresDialect({
    url,
    poolSize: 4,
    applicationName: 'bench',
    onIdleError: () => undefined,
    statementTimeoutMs: 1_800_000,
  });
  const database = openDatabase({ schema: 'lean', dialect });
  try {
    await run(database);
  } finally {
    await database.close();
  }
}

/** As old as 140 days, evenly; bodies of 7 days are still there, those of one more day are due, as are the oldest keys. */
async function fill(empty: Database, many: number): Promise<number> {
  const events = empty.table('webhook_events');
  const startedAt = performance.now();
  // Made in one go afterwards: an index that grows by random keys takes far longer.
  const { rows: indexes } = await sql<{ name: string; definition: string }>`
    select indexname as name, indexdef as definition from pg_indexes
    where schemaname = ${empty.schema} and tablename = 'webhook_events' and indexname <> 'webhook_events_pkey'
  `.execute(empty.db);
  for (const { name } of indexes) await sql`drop index ${empty.table(name)}`.execute(empty.db);
  await sql`
    insert into ${events} (event_key, event_id, type, entity_id, customer_id, occurred_at,
      received_at, concluded_at, proof, state, body, body_sha256, payload_hash)
    select key, key, 'entity.data.refresh.updated', 'entity-' || number % 100000, 'customer-' || number % 100000,
      at, at, at, 'signature', case when number % 1000 = 0 then 'quarantined' else 'processed' end,
      case when at > now() - interval '8 days' then convert_to(repeat(md5(number::text), 20), 'UTF8') end,
      md5(key), md5(key)
    from (
      select number, md5(number::text)::uuid::text as key, now() - interval '140 days' * number / ${many} as at
      from generate_series(1, ${many}::int) as number
    ) as made
  `.execute(empty.db);
  for (const { definition } of indexes) await sql.raw(definition).execute(empty.db);
  await sql`vacuum analyze ${events}`.execute(empty.db);
  return performance.now() - startedAt;
}

async function sizeOf(database: Database): Promise<string> {
  const { rows: sizes } = await sql<{ table: string; indexes: string }>`
    select pg_size_pretty(pg_table_size(oid)) as table, pg_size_pretty(pg_indexes_size(oid)) as indexes
    from pg_class where oid = ${`${database.schema}.webhook_events`}::regclass
  `.execute(database.db);
  return `table ${sizes[0]?.table}, indexes ${sizes[0]?.indexes}`;
}

async function showPlans(database: Database): Promise<void> {
  for (const { kind, statement } of retentionStatements(database, round).slice(0, 5)) {
    const reads = wholeReads(await explain(database.db, statement));
    say(`${kind}: ${reads.length === 0 ? 'by index' : `reads the whole table: ${reads.join(', ')}`}`);
    if (reads.length > 0) process.exitCode = 1;
  }
}

/** Intake alone and intake beside retention that never rests, in turns. */
async function measure(database: Database, of: { phases: number; seconds: number }): Promise<void> {
  const alone: Phase[] = [];
  const beside: Phase[] = [];
  const statements = new Map<string, number[]>();
  for (let phase = 0; phase < of.phases; phase += 1) {
    alone.push(await runPhase(database, { seconds: of.seconds }));
    beside.push(await runPhase(database, { seconds: of.seconds, statements }));
  }
  const done = beside.reduce((sum, { retained }) => sum + retained, 0);
  const seconds = beside.reduce((sum, phase) => sum + phase.seconds, 0);
  say(`${done} rows in ${seconds.toFixed(1)} s without a pause, ${(done / seconds).toFixed(0)} a second`);
  for (const [kind, times] of statements) say(`${kind}, ${times.length} statements: ${spreadOf(times)}`);
  say(`a batch of ${intake.events} events, alone: ${spreadOf(alone.flatMap(({ batches }) => batches))}`);
  say(`a batch of ${intake.events} events, beside: ${spreadOf(beside.flatMap(({ batches }) => batches))}`);
  const walOf = (phase: Phase[]) => phase.reduce((sum, { walBytes }) => sum + walBytes, 0);
  const batchesOf = (phase: Phase[]) => phase.reduce((sum, { batches }) => sum + batches.length, 0);
  const ofIntake = (walOf(alone) / batchesOf(alone)) * batchesOf(beside);
  say(`WAL: ${((walOf(beside) - ofIntake) / megabyte / (done / 1_000)).toFixed(2)} MiB per 1,000 rows`);
  say(
    `waited for a lock: ${beside.reduce((sum, { lockWaits }) => sum + lockWaits, 0)} of ${beside.reduce(
      (sum, { looks }) => sum + looks,
      0,
    )} looks`,
  );
}

interface Phase {
  readonly seconds: number;
  readonly retained: number;
  /** How long each batch took, milliseconds. */
  readonly batches: readonly number[];
  readonly walBytes: number;
  readonly looks: number;
  readonly lockWaits: number;
}

interface PhaseOptions {
  readonly seconds: number;
  /** Left out: retention rests. */
  readonly statements?: Map<string, number[]>;
}

async function runPhase(database: Database, { seconds, statements }: PhaseOptions): Promise<Phase> {
  const startedAt = performance.now();
  const isOver = () => performance.now() - startedAt > seconds * 1_000;
  const from = await walPlace(database);
  const [batches, retained, locks] = await Promise.all([
    takeIn(database, isOver),
    statements === undefined ? 0 : retain(database, { isOver, statements }),
    lookForLocks(database, isOver),
  ]);
  const { rows: written } = await sql<{ bytes: string }>`
    select pg_wal_lsn_diff(pg_current_wal_lsn(), ${from}::pg_lsn)::text as bytes
  `.execute(database.db);
  const took = (performance.now() - startedAt) / 1_000;
  return { seconds: took, retained, batches, walBytes: Number(written[0]?.bytes), ...locks };
}

async function walPlace(database: Database): Promise<string> {
  const { rows: places } = await sql<{ place: string }>`select pg_current_wal_lsn()::text as place`.execute(
    database.db,
  );
  return places[0]?.place ?? '0/0';
}

async function takeIn(database: Database, isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const receivedAt = new Date().toISOString();
    const deliveries = Array.from({ length: intake.events }, () =>
      readDelivery(
        { receivedAt, proof: 'signature' },
        webhookBody({ type: 'payment.created', payload: { note: 'x'.repeat(700) }, timestamp: receivedAt }),
      ),
    );
    const startedAt = performance.now();
    await storeBatch(database, { jobId: `in_${randomUUID()}`, deliveries, keyRing: null });
    times.push(performance.now() - startedAt);
    await pause(intake.everyMs);
  }
  return times;
}

async function retain(
  database: Database,
  { isOver, statements }: { isOver: () => boolean; statements: Map<string, number[]> },
): Promise<number> {
  const tasks = retentionTasks(database, round);
  let done = 0;
  while (!isOver()) {
    let inRound = 0;
    for (const { kind, run } of tasks) {
      for (let statement = 0; statement < statementsPerRound && !isOver(); statement += 1) {
        const before = performance.now();
        const count = (await run()) ?? 0;
        if (count > 0) statements.set(kind, [...(statements.get(kind) ?? []), performance.now() - before]);
        inRound += count;
        if (count < round.limit) break;
      }
    }
    done += inRound;
    if (inRound === 0) break;
  }
  return done;
}

async function lookForLocks(
  database: Database,
  isOver: () => boolean,
): Promise<{ looks: number; lockWaits: number }> {
  let looks = 0;
  let lockWaits = 0;
  while (!isOver()) {
    const { rows: waiting } = await sql<{ many: number }>`
      select count(*)::int as many from pg_locks where not granted
    `.execute(database.db);
    looks += 1;
    if ((waiting[0]?.many ?? 0) > 0) lockWaits += 1;
    await pause(lockLookMs);
  }
  return { looks, lockWaits };
}

function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  return promise;
}

function spreadOf(times: readonly number[]): string {
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
  return `median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`;
}
