// What a sender waits for while Redis is well, 50 ms away, frozen and down, at half of what the textbook can do with it
// well. The textbook stands beside it: without Redis it has no answer to give, and is given as long as Lean waits.
import { openTimes } from '../load-times.ts';
import { runLoad, type LoadOptions, type LoadResult } from '../load.ts';
import { openModel } from '../open-model.ts';
import { openBreakableRedis, redisStates, type BreakableRedis, type RedisState } from '../redis-states.ts';
import { interleave, ratios } from '../rounds.ts';
import type { BenchContext, Figure, Ratio, Scenario } from '../scenario.ts';
import { withSubjects, type Subject, type SubjectStage } from '../subjects.ts';
import { maximumOf } from '../textbook-maximum.ts';
import { warmUp } from '../warm-up.ts';

const quickStates: readonly RedisState[] = ['healthy', 'frozen', 'down'];
const share = 0.5;
const target = { atMost: 1.2 };
/** Lean gives up then; in a quick run nobody waits so long. */
const answerDeadlineMs = { full: 10_000, quick: 500 };
const awayMeasureMs = { full: 1_000, quick: 300 };

export const ackRedis: Scenario = {
  name: 'ack-redis',
  title: 'Time to the 200 with Redis well, slow, frozen and down',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const ways: BreakableRedis[] = [];
      const openWay = async (): Promise<BreakableRedis> => {
        const way = await openBreakableRedis(stage.engines, await stage.startRedis());
        ways.push(way);
        return way;
      };
      try {
        const [way, peerWay, awayWay] = [await openWay(), await openWay(), await openWay()];
        const ours = await stage.startOurs(reached(way));
        const textbook = await stage.startTextbook(reached(peerWay));
        await warmUp(context, [ours, textbook]);
        const ratePerSecond = share * (await maximumOf(context, textbook));
        const measure = (subject: Subject, over: BreakableRedis, state: RedisState): Promise<LoadResult> =>
          over.during(state, () => load(subject, { ratePerSecond, ...openTimes(context) }));
        const all = await interleave({
          rounds: context.rounds,
          subjects: (context.quick ? quickStates : redisStates).map((state) => ({ name: state, state })),
          async measure({ state }) {
            const measuredOurs = await measure(ours, way, state);
            await ours.rest();
            const measuredTextbook =
              state === 'frozen' || state === 'down'
                ? await measureAway(context, { stage, way: awayWay, state, ratePerSecond })
                : await measure(textbook, peerWay, state);
            await textbook.rest();
            return { ours: measuredOurs, textbook: measuredTextbook };
          },
        });
        return { figures: toFigures(all), ratios: toRatios(all) };
      } finally {
        await Promise.all(ways.map((way) => way.close()));
      }
    }),
};

function reached({ redis, url: redisUrl }: BreakableRedis) {
  return { redis, redisUrl };
}

interface Round {
  readonly ours: LoadResult;
  readonly textbook: LoadResult;
}
type Rounds = ReadonlyMap<string, readonly Round[]>;

interface Away {
  readonly stage: SubjectStage;
  readonly way: BreakableRedis;
  readonly state: RedisState;
  readonly ratePerSecond: number;
}

/** A fresh textbook each time: after an outage it waits up to 20 s before it asks its Redis again. */
async function measureAway(
  context: BenchContext,
  { stage, way, state, ratePerSecond }: Away,
): Promise<LoadResult> {
  const size = context.quick ? 'quick' : 'full';
  const bounded = {
    warmUpMs: 0,
    measureMs: awayMeasureMs[size],
    answerDeadlineMs: answerDeadlineMs[size],
    mayFail: true,
  };
  const subject = await stage.startTextbook({ redis: way.redis, redisUrl: way.url });
  const result = await way.during(state, () => load(subject, { ratePerSecond, ...bounded }));
  await subject.rest();
  await subject.close();
  return result;
}

function load(
  { target: to }: Subject,
  { ratePerSecond, ...times }: Omit<LoadOptions, 'target' | 'model'> & { ratePerSecond: number },
): Promise<LoadResult> {
  return runLoad({ target: to, model: openModel(ratePerSecond), ...times });
}

function toFigures(all: Rounds): Figure[] {
  const value = (what: string, unit: string, of: (result: LoadResult) => number): Figure[] =>
    [...all].flatMap(([state, rounds]) =>
      (['ours', 'textbook'] as const).map((subject) => ({
        subject,
        what: `${what}, Redis ${state}`,
        unit,
        rounds: rounds.map((round) => of(round[subject])),
      })),
    );
  return [
    ...value('p50', 'ms', ({ p50Ms }) => p50Ms),
    ...value('p99', 'ms', ({ p99Ms }) => p99Ms),
    ...value('answered', '%', ({ answered, unanswered }) => (100 * answered) / (answered + unanswered)),
  ];
}

function toRatios(all: Rounds): Ratio[] {
  const p99 = (state: RedisState, subject: keyof Round): number[] =>
    (all.get(state) ?? []).map((round) => round[subject].p99Ms);
  const compared = (state: RedisState, subject: keyof Round): number[] =>
    ratios(p99(state, subject), p99('healthy', subject));
  return [
    { what: 'p99 Redis slow, to healthy', target: null, rounds: compared('slow', 'ours') },
    { what: 'p99 Redis frozen, to healthy', target, rounds: compared('frozen', 'ours') },
    { what: 'p99 Redis down, to healthy', target, rounds: compared('down', 'ours') },
    { what: 'textbook: p99 Redis slow, to healthy', target: null, rounds: compared('slow', 'textbook') },
  ];
}
