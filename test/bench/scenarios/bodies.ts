// Small and large bodies over open connections: what a signature and the disk cost by the byte.
import { loadTimes } from '../load-times.ts';
import { perSecond, runLoad } from '../load.ts';
import { joined, measureInTurns } from '../measured.ts';
import type { Scenario, ScenarioResult } from '../scenario.ts';
import { withSubjects } from '../subjects.ts';
import { warmUp } from '../warm-up.ts';

const model = { kind: 'closed', connections: 64 } as const;
const bytesOfKilobyte = 1_024;

export const bodies: Scenario = {
  name: 'bodies',
  title: 'Deliveries a second by the size of a body',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const subjects = await stage.start('ours', 'textbook', 'limit-fastify');
      await warmUp(context, subjects);
      const results: ScenarioResult[] = [];
      // Those of 1 kB are what keep-alive sends.
      for (const kilobytes of context.quick ? [20] : [1, 20]) {
        const bodyBytes = kilobytes * bytesOfKilobyte;
        const measured = await measureInTurns(context, {
          subjects,
          measure: ({ target }) => runLoad({ target, model, bodyBytes, ...loadTimes(context) }),
        });
        const what = `bodies of ${kilobytes} kB`;
        const toPeer = (to: string) =>
          measured.ratio({ what: `${what}, to ${to}`, of: 'ours', to, target: null, value: perSecond });
        results.push({
          figures: measured.figures({ what, unit: 'a second', value: perSecond }),
          ratios: [...toPeer('textbook'), ...toPeer('limit-fastify')],
        });
      }
      return joined(results);
    }),
};
