// Gives processes the deliveries they need to be as fast as they will be: what is measured is a service that runs, not one
// that has just begun. How it begins is measured by itself (cold-start).
import { runLoad } from './load.ts';
import type { BenchContext } from './scenario.ts';
import type { Subject } from './subjects.ts';

const model = { kind: 'closed', connections: 64 } as const;
/** After so many, V8 has compiled what there is to compile; whoever needs longer for them than that goes on as it is. */
const deliveries = 12_000;
const limitMs = 10_000;

/** In a quick run nothing: it asks whether things work. */
export async function warmUp({ quick }: BenchContext, subjects: readonly Subject[]): Promise<void> {
  if (quick) return;
  for (const subject of subjects) {
    const { target } = subject;
    await runLoad({ target, model, warmUpMs: 0, measureMs: limitMs, requests: deliveries });
    await subject.rest();
  }
}
