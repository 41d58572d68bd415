// `npm run torture -- --seed S --seconds N`: two receivers, two workers, Redis, Postgres and Lean's simulator under load
// and random faults; at the end everything is healed and compared with what Lean sent. Exit 1 on any violation, with the
// evidence kept. The seed decides load and faults; how processes interleave it cannot decide.
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { textTable } from '../../src/core/text-table.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { createRandom } from '../simulator/random.ts';
import { check, type Verdict } from './checker.ts';
import { unleash } from './faults.ts';
import { sendLoad, type LoadReport } from './load.ts';
import { openStage, type Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: randomBytes(6).toString('hex') },
    seconds: { type: 'string', default: '60' },
    /** Deliveries a second. */
    rate: { type: 'string', default: '40' },
  },
});

/** Each has four events of its own at the least. */
const entitiesLimit = 30;
const deliveriesPerEntity = 8;

async function torture(seed: string, seconds: number): Promise<boolean> {
  const random = createRandom(`torture/${seed}`);
  const count = Math.round(seconds * Number(values.rate));
  const entities = Math.max(2, Math.min(entitiesLimit, Math.floor(count / deliveriesPerEntity)));
  const customers = generateCustomers({ seed, entities });
  console.log(`seed ${seed}, ${seconds} s of faults`);
  const stage = await openStage({ customers });
  try {
    const faults = new Map<string, number>();
    const forMs = seconds * 1000;
    const failures: string[] = [];
    const unleashed = unleash({
      stage,
      random: createRandom(`torture/${seed}/faults`),
      untilMs: performance.now() + forMs,
      onFault: (kind) => faults.set(kind, (faults.get(kind) ?? 0) + 1),
    }).catch((error: unknown) => failures.push(error instanceof Error ? error.message : String(error)));
    const load = await sendLoad({ stage, customers, random, seed, count, forMs });
    await unleashed;
    console.log('all is healed and all is sent; waiting until the service has caught up');
    const verdict = await check({ stage, customers, load });
    const violations = [...failures, ...verdict.violations, ...deathsOf(stage)];
    tell({ faults, load, verdict, violations });
    if (violations.length > 0) console.log(`evidence: ${await keepEvidence(stage, violations)}`);
    console.log(`seed ${seed}: ${violations.length === 0 ? 'nothing lost, nothing doubled' : 'VIOLATED'}`);
    return violations.length === 0;
  } finally {
    await stage.close();
  }
}

/** A role that ended although nobody killed it: no fault may do that to one that was up. */
function deathsOf({ receivers, workers }: Stage): string[] {
  return [...receivers, ...workers].flatMap(({ name, lives }) =>
    lives()
      .filter(({ lines }) => lines.some(({ msg }) => msg === 'crashed'))
      .map(() => `${name} crashed`),
  );
}

function tell(run: {
  faults: ReadonlyMap<string, number>;
  load: LoadReport;
  verdict: Verdict;
  violations: readonly string[];
}): void {
  const { faults, load, verdict, violations } = run;
  const answers = [...load.answers].map(([answer, count]) => ({ what: `answered ${answer}`, count }));
  console.log(
    textTable([
      { what: 'deliveries planned', count: load.planned },
      { what: 'attempts', count: load.attempts },
      ...answers,
      { what: 'forgeries', count: load.forgedIds.size },
      { what: 'seconds from the last fault to rest', count: Math.round(verdict.settledAfterMs / 1000) },
    ]),
  );
  console.log(
    textTable([...faults.keys()].toSorted().map((fault) => ({ fault, times: faults.get(fault) ?? 0 }))),
  );
  for (const violation of violations) console.log(`VIOLATION: ${violation}`);
}

async function keepEvidence({ receivers, workers }: Stage, violations: readonly string[]): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lean-torture-evidence-'));
  await writeFile(path.join(dir, 'violations.txt'), `${violations.join('\n')}\n`);
  for (const { name, lives } of [...receivers, ...workers]) {
    for (const [life, { lines, stderr }] of lives().entries()) {
      const text = lines.map((line) => JSON.stringify(line)).join('\n');
      await writeFile(path.join(dir, `${name}-${life + 1}.log`), `${text}\n${stderr()}`);
    }
  }
  return dir;
}

process.exitCode = (await torture(values.seed, Number(values.seconds))) ? 0 : 1;
