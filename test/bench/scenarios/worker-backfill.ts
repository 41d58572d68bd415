// The first sync of customers with a long history, by one worker process: rows a second, what a row costs late compared
// with early, and the worker's memory over time. A million rows unless BENCH_TRANSACTIONS says otherwise.
import { sql } from 'kysely';
import { cpuSeconds, residentBytes } from '../processes.ts';
import { median } from '../rounds.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import { finishedBody, queueDeliveries } from '../worker-events.ts';
import { leanCustomers } from '../worker-lean.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { sizeOf, until } from '../waits.ts';

const entities = 4;
const lookEveryMs = 500;
const limitMs = 3_600_000;
const mebibyte = 1_048_576;

/** As the backfill stood at one moment. */
interface Look {
  readonly seconds: number;
  readonly rows: number;
  readonly cpuSeconds: number;
  readonly rssMib: number;
}

export const workerBackfill: Scenario = {
  name: 'worker-backfill',
  title: 'First sync of a long history by one worker',
  async run(context: BenchContext): Promise<ScenarioResult> {
    const { quick, say } = context;
    const wanted = quick ? 5_000 : sizeOf('BENCH_TRANSACTIONS', 1_000_000);
    const listLength = Math.max(100, Math.round(wanted / entities / 100) * 100);
    const rows = listLength * entities;
    const lean = { entities, accounts: 1, transactions: 4, listLength };
    const bodies = leanCustomers(lean).entities.map(finishedBody);
    return withWorkers(context, lean, async (stage) =>
      judge(await backfill(stage, { bodies, rows, say }), rows),
    );
  },
};

interface Backfill {
  readonly bodies: readonly string[];
  readonly rows: number;
  readonly say: (line: string) => void;
}

async function backfill(stage: WorkerStage, { bodies, rows, say }: Backfill): Promise<Look[]> {
  const worker = await stage.startWorker();
  const startedAt = performance.now();
  const looks: Look[] = [];
  let saidAt = 0;
  const look = async (): Promise<boolean> => {
    const { stored, done, flawed } = await progress(stage);
    if (flawed > 0) throw new Error(`${flawed} syncs ended with a failure`);
    const seconds = (performance.now() - startedAt) / 1_000;
    const rssMib = residentBytes(worker.pid) / mebibyte;
    looks.push({ seconds, rows: stored, cpuSeconds: cpuSeconds(worker.pid), rssMib });
    if (seconds - saidAt > 10) {
      saidAt = seconds;
      say(`${stored} rows after ${seconds.toFixed(0)} s, ${rssMib.toFixed(0)} MiB`);
    }
    return done === bodies.length;
  };
  await queueDeliveries(stage, bodies);
  await until(look, { what: 'the backfill', timeoutMs: limitMs, everyMs: lookEveryMs });
  await worker.stop();
  const { rows: counted } = await sql<{ stored: number }>`
    select count(*)::int as stored from ${stage.database.table('transactions')}
  `.execute(stage.database.db);
  if (counted[0]?.stored !== rows) throw new Error(`${counted[0]?.stored} of ${rows} rows are there`);
  return looks;
}

/** By the runs' own counters: counting the rows would cost more the more there are. */
async function progress({ database }: WorkerStage) {
  const { rows } = await sql<{ stored: number; done: number; flawed: number }>`
    select coalesce(sum(transactions), 0)::int as stored,
      count(*) filter (where state in ('done', 'failed'))::int as done,
      count(*) filter (where failure_code is not null)::int as flawed
    from ${database.table('sync_runs')}
  `.execute(database.db);
  return rows[0] ?? { stored: 0, done: 0, flawed: 0 };
}

function judge(looks: readonly Look[], rows: number): ScenarioResult {
  const last = looks.at(-1);
  if (last === undefined) throw new Error('nobody looked');
  const memory = (from: number, to: number): number =>
    median(
      looks.filter((look) => look.rows > rows * from && look.rows <= rows * to).map(({ rssMib }) => rssMib),
    );
  /** Of the tenth of all rows that ends there. */
  const cost = (end: number, of: 'seconds' | 'cpuSeconds'): number => {
    const [from, to] = [at(looks, rows * (end - 0.1)), at(looks, rows * end)];
    return ((to[of] - from[of]) * 1_000_000) / (to.rows - from.rows);
  };
  const early = { seconds: cost(0.15, 'seconds'), cpuSeconds: cost(0.15, 'cpuSeconds') };
  const late = { seconds: cost(1, 'seconds'), cpuSeconds: cost(1, 'cpuSeconds') };
  return {
    figures: [
      one(`backfill of ${rows} transactions`, 's', last.seconds),
      one('rows', '1/s', rows / last.seconds),
      one('a row, from 5 to 15 % of all', 'µs', early.seconds),
      one('a row, the last 10 % of all', 'µs', late.seconds),
      one('CPU of the worker for a row, from 5 to 15 % of all', 'µs', early.cpuSeconds),
      one('CPU of the worker for a row, the last 10 % of all', 'µs', late.cpuSeconds),
      one('memory, second quarter', 'MiB', memory(0.25, 0.5)),
      one('memory, last quarter', 'MiB', memory(0.75, 1)),
    ],
    ratios: [
      {
        what: 'memory, last quarter / second quarter',
        target: { atMost: 1.1 },
        rounds: [memory(0.75, 1) / memory(0.25, 0.5)],
      },
      {
        what: 'time for a row, at the end / at a tenth',
        target: { atMost: 1.2 },
        rounds: [late.seconds / early.seconds],
      },
      {
        what: 'CPU of the worker for a row, at the end / at a tenth',
        target: null,
        rounds: [late.cpuSeconds / early.cpuSeconds],
      },
    ],
  };
}

function one(what: string, unit: string, value: number) {
  return { subject: 'worker', what, unit, rounds: [value] };
}

/** The first look at which so many rows were there. */
function at(looks: readonly Look[], rows: number): Look {
  const found = looks.find((look) => look.rows >= rows) ?? looks.at(-1);
  if (found === undefined) throw new Error('nobody looked');
  return found;
}
