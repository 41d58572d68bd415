// After an outage of Redis: how fast what receivers have kept in their journal goes into Postgres, while fresh deliveries
// go on and get their answers. 200,000 have gathered unless BENCH_BACKLOG says otherwise; a round takes some minutes.
import { runLoad, type LoadResult } from '../load.ts';
import { openModel } from '../open-model.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import type { OurSubject } from '../subjects.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { rowCount } from '../worker-rows.ts';
import { sizeOf, until } from '../waits.ts';
import { warmUp } from '../warm-up.ts';

const connections = 64;
const freshRate = 200;
/** At most, while the outage lasts. */
const gatherLimitMs = 600_000;
const limitMs = 600_000;
/** At most; the fresh deliveries end with the drain. */
const freshLimitMs = { full: limitMs, quick: 20_000 };
/** No further round is begun that would not end within it. */
const allRoundsLimitMs = 1_500_000;

interface Drained {
  readonly gathered: LoadResult;
  readonly fresh: LoadResult;
  readonly seconds: number;
}

export const workerDrain: Scenario = {
  name: 'worker-drain',
  title: 'Drain of a backlog after an outage of Redis, while fresh deliveries go on',
  run: (context: BenchContext): Promise<ScenarioResult> =>
    withWorkers(context, {}, async (stage) => {
      const backlog = context.quick ? 1_000 : sizeOf('BENCH_BACKLOG', 200_000);
      const worker = await stage.startWorker();
      const ours = await stage.subjects.startOurs({ redis: stage.redis, drained: false });
      await warmUp(context, [ours]);
      const rounds: Drained[] = [];
      const startedAt = performance.now();
      const fits = (): boolean => {
        const spentMs = performance.now() - startedAt;
        return spentMs + spentMs / Math.max(1, rounds.length) < allRoundsLimitMs;
      };
      while (rounds.length < context.rounds && fits()) {
        const drained = await outage(stage, { ours, backlog, size: context.quick ? 'quick' : 'full' });
        context.say(`${backlog} deliveries in ${drained.seconds.toFixed(1)} s`);
        rounds.push(drained);
      }
      await worker.stop();
      const subject = `ours, ${backlog} deliveries gathered`;
      const line = (what: string, unit: string, value: (drained: Drained) => number) => ({
        subject,
        what,
        unit,
        rounds: rounds.map(value),
      });
      return {
        figures: [
          line('drained', 's', ({ seconds }) => seconds),
          line('drained', '1/s', ({ seconds }) => backlog / seconds),
          line(
            'p99 of the answers, Redis away, as fast as they come',
            'ms',
            ({ gathered }) => gathered.p99Ms,
          ),
          line(`p99 of the answers, draining, ${freshRate} a second`, 'ms', ({ fresh }) => fresh.p99Ms),
        ],
        ratios: [],
      };
    }),
};

interface Outage {
  readonly ours: OurSubject;
  readonly backlog: number;
  readonly size: keyof typeof freshLimitMs;
}

async function outage(stage: WorkerStage, { ours, backlog, size }: Outage): Promise<Drained> {
  const { target } = ours;
  const before = await rowCount(stage.database);
  await stage.stopRedis();
  const gathered = await runLoad({
    target,
    model: { kind: 'closed', connections },
    measureMs: gatherLimitMs,
    warmUpMs: 0,
    requests: backlog,
  });
  const begun = Promise.withResolvers<void>();
  const drained = begun.promise.then(() => drain(stage, before + backlog));
  const [fresh, seconds] = await Promise.all([
    runLoad({
      target,
      model: openModel(freshRate),
      measureMs: freshLimitMs[size],
      onBegun: begun.resolve,
      until: drained,
    }),
    drained,
  ]);
  await untilRows(stage, before + backlog + (fresh.statuses['200'] ?? 0));
  return { gathered, fresh, seconds };
}

/** From when Redis is back until so many are rows, seconds. What came first is stored first. */
async function drain(stage: WorkerStage, rows: number): Promise<number> {
  await stage.restartRedis();
  const startedAt = performance.now();
  await untilRows(stage, rows);
  return (performance.now() - startedAt) / 1_000;
}

function untilRows({ database }: WorkerStage, rows: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await rowCount(database)) >= rows;
  return until(isThere, { what: `${rows} deliveries to be rows`, timeoutMs: limitMs });
}
