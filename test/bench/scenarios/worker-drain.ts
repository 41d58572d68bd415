// After an outage of Redis: how fast what receivers have kept in their journal goes into Postgres, while fresh deliveries
// go on and get their answers. BENCH_BACKLOG says how much has gathered; 200,000 takes some minutes.
import { runLoad, type LoadResult } from '../load.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import type { OurSubject } from '../subjects.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { rowCount } from '../worker-rows.ts';
import { sizeOf, until } from '../waits.ts';

const connections = 64;
const freshRate = 200;
/** At most, while the outage lasts. */
const gatherLimitMs = 600_000;
const limitMs = 600_000;
/** For the length of the fresh load, which is to go on for about as long as the drain. */
const assumedPerSecond = 3_000;

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
      const backlog = context.quick ? 1_000 : sizeOf('BENCH_BACKLOG', 40_000);
      const worker = await stage.startWorker();
      const ours = await stage.subjects.startOurs({ redis: stage.redis, drained: false });
      const rounds: Drained[] = [];
      for (let round = 0; round < Math.min(context.rounds, 3); round += 1) {
        const drained = await outage(stage, { ours, backlog });
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
}

async function outage(stage: WorkerStage, { ours, backlog }: Outage): Promise<Drained> {
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
  await stage.restartRedis();
  const startedAt = performance.now();
  const drained = untilRows(stage, before + backlog).then(() => (performance.now() - startedAt) / 1_000);
  const fresh = await runLoad({
    target,
    model: { kind: 'open', connections, ratePerSecond: freshRate },
    measureMs: Math.max(1_000, (backlog * 1_000) / assumedPerSecond),
  });
  const seconds = await drained;
  await untilRows(stage, before + backlog + (fresh.statuses['200'] ?? 0));
  return { gathered, fresh, seconds };
}

function untilRows({ database }: WorkerStage, rows: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await rowCount(database)) >= rows;
  return until(isThere, { what: `${rows} deliveries to be rows`, timeoutMs: limitMs });
}
