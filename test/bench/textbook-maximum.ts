// The most that the textbook answers here and now, from which the rates of the open model are taken.
import { loadTimes } from './load-times.ts';
import { runLoad } from './load.ts';
import type { BenchContext } from './scenario.ts';
import type { Subject } from './subjects.ts';

/** As many as its most deliveries a second need on this kind of machine; more of them only wait longer. */
export const connections = 64;

/** Of a machine that has hardly any time for it; an open model of less would have nothing to say. */
const leastPerSecond = 40;

/** Deliveries a second. */
export async function maximumOf(context: BenchContext, subject: Subject): Promise<number> {
  const model = { kind: 'closed', connections } as const;
  const answered = await runLoad({ target: subject.target, model, ...loadTimes(context) });
  await subject.rest();
  const perSecond = Math.max(leastPerSecond, answered.perSecond);
  context.say(`${subject.name} answers ${perSecond.toFixed(0)} a second at the most`);
  return perSecond;
}
