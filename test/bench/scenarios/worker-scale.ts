// One, two and four worker processes on the same syncs, with a Lean that takes 200 ms to answer and no rate limit: calls to
// Lean a second. Few calls at a time in each worker, so that waiting for Lean bounds them and not this machine's cores.
import { sql } from 'kysely';
import type { SimulatedEntity } from '../../simulator/customers.ts';
import { interleave, ratios } from '../rounds.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import { finishedBody, queueDeliveries } from '../worker-events.ts';
import { leanCustomers } from '../worker-lean.ts';
import { withWorkers, type WorkerProcess, type WorkerStage } from '../worker-stage.ts';
import { sizeOf, until } from '../waits.ts';

const latencyMs = 200;
/** One call at a time and slot: 4 slots of 200 ms are 20 calls a second at most. */
const concurrency = 4;
/** Few calls for each of many entities: the calls for one entity come one after the other, whoever makes them. */
const syncData = 'accounts,transactions';
const limitMs = 240_000;
const lookEveryMs = 200;
const sizes = [1, 2, 4].map((workers) => ({
  name: workers === 1 ? '1 worker' : `${workers} workers`,
  workers,
}));

export const workerScale: Scenario = {
  name: 'worker-scale',
  title: 'Calls to Lean a second by 1, 2 and 4 workers, Lean taking 200 ms',
  run(context: BenchContext): Promise<ScenarioResult> {
    const { quick, rounds } = context;
    // Four that only start take half a minute.
    const subjects = quick ? sizes.slice(0, 2) : sizes;
    const forEach = quick ? 6 : sizeOf('BENCH_ENTITIES', 120);
    const inRound = subjects.reduce((sum, { workers }) => sum + forEach * workers, 0);
    const lean = { entities: inRound * rounds, accounts: 1, transactions: 20, latencyMs };
    const { entities } = leanCustomers(lean);
    return withWorkers(context, lean, async (stage) => {
      const measured = await interleave({
        rounds,
        subjects,
        measure: ({ workers }) =>
          measure(stage, { workers, entities: entities.splice(0, forEach * workers) }),
      });
      const of = (place: number): readonly number[] => measured.get(subjects[place]?.name ?? '') ?? [];
      return {
        figures: subjects.map(({ name: subject }, place) => ({
          subject,
          what: `calls to Lean, ${latencyMs} ms each, ${concurrency} slots a worker`,
          unit: '1/s',
          rounds: of(place),
        })),
        ratios: [
          { what: 'calls/s, 2 workers / 1', target: null, rounds: ratios(of(1), of(0)) },
          { what: 'calls/s, 4 workers / 1', target: { atLeast: 3.6 }, rounds: ratios(of(2), of(0)) },
        ],
      };
    });
  },
};

interface Measuring {
  readonly workers: number;
  /** Heard of for the first time; as many for each worker, so that each has begun as long ago when it counts. */
  readonly entities: readonly SimulatedEntity[];
}

async function measure(stage: WorkerStage, { workers, entities }: Measuring): Promise<number> {
  const running: WorkerProcess[] = [];
  try {
    for (let count = 0; count < workers; count += 1) {
      running.push(await stage.startWorker({ WORKER_CONCURRENCY: String(concurrency), SYNC_DATA: syncData }));
    }
    const before = await runs(stage);
    const looks: { readonly ms: number; readonly calls: number }[] = [];
    await queueDeliveries(stage, entities.map(finishedBody));
    const isDone = async (): Promise<boolean> => {
      const now = await runs(stage);
      if (now.flawed > 0) throw new Error(`${now.flawed} syncs ended with a failure`);
      looks.push({ ms: performance.now(), calls: now.calls - before.calls });
      return now.done - before.done === entities.length;
    };
    await until(isDone, { what: 'every sync to be done', timeoutMs: limitMs, everyMs: lookEveryMs });
    return steadyRate(looks);
  } finally {
    await Promise.all(running.map((worker) => worker.stop()));
  }
}

/**
 * From half of all calls to nine tenths: a worker's first two hundred cost it four times what they cost later, and at the
 * end the last ones are waited for.
 */
function steadyRate(looks: readonly { readonly ms: number; readonly calls: number }[]): number {
  const all = looks.at(-1)?.calls ?? 0;
  const from = looks.find(({ calls }) => calls >= all * 0.5);
  const to = looks.find(({ calls }) => calls >= all * 0.9);
  if (from === undefined || to === undefined) throw new Error('nothing was called');
  return ((to.calls - from.calls) * 1_000) / (to.ms - from.ms);
}

async function runs({ database }: WorkerStage) {
  const { rows } = await sql<{ done: number; flawed: number; calls: number }>`
    select count(*) filter (where state in ('done', 'failed'))::int as done,
      count(*) filter (where failure_code is not null)::int as flawed, coalesce(sum(calls), 0)::int as calls
    from ${database.table('sync_runs')}
  `.execute(database.db);
  return rows[0] ?? { done: 0, flawed: 0, calls: 0 };
}
