// Gives processes the deliveries they need to be as fast as they will be: what is measured is a service that runs, not one
// that has just begun. How it begins is measured by itself (cold-start).
import { runLoad, type LoadOptions } from './load.ts';
import type { BenchContext } from './scenario.ts';
import type { Subject } from './subjects.ts';

type WarmUpLoad = Pick<LoadOptions, 'model' | 'requests'>;

/**
 * The same for every subject. V8 needs so many until it has compiled what there is to compile: over the first 80,000 the
 * processor time of a delivery fell by a third for ours and by a half for the textbook.
 */
const usual: WarmUpLoad = { model: { kind: 'closed', connections: 64 }, requests: 50_000 };
/** Whoever needs longer for them goes on as it is. */
const limitMs = 30_000;

const warmShare = 0.95;

/** In a quick run nothing: it asks whether things work. */
export async function warmUp(
  { quick, say }: BenchContext,
  subjects: readonly Subject[],
  load: WarmUpLoad = usual,
): Promise<void> {
  if (quick) return;
  for (const subject of subjects) {
    const { answered } = await runLoad({ target: subject.target, ...load, warmUpMs: 0, measureMs: limitMs });
    // Of a closed model the last few are still under way when none is left.
    if (answered < (load.requests ?? 0) * warmShare)
      say(`${subject.name} had ${answered} deliveries to warm up`);
    await subject.rest();
  }
}
