// From the start of a process to its first 200: what a deployment, or a supervisor after a crash, waits for.
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../support/engines-processes.ts';
import { requestBytes } from '../deliveries.ts';
import { launchOurs, launchPeer } from '../launches.ts';
import { createLoadContext, openLoadConnection } from '../load-connection.ts';
import type { LoadTarget } from '../load-messages.ts';
import { interleave, ratios } from '../rounds.ts';
import type { Scenario } from '../scenario.ts';
import type { StartedProcess } from '../started.ts';
import { withSubjects, type SubjectStage } from '../subjects.ts';

type Launch = (stage: SubjectStage, at: { port: number; redisUrl: string }) => StartedProcess;

const launches: readonly { readonly name: string; readonly launch: Launch }[] = [
  { name: 'ours', launch: ({ grounds }, at) => launchOurs(grounds, at) },
  { name: 'textbook', launch: ({ grounds }, at) => launchPeer(grounds, { name: 'textbook', ...at }) },
  {
    name: 'limit-fastify',
    launch: ({ grounds }, { port }) => launchPeer(grounds, { name: 'limit-fastify', port }),
  },
];
const body = { type: 'payment.updated', bytes: 1_024 };
const limitMs = 60_000;
const retryMs = 2;

export const coldStart: Scenario = {
  name: 'cold-start',
  title: 'From the start of the process to its first 200',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const { url: redisUrl } = await stage.startRedis();
      const all = await interleave({
        rounds: context.rounds,
        subjects: launches,
        async measure({ launch }) {
          const port = await freePort();
          const startedMs = performance.now();
          const started = launch(stage, { port, redisUrl });
          try {
            await untilAnswered(stage.target(`https://127.0.0.1:${port}`));
            return performance.now() - startedMs;
          } finally {
            await started.kill();
          }
        },
      });
      const what = 'first 200';
      const times = (name: string): readonly number[] => all.get(name) ?? [];
      return {
        figures: launches.map(({ name: subject }) => ({ subject, what, unit: 'ms', rounds: times(subject) })),
        ratios: [
          { what: 'first 200, to textbook', target: null, rounds: ratios(times('ours'), times('textbook')) },
        ],
      };
    }),
};

async function untilAnswered(target: LoadTarget): Promise<void> {
  const context = createLoadContext(target);
  const request = requestBytes({ ...target, body, closes: true });
  const endsAtMs = performance.now() + limitMs;
  while (performance.now() < endsAtMs) {
    const status = await new Promise<number | null>((resolve) => {
      const connection = openLoadConnection({
        url: target.url,
        context,
        onOpen: () => connection.send(request),
        onReply(answered) {
          connection.close();
          resolve(answered);
        },
        onBroken: () => resolve(null),
      });
    });
    if (status === 200) return;
    if (status !== null) throw new Error(`it answered ${status}`);
    await delay(retryMs);
  }
  throw new Error('it never answered');
}
