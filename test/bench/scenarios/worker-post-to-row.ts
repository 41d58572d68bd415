// From the POST to the committed row of webhook_events, through receiver, journal, Redis and a worker: how long it takes at
// a modest rate, and how many deliveries a second go all the way with nothing piling up behind the answers.
import { setTimeout as delay } from 'node:timers/promises';
import { runLoad, type LoadResult } from '../load.ts';
import { openModel } from '../open-model.ts';
import type { BenchContext, Figure, Ratio, Scenario, ScenarioResult } from '../scenario.ts';
import { openRowWatch, percentile, rowCount } from '../worker-rows.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { sizeOf, until } from '../waits.ts';
import type { OurSubject } from '../subjects.ts';
import { warmUp } from '../warm-up.ts';

const modestRate = 50;
/** What is aimed at, and the steps by which the most is looked for. */
const aimedRate = 3_000;
const rates: readonly number[] = [500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000];
/** By so much less is tried where a rate stands for a step and not for the whole time. */
const stepDown = 500;
/** No growing backlog: what is left behind at the end is done in that time, as at any other moment. */
const behindLimitMs = 2_000;
const limitMs = 300_000;

export const workerPostToRow: Scenario = {
  name: 'worker-post-to-row',
  title: 'From the POST to the committed row',
  run: (context) =>
    withWorkers(context, {}, async (stage) => {
      const worker = await stage.startWorker();
      const ours = await stage.subjects.startOurs({ redis: stage.redis, drained: false });
      await warmUp(context, [ours]);
      const modest = await measureModest(context, { stage, ours });
      const sustained = await measureSustained(context, { stage, ours, workerPid: worker.pid });
      await worker.stop();
      return {
        figures: [...modest, ...sustained.figures],
        ratios: sustained.ratios,
      };
    }),
};

interface Running {
  readonly stage: WorkerStage;
  readonly ours: OurSubject;
}

/** One delivery at a time so that each is watched: at a modest rate they would not meet anyway. */
async function measureModest({ quick, rounds }: BenchContext, { stage, ours }: Running): Promise<Figure[]> {
  const watch = openRowWatch(ours.target, stage.database);
  const count = quick ? 20 : 4 * modestRate;
  const all: number[][] = [];
  try {
    await watch.send();
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = performance.now();
      const sent: Promise<number>[] = [];
      for (let place = 0; place < count; place += 1) {
        await delay(Math.max(0, startedAt + (place * 1_000) / modestRate - performance.now()));
        sent.push(watch.send());
      }
      all.push(await Promise.all(sent));
    }
  } finally {
    await watch.close();
  }
  const line = (what: string, share: number): Figure => ({
    subject: `ours, ${modestRate} deliveries a second`,
    what: `from POST to row, ${what}`,
    unit: 'ms',
    rounds: all.map((times) => percentile(times, share)),
  });
  return [line('p50', 0.5), line('p99', 0.99)];
}

interface Sustained {
  readonly load: LoadResult;
  /** From the last of the load's answers until every row was there. */
  readonly behindMs: number;
  readonly isSustained: boolean;
}

async function measureSustained(
  { quick, say }: BenchContext,
  running: Running & { readonly workerPid: number },
): Promise<ScenarioResult> {
  const stepMs = quick ? 1_000 : 8_000;
  let most = 0;
  for (const step of quick ? rates.slice(0, 1) : rates) {
    const { isSustained, behindMs, load } = await sustain(running, { rate: step, forMs: stepMs });
    say(
      `${step}/s: ${load.perSecond.toFixed(0)}/s answered, p99 ${load.p99Ms.toFixed(1)} ms, rows ${behindMs.toFixed(0)} ms behind`,
    );
    if (!isSustained) break;
    most = step;
  }
  // A step is short: the rate that stands is the one that does so for a whole minute.
  const forMs = quick ? 1_000 : sizeOf('BENCH_SUSTAIN_MS', 60_000);
  let rate = Math.max(most, modestRate);
  let long = await sustain(running, { rate, forMs });
  while (!long.isSustained && rate > stepDown) {
    say(`${rate}/s does not stand for ${forMs / 1_000} s: ${long.behindMs.toFixed(0)} ms behind`);
    rate -= stepDown;
    long = await sustain(running, { rate, forMs });
  }
  const sustained = long.isSustained ? rate : 0;
  const subject = 'ours, everything on this machine';
  const { load } = long;
  const perDelivery = (seconds = Number.NaN): number => (seconds * 1_000_000) / load.answered;
  const ratio: Ratio = {
    what: `POST to row sustained for ${forMs / 1_000} s / ${aimedRate} a second`,
    target: { atLeast: 1 },
    rounds: [sustained / aimedRate],
  };
  return {
    figures: [
      {
        subject,
        what: `POST to row, sustained for ${forMs / 1_000} s`,
        unit: '1/s',
        rounds: [sustained],
      },
      { subject, what: 'p99 of the answers meanwhile', unit: 'ms', rounds: [load.p99Ms] },
      { subject, what: 'rows behind the last answer', unit: 'ms', rounds: [long.behindMs] },
      {
        subject,
        what: 'CPU of the receiver for a delivery',
        unit: 'µs',
        rounds: [perDelivery(load.cpuSeconds[0])],
      },
      {
        subject,
        what: 'CPU of the worker for a delivery',
        unit: 'µs',
        rounds: [perDelivery(load.cpuSeconds[1])],
      },
      {
        subject,
        what: 'CPU of the load generator for a delivery',
        unit: 'µs',
        rounds: [perDelivery(load.loadCpuSeconds)],
      },
    ],
    ratios: [ratio],
  };
}

async function sustain(
  { stage, ours, workerPid }: Running & { readonly workerPid: number },
  { rate, forMs }: { readonly rate: number; readonly forMs: number },
): Promise<Sustained> {
  const before = await rowCount(stage.database);
  const load = await runLoad({
    target: ours.target,
    model: openModel(rate),
    warmUpMs: 500,
    measureMs: forMs,
    pids: [ours.pid, workerPid],
    mayFail: true,
  });
  const endedAt = performance.now();
  const acknowledged = load.statuses['200'] ?? 0;
  const isThere = async (): Promise<boolean> => (await rowCount(stage.database)) - before >= acknowledged;
  await until(isThere, { what: 'every acknowledged delivery to be a row', timeoutMs: limitMs });
  const behindMs = performance.now() - endedAt;
  // In the open model every delivery that was due is answered sooner or later: late answers show that it was too much.
  const isAnswered = load.unanswered === 0 && load.p99Ms <= behindLimitMs;
  return { load, behindMs, isSustained: isAnswered && behindMs <= behindLimitMs };
}
