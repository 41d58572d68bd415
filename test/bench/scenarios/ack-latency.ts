// What a sender waits for, in an open model: deliveries arrive by themselves at fixed rates, a quarter, a half and three
// quarters of what the textbook can do at the most, and latency counts from when each was due.
import { openTimes } from '../load-times.ts';
import { runLoad, type LoadResult } from '../load.ts';
import { joined, measureInTurns, type Measured } from '../measured.ts';
import { openModel } from '../open-model.ts';
import type { BenchContext, Figure, Scenario, ScenarioResult } from '../scenario.ts';
import { withSubjects, type Subject } from '../subjects.ts';
import { maximumOf } from '../textbook-maximum.ts';
import { warmUp } from '../warm-up.ts';

const shares = [0.25, 0.5, 0.75];
const judged = 0.5;
const target = { atMost: 0.5 };
/** Of what it can do: at the rates of the others it only falls behind. */
const shareOfSample = 0.5;

export const ackLatency: Scenario = {
  name: 'ack-latency',
  title: 'Time to the 200 at fixed rates, from when a delivery was due',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const subjects = await stage.start('textbook', 'ours');
      const [sample] = await stage.start('sample');
      const [textbook] = subjects;
      if (textbook === undefined || sample === undefined) throw new Error('nothing to compare with');
      await warmUp(context, [...subjects, sample]);
      const maximum = await maximumOf(context, textbook);
      const results: ScenarioResult[] = [];
      for (const share of context.quick ? [judged] : shares)
        results.push(await compare(context, { subjects, share, maximum }));
      return joined([...results, await measureSample(context, sample)]);
    }),
};

interface Compared {
  readonly subjects: readonly Subject[];
  readonly share: number;
  readonly maximum: number;
}

async function compare(
  context: BenchContext,
  { subjects, share, maximum }: Compared,
): Promise<ScenarioResult> {
  const ratePerSecond = share * maximum;
  const measured = await measureInTurns(context, {
    subjects,
    measure: (subject) => loadOpenly(context, { subject, ratePerSecond }),
  });
  const at = `at ${share * 100} %`;
  const compared = (what: string, value: (load: LoadResult) => number, aimed: typeof target | null) =>
    measured.ratio({ what: `${what} ${at}, to textbook`, of: 'ours', to: 'textbook', target: aimed, value });
  return {
    figures: percentiles(measured, `${at}, ${ratePerSecond.toFixed(0)} a second`),
    ratios: [
      ...compared('p50', ({ p50Ms }) => p50Ms, null),
      ...compared('p99', ({ p99Ms }) => p99Ms, share === judged ? target : null),
    ],
  };
}

async function measureSample(context: BenchContext, sample: Subject): Promise<ScenarioResult> {
  const ratePerSecond = shareOfSample * (await maximumOf(context, sample));
  const measured = await measureInTurns(context, {
    subjects: [sample],
    measure: (subject) => loadOpenly(context, { subject, ratePerSecond }),
  });
  return {
    figures: percentiles(measured, `half of its own, ${ratePerSecond.toFixed(0)} a second`),
    ratios: [],
  };
}

function loadOpenly(
  context: BenchContext,
  { subject, ratePerSecond }: { readonly subject: Subject; readonly ratePerSecond: number },
): Promise<LoadResult> {
  const model = openModel(ratePerSecond);
  return runLoad({ target: subject.target, model, ...openTimes(context) });
}

function percentiles(measured: Measured<LoadResult>, at: string): Figure[] {
  const unit = 'ms';
  return [
    ...measured.figures({ what: `p50 ${at}`, unit, value: ({ p50Ms }) => p50Ms }),
    ...measured.figures({ what: `p99 ${at}`, unit, value: ({ p99Ms }) => p99Ms }),
    ...measured.figures({ what: `p99.9 ${at}`, unit, value: ({ p999Ms }) => p999Ms }),
  ];
}
