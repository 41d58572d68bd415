// The most that the textbook answers here and now, from which the rates of the open model are taken.
import { loadTimes } from './load-times.ts';
import { runLoad } from './load.ts';
import { median } from './rounds.ts';
import type { BenchContext } from './scenario.ts';
import type { Subject } from './subjects.ts';

/** As many as its most deliveries a second need on this kind of machine; more of them only wait longer. */
const connections = 64;
const tries = 3;
/** In a quick run, which asks for no figures. */
const quickPerSecond = 400;

/** Of a machine that has hardly any time for it; an open model of less would have nothing to say. */
const leastPerSecond = 40;

/** Deliveries a second, the median of some tries; of a subject that is warm. */
export async function maximumOf(context: BenchContext, subject: Subject): Promise<number> {
  if (context.quick) return quickPerSecond;
  const model = { kind: 'closed', connections } as const;
  const answered: number[] = [];
  for (let left = tries; left > 0; left -= 1) {
    const { perSecond } = await runLoad({ target: subject.target, model, ...loadTimes(context) });
    answered.push(perSecond);
    await subject.rest();
  }
  const perSecond = Math.max(leastPerSecond, median(answered));
  context.say(`${subject.name} answers ${perSecond.toFixed(0)} a second at the most`);
  return perSecond;
}
