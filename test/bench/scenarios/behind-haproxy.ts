// Behind HAProxy that ends TLS and forwards the certificate, as the README configures it, beside the same receiver with
// TLS of its own. HAProxy takes its share of the same processors.
import { findBalancer, startBalancer } from '../../support/balancers.ts';
import { loadTimes } from '../load-times.ts';
import { cpuPerAnswer, perSecond, runLoad } from '../load.ts';
import { measureInTurns } from '../measured.ts';
import type { Scenario } from '../scenario.ts';
import { withSubjects } from '../subjects.ts';
import { warmUp } from '../warm-up.ts';

const model = { kind: 'closed', connections: 64 } as const;
const settings = {
  TLS_TERMINATION: 'proxy',
  FORWARDED_CERT_HEADER: 'haproxy',
  TRUSTED_PROXIES: '127.0.0.1/32',
};
const [behind, direct] = ['ours behind HAProxy', 'ours'];

export const behindHaproxy: Scenario = {
  name: 'behind-haproxy',
  title: 'Deliveries a second behind HAProxy in proxy mode',
  async run(context) {
    if (findBalancer('haproxy') === undefined) {
      context.say('left out: haproxy is not on this machine');
      return { figures: [], ratios: [] };
    }
    return withSubjects(context, async (stage) => {
      const { pki } = stage.grounds;
      const subjects = [
        await stage.startOurs({ name: direct }),
        await stage.startOurs({
          name: behind,
          settings,
          before: (receiverPort) => startBalancer({ kind: 'haproxy', pki, receiverPort }),
        }),
      ];
      await warmUp(context, subjects);
      const measured = await measureInTurns(context, {
        subjects,
        measure: ({ target, pid }) => runLoad({ target, model, ...loadTimes(context), pids: [pid] }),
      });
      const what = '64 connections';
      const figures = measured.figures({ what, unit: 'a second', value: perSecond });
      const cpu = measured.figures({
        what: 'CPU of the receiver',
        unit: 'µs a delivery',
        value: cpuPerAnswer,
      });
      const toDirect = 'behind HAProxy, to direct';
      return {
        figures: [...figures, ...cpu],
        ratios: measured.ratio({ what: toDirect, of: behind, to: direct, target: null, value: perSecond }),
      };
    });
  },
};
