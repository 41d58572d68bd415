// `node test/bench/retention.ts --rows 10000000`: how fast retention works through a large table, and by which plans,
// on a Postgres of its own. Exit 1 when a statement reads the table from end to end.
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { retentionStatements, retentionTasks } from '../../src/store/retention-store.ts';
import { createEngineProcesses } from '../support/engines-processes.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '10000000' } } });
const rows = Number(values.rows);
if (!Number.isInteger(rows) || rows < 1) throw new Error('--rows takes a whole number');

const round = { keepDays: { bodies: 7, quarantine: 30, eventKeys: 120, changes: 30 }, limit: 1_000 };
/** Statements of one kind in one round of a worker, which comes every 30 s. */
const statementsPerRound = 10;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const engine = await createEngineProcesses().startPostgres({
  args: ['shared_buffers=1GB', 'max_wal_size=8GB', 'maintenance_work_mem=1GB'],
});
const database = openDatabase({
  schema: 'lean',
  dialect: postgresDialect({
    url: engine.url,
    poolSize: 2,
    applicationName: 'bench',
    onIdleError: () => undefined,
    statementTimeoutMs: 1_800_000,
  }),
});
try {
  await migrate(database);
  const filledMs = await fill(database);
  say(`${rows} events in ${(filledMs / 1_000).toFixed(0)} s`);
  await database.transaction(showPlans);
  await measure(database);
} finally {
  await database.close();
  process.kill(engine.pid, 'SIGKILL');
}

/** As old as 140 days, evenly; bodies of 7 days are still there, those of one more day are due, as are the oldest keys. */
async function fill(empty: Database): Promise<number> {
  const events = empty.table('webhook_events');
  const startedAt = performance.now();
  await sql`
    insert into ${events} (event_key, event_id, type, entity_id, customer_id, occurred_at,
      received_at, concluded_at, proof, state, body, body_sha256, payload_hash)
    select key, key, 'entity.data.refresh.updated', 'entity-' || number % 100000, 'customer-' || number % 100000,
      at, at, at, 'signature', case when number % 1000 = 0 then 'quarantined' else 'processed' end,
      case when at > now() - interval '8 days' then convert_to(repeat(md5(number::text), 20), 'UTF8') end,
      md5(key), md5(key)
    from (
      select number, md5(number::text)::uuid::text as key, now() - interval '140 days' * number / ${rows} as at
      from generate_series(1, ${rows}::int) as number
    ) as made
  `.execute(empty.db);
  await sql`vacuum analyze ${events}`.execute(empty.db);
  return performance.now() - startedAt;
}

async function showPlans(transaction: Parameters<Parameters<Database['transaction']>[0]>[0]): Promise<void> {
  for (const { kind, statement } of retentionStatements(database, round).slice(0, 5)) {
    const { rows: lines } = await sql<{
      'QUERY PLAN': string;
    }>`explain (costs off) ${statement}`.execute(transaction);
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    say(`${kind}:\n${plan}`);
    if (!/Seq Scan on webhook_events/.test(plan)) continue;
    say('this reads the whole table');
    process.exitCode = 1;
  }
}

async function measure(filled: Database): Promise<void> {
  const tasks = retentionTasks(filled, round);
  const all = new Map<string, number[]>();
  let done = 0;
  const startedAt = performance.now();
  for (let rounds = 0; rounds < 60; rounds += 1) {
    let inRound = 0;
    for (const { kind, run } of tasks) {
      for (let statements = 0; statements < statementsPerRound; statements += 1) {
        const before = performance.now();
        const count = (await run()) ?? 0;
        all.set(kind, [...(all.get(kind) ?? []), performance.now() - before]);
        inRound += count;
        if (count < round.limit) break;
      }
    }
    done += inRound;
    if (inRound === 0) break;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  say(`${done} rows in ${seconds.toFixed(1)} s without a pause, ${(done / seconds).toFixed(0)} a second`);
  for (const [kind, times] of all) {
    const sorted = times.toSorted((left, right) => left - right);
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
    say(
      `${kind}: ${times.length} statements, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`,
    );
  }
}
