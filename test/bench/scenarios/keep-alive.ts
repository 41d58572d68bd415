// Deliveries a second over connections that stay open, as many as each subject answers: 1, 16, 64 and 256 of them. Ours
// verifies certificate and signature and has its journal on; behind it the forwarder goes on with what it gathered.
import { loadTimes } from '../load-times.ts';
import { cpuOfLoad, cpuPerAnswer, perSecond, runLoad } from '../load.ts';
import { joined, measureInTurns } from '../measured.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import { withSubjects, type Subject } from '../subjects.ts';
import { warmUp } from '../warm-up.ts';

/** The connections for which something is aimed at. */
const judged = 64;
const workedOffName = 'textbook with an empty worker';

export const keepAlive: Scenario = {
  name: 'keep-alive',
  title: 'Deliveries a second over open connections',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const subjects = await stage.start('ours', 'textbook', 'limit-fastify', 'limit-nginx');
      // Of ours somebody takes what it hands on; a textbook that is used has a worker as well.
      const workedOff = await stage.startTextbook({ name: workedOffName, workedOff: true });
      await warmUp(context, [...subjects, workedOff]);
      const results: ScenarioResult[] = [];
      for (const connections of context.quick ? [judged] : [1, 16, judged, 256])
        results.push(
          await compare(context, {
            subjects: connections === judged ? [...subjects, workedOff] : subjects,
            connections,
          }),
        );
      return joined(results);
    }),
};

interface Compared {
  readonly subjects: readonly Subject[];
  readonly connections: number;
}

async function compare(context: BenchContext, { subjects, connections }: Compared): Promise<ScenarioResult> {
  const measured = await measureInTurns(context, {
    subjects,
    measure: ({ target, pid }) =>
      runLoad({ target, model: { kind: 'closed', connections }, ...loadTimes(context), pids: [pid] }),
  });
  const what = connections === 1 ? '1 connection' : `${connections} connections`;
  const toPeer = (to: string, atLeast: number | null) =>
    measured.ratio({
      what: `${what}, to ${to}`,
      of: 'ours',
      to,
      target: atLeast === null || connections !== judged ? null : { atLeast },
      value: perSecond,
    });
  return {
    figures: [
      ...measured.figures({ what, unit: 'a second', value: perSecond }),
      ...(connections === judged
        ? [
            ...measured.figures({ what: `${what}, CPU`, unit: 'µs a delivery', value: cpuPerAnswer }),
            ...measured.figures({
              what: `${what}, CPU of the load generator`,
              unit: 'µs a delivery',
              value: cpuOfLoad,
            }),
          ]
        : []),
    ],
    ratios: [
      ...toPeer('textbook', 2),
      ...toPeer(workedOffName, null),
      ...toPeer('limit-fastify', 0.75),
      ...toPeer('limit-nginx', null),
    ],
  };
}
