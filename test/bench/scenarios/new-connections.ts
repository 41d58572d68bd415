// A connection with its full handshake for every delivery, as a sender does that keeps none open. The sender's half of a
// handshake costs as much as the receiver's and comes from the same processors: the receiver's own share is told beside.
import { loadTimes } from '../load-times.ts';
import { cpuPerAnswer, perSecond, runLoad } from '../load.ts';
import { measureInTurns } from '../measured.ts';
import type { Scenario } from '../scenario.ts';
import { withSubjects } from '../subjects.ts';
import { warmUp } from '../warm-up.ts';

const model = { kind: 'new-connections', atOnce: 16 } as const;
const what = 'new connections';
/** More than a few seconds of them take. */
const requests = 20_000;
const warmUpRequests = 5_000;

export const newConnections: Scenario = {
  name: 'new-connections',
  title: 'Deliveries a second, each over a connection of its own',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const subjects = await stage.start('ours', 'limit-fastify', 'textbook', 'limit-nginx');
      await warmUp(context, subjects);
      await warmUp(context, subjects, { model, requests: warmUpRequests });
      const measured = await measureInTurns(context, {
        subjects,
        measure: ({ target, pid }) =>
          runLoad({ target, model, requests, ...loadTimes(context), pids: [pid] }),
      });
      const toPeer = (to: string, target: { atLeast: number } | null) =>
        measured.ratio({ what: `${what}, to ${to}`, of: 'ours', to, target, value: perSecond });
      return {
        figures: [
          ...measured.figures({ what, unit: 'a second', value: perSecond }),
          ...measured.figures({ what: `${what}, CPU`, unit: 'µs a delivery', value: cpuPerAnswer }),
        ],
        ratios: [
          ...toPeer('limit-fastify', { atLeast: 0.9 }),
          ...toPeer('textbook', null),
          ...measured.ratio({
            what: `${what}, CPU, to limit-fastify`,
            of: 'ours',
            to: 'limit-fastify',
            target: null,
            value: cpuPerAnswer,
          }),
        ],
      };
    }),
};
