// The failure matrix in simulation: the real forwarder, acknowledgement, intake, events and reconciler over models of
// journal, Redis, Postgres and Lean, in virtual time. `node test/simulation/main.ts --seeds N --seed S` is the same for
// longer; with `--seeds 1` and the seed that a failure names it lives that one history again.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { liveThrough, type History, type HistoryOptions } from '../simulation/history.ts';
import { longTests } from '../support/long-tests.ts';

const base = randomUUID();
const histories = longTests ? 1_000 : 400;
/** Of each role; one history gives fewer when it ends before. */
const wantedCrashes = longTests ? 120 : 60;
const crashSteps = 120;

/** The end of the history where a promise was broken; the whole of it is a command away. */
function story({ seed, violations, lines }: History): string {
  return [`seed ${seed}`, ...violations, ...lines.slice(-60)].join('\n');
}

async function expectPromisesKept(options: HistoryOptions): Promise<History> {
  const history = await liveThrough(options);
  if (history.violations.length > 0) throw new Error(story(history));
  return history;
}

async function lived(seed: string): Promise<string> {
  const { hash } = await liveThrough({ seed });
  return hash;
}

describe('whatever dies, in whatever order answers come', () => {
  it(
    `has one effect for every delivery answered 200 (${histories} seeds of ${base})`,
    { timeout: 600_000 },
    async () => {
      let acknowledged = 0;
      let crashes = 0;
      for (let number = 0; number < histories; number += 1) {
        const history = await expectPromisesKept({ seed: `${base}/${number}` });
        acknowledged += history.acknowledged;
        crashes += history.crashes;
      }
      // Were nothing acknowledged, or were nothing to die, nothing would have been tried.
      expect(acknowledged).toBeGreaterThan(histories);
      expect(crashes).toBeGreaterThan(histories / 2);
    },
  );

  it.each(['receiver', 'worker'] as const)(
    `loses and doubles nothing when a %s dies before or after any of its awaits (seed ${base})`,
    { timeout: 300_000 },
    async (role) => {
      let crashes = 0;
      for (let number = 0; crashes < wantedCrashes; number += 1) {
        // A history may be short, and a role may not live in it at all; a hundred of them are not.
        expect(number).toBeLessThan(100);
        for (let step = 1; step <= crashSteps; step += 1) {
          const history = await expectPromisesKept({ seed: `${base}/${number}`, crashAt: { role, step } });
          if (history.crashes === 0) break;
          crashes += 1;
        }
      }
    },
  );

  it('lives one seed the same way every time', async () => {
    for (const seed of [`${base}/x`, `${base}/y`, `${base}/z`])
      expect(await lived(seed)).toBe(await lived(seed));
    expect(await lived('one seed')).not.toBe(await lived('another seed'));
  });
});
