// What a sender waits for while Redis is well, 50 ms away, frozen and down, at half of what the textbook can do with it
// well. The textbook stands beside it: without Redis it has no answer to give, and is given as long as Lean waits.
import { loadTimes } from '../load-times.ts';
import { runLoad, type LoadOptions, type LoadResult } from '../load.ts';
import { openBreakableRedis, redisStates, type BreakableRedis, type RedisState } from '../redis-states.ts';
import { interleave, ratios } from '../rounds.ts';
import type { BenchContext, Figure, Ratio, Scenario } from '../scenario.ts';
import { withSubjects, type OurSubject, type Subject, type SubjectStage } from '../subjects.ts';
import { connections, maximumOf } from '../textbook-maximum.ts';
import { warmUp } from '../warm-up.ts';

const share = 0.5;
const target = { atMost: 1.2 };
/** Lean gives up then; in a quick run nobody waits so long. */
const answerDeadlineMs = { full: 10_000, quick: 500 };
const peerMeasureMs = { full: 1_000, quick: 300 };

export const ackRedis: Scenario = {
  name: 'ack-redis',
  title: 'Time to the 200 with Redis well, slow, frozen and down',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const openWay = async (): Promise<BreakableRedis> =>
        openBreakableRedis(stage.engines, await stage.startRedis());
      const [way, peerWay] = [await openWay(), await openWay()];
      try {
        const subject = await stage.startOurs({ redis: way.redis, redisUrl: way.url });
        await warmUp(context, [subject]);
        const ratePerSecond = await rateOf(context, { stage, way: peerWay });
        const all = await interleave({
          rounds: context.rounds,
          subjects: redisStates.map((state) => ({ name: state, state })),
          measure: async ({ state }) => ({
            ours: await measureOurs(context, { way, subject, state, ratePerSecond }),
            textbook: await measureTextbook(context, { stage, way: peerWay, state, ratePerSecond }),
          }),
        });
        return { figures: toFigures(all), ratios: toRatios(all) };
      } finally {
        await Promise.all([way.close(), peerWay.close()]);
      }
    }),
};

interface Round {
  readonly ours: LoadResult;
  readonly textbook: LoadResult;
}
type Rounds = ReadonlyMap<string, readonly Round[]>;

interface Peer {
  readonly stage: SubjectStage;
  readonly way: BreakableRedis;
}

async function rateOf(context: BenchContext, { stage, way }: Peer): Promise<number> {
  const textbook = await stage.startTextbook({ redis: way.redis, redisUrl: way.url });
  await warmUp(context, [textbook]);
  const maximum = await maximumOf(context, textbook);
  await textbook.close();
  return share * maximum;
}

async function measureOurs(
  context: BenchContext,
  measured: { way: BreakableRedis; subject: OurSubject; state: RedisState; ratePerSecond: number },
): Promise<LoadResult> {
  const { way, subject, state, ratePerSecond } = measured;
  const result = await way.during(state, () => load(subject, { ratePerSecond, ...loadTimes(context) }));
  await subject.rest();
  return result;
}

/** A fresh one each time: after an outage it waits up to 20 s before it asks its Redis again. */
async function measureTextbook(
  context: BenchContext,
  { stage, way, state, ratePerSecond }: Peer & { state: RedisState; ratePerSecond: number },
): Promise<LoadResult> {
  const size = context.quick ? 'quick' : 'full';
  const isAway = state === 'frozen' || state === 'down';
  const bounded = {
    warmUpMs: 0,
    measureMs: peerMeasureMs[size],
    answerDeadlineMs: answerDeadlineMs[size],
    mayFail: true,
  };
  const subject = await stage.startTextbook({ redis: way.redis, redisUrl: way.url });
  await warmUp(context, [subject]);
  const result = await way.during(state, () =>
    load(subject, { ratePerSecond, ...(isAway ? bounded : loadTimes(context)) }),
  );
  await subject.rest();
  await subject.close();
  return result;
}

function load(
  { target: to }: Subject,
  { ratePerSecond, ...times }: Omit<LoadOptions, 'target' | 'model'> & { ratePerSecond: number },
): Promise<LoadResult> {
  return runLoad({ target: to, model: { kind: 'open', connections, ratePerSecond }, ...times });
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
