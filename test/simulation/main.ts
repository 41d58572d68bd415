// `node test/simulation/main.ts --seeds 100000 [--seed S]`: histories of the simulated service, one a seed. On a broken
// promise it prints the seed and the history, and exits with 1; `--seeds 1 --seed S` lives a history once more.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { liveThrough } from './history.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
if (!Number.isInteger(seeds) || seeds < 1) throw new Error('--seeds takes a whole number');
const base = values.seed ?? randomUUID();
console.log(`seed ${base}`);
const startedAt = performance.now();
const totals = { steps: 0, acknowledged: 0, crashes: 0 };
for (let number = 0; number < seeds; number += 1) {
  // A seed printed with a violation is a whole one; others are numbered.
  const seed = seeds === 1 ? base : `${base}/${number}`;
  const history = await liveThrough({ seed });
  totals.steps += history.steps;
  totals.acknowledged += history.acknowledged;
  totals.crashes += history.crashes;
  if (values.verbose || history.violations.length > 0) console.log(history.lines.join('\n'));
  if (history.violations.length === 0) continue;
  console.log(`after ${number + 1} histories, seed ${seed}:\n  ${history.violations.join('\n  ')}`);
  process.exitCode = 1;
  break;
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
const { steps, acknowledged, crashes } = totals;
console.log(
  `${seeds} histories, ${steps} steps, ${acknowledged} answered 200, ${crashes} crashes, ${seconds} s`,
);
