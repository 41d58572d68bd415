// Memory of the process that answers: a second after it listens, and the most of it while it is loaded.
import { setTimeout as delay } from 'node:timers/promises';
import { openTimes } from '../load-times.ts';
import { runLoad } from '../load.ts';
import { interleave, ratios } from '../rounds.ts';
import { residentBytes } from '../processes.ts';
import type { BenchContext, Figure, Scenario } from '../scenario.ts';
import { withSubjects, type Subject, type SubjectName, type SubjectStage } from '../subjects.ts';

const model = { kind: 'closed', connections: 64 } as const;
const names: readonly SubjectName[] = ['ours', 'textbook', 'limit-fastify'];
const idleMs = { full: 1_000, quick: 100 };
const lookMs = 100;
const bytesOfMegabyte = 1_048_576;

interface Memory {
  readonly idle: number;
  readonly loaded: number;
}

export const memory: Scenario = {
  name: 'memory',
  title: 'Memory, idle and under load',
  run: (context) =>
    withSubjects(context, async (stage) => {
      const all = await interleave({
        rounds: context.rounds,
        subjects: names.map((name) => ({ name })),
        measure: ({ name }) => measure(context, { stage, name }),
      });
      const figures = [...all].flatMap(([subject, rounds]): Figure[] => [
        { subject, what: 'memory idle', unit: 'MB', rounds: rounds.map(({ idle }) => idle) },
        { subject, what: 'memory under load', unit: 'MB', rounds: rounds.map(({ loaded }) => loaded) },
      ]);
      const loaded = (name: string): number[] => (all.get(name) ?? []).map((one) => one.loaded);
      const what = 'memory under load, to textbook';
      return {
        figures,
        ratios: [{ what, target: null, rounds: ratios(loaded('ours'), loaded('textbook')) }],
      };
    }),
};

/** A fresh process each time: what one has grown to stays. */
async function measure(
  context: BenchContext,
  { stage, name }: { readonly stage: SubjectStage; readonly name: SubjectName },
): Promise<Memory> {
  const [subject] = await stage.start(name);
  if (subject === undefined) throw new Error(`${name} cannot be started`);
  await delay(context.quick ? idleMs.quick : idleMs.full);
  const idle = residentBytes(subject.pid) / bytesOfMegabyte;
  const loaded = (await mostWhileLoaded(context, subject)) / bytesOfMegabyte;
  await subject.close();
  if (subject.redis !== null) await stage.engines.signal(subject.redis.pid, 'SIGKILL');
  return { idle, loaded };
}

async function mostWhileLoaded(context: BenchContext, { target, pid }: Subject): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, lookMs);
  try {
    await runLoad({ target, model, ...openTimes(context) });
  } finally {
    clearInterval(timer);
  }
  return most;
}
