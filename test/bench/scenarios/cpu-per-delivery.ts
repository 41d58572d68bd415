// What a delivery costs in processor time, at one and the same rate for both: of the process that answers, with all that
// it does behind its answers, and beside it of its Redis.
import { openTimes } from '../load-times.ts';
import { runLoad } from '../load.ts';
import { measureInTurns } from '../measured.ts';
import { openModel } from '../open-model.ts';
import { cpuSeconds } from '../processes.ts';
import type { BenchContext, Scenario } from '../scenario.ts';
import { withSubjects, type Subject } from '../subjects.ts';
import { maximumOf } from '../textbook-maximum.ts';
import { warmUp } from '../warm-up.ts';

const share = 0.5;
const microsecondsPerSecond = 1_000_000;

export const cpuPerDelivery: Scenario = {
  name: 'cpu-per-delivery',
  title: 'Processor time a delivery costs, forwarding included',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const subjects = await stage.start('textbook', 'ours');
      const [textbook] = subjects;
      if (textbook === undefined) throw new Error('nothing to compare with');
      await warmUp(context, subjects);
      const ratePerSecond = share * (await maximumOf(context, textbook));
      const measured = await measureInTurns(context, {
        subjects,
        measure: (subject) => costOf(context, { subject, ratePerSecond }),
      });
      const unit = 'µs a delivery';
      const compared = { of: 'ours', to: 'textbook' };
      return {
        figures: [
          ...measured.figures({ what: 'CPU', unit, value: ({ own }) => own }),
          ...measured.figures({ what: 'CPU of its Redis', unit, value: ({ redis }) => redis }),
        ],
        ratios: [
          ...measured.ratio({
            ...compared,
            what: 'CPU per delivery, to textbook',
            target: { atMost: 0.7 },
            value: ({ own }) => own,
          }),
          ...measured.ratio({
            ...compared,
            what: 'the same with Redis',
            target: null,
            value: ({ own, redis }) => own + redis,
          }),
        ],
      };
    }),
};

/** From when its connections are open and the warm-up is over until the last has left the journal; microseconds a delivery. */
async function costOf(
  context: BenchContext,
  { subject, ratePerSecond }: { readonly subject: Subject; readonly ratePerSecond: number },
): Promise<{ own: number; redis: number }> {
  const pids = [subject.pid, subject.redis?.pid ?? 0];
  let before = pids.map(() => Number.NaN);
  const { answered } = await runLoad({
    target: subject.target,
    model: openModel(ratePerSecond),
    ...openTimes(context),
    onBegun() {
      before = pids.map(cpuSeconds);
    },
  });
  if (subject.name === 'ours') await subject.rest();
  const [own = Number.NaN, redis = Number.NaN] = pids.map(
    (pid, index) => ((cpuSeconds(pid) - (before[index] ?? Number.NaN)) * microsecondsPerSecond) / answered,
  );
  return { own, redis };
}
