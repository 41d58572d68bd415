// `npm run torture -- --seed S --seconds N [--faults TEXT] [--settle SECONDS]`: two receivers, two workers, Redis, Postgres
// and Lean's simulator under load and random faults; at the end everything is healed and compared with what Lean sent. Exit
// 1 on any violation, with the evidence kept; 2 when no fault has such a name. The seed decides load and faults; how
// processes interleave it cannot.
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { withDeadline } from '../../src/core/deadline.ts';
import { textTable } from '../../src/core/text-table.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { createRandom } from '../simulator/random.ts';
import { check, type Verdict } from './checker.ts';
import type { Fault } from './fault.ts';
import { faultsCalled, unleash } from './faults.ts';
import { sendLoad, type LoadReport } from './load.ts';
import { openStage, type Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: randomBytes(6).toString('hex') },
    seconds: { type: 'string', default: '60' },
    /** Deliveries a second. */
    rate: { type: 'string', default: '40' },
    /** Only faults with this in their name. */
    faults: { type: 'string', default: '' },
    /** For the service to catch up afterwards, at the most. */
    settle: { type: 'string', default: '300' },
  },
});

/** Each has four events of its own at the least. */
const entitiesLimit = 30;
const deliveriesPerEntity = 8;

const closeTimeoutMs = 60_000;

interface Run {
  readonly stage: Stage;
  readonly seed: string;
  readonly forMs: number;
  readonly customers: SimulatedCustomers;
  readonly possible: readonly Fault[];
}

interface Outcome {
  readonly faults: Map<string, number>;
  readonly violations: string[];
  load: LoadReport | null;
  verdict: Verdict | null;
}

async function torture(seed: string, possible: readonly Fault[]): Promise<boolean> {
  const seconds = Number(values.seconds);
  const entities = Math.max(2, Math.min(entitiesLimit, Math.floor(countOf(seconds) / deliveriesPerEntity)));
  const customers = generateCustomers({ seed, entities });
  console.log(`seed ${seed}, ${seconds} s of faults`);
  const stage = await openStage({ customers });
  const outcome: Outcome = { faults: new Map(), violations: [], load: null, verdict: null };
  const { violations } = outcome;
  try {
    await suffer({ stage, seed, forMs: seconds * 1000, customers, possible }, outcome);
    violations.push(...deathsOf(stage));
  } catch (error) {
    violations.push(`the run itself failed: ${messageOf(error)}`);
  }
  violations.push(...(await closeInTime(stage)));
  tell(outcome);
  if (violations.length > 0) console.log(`evidence: ${await keepEvidence(stage, violations)}`);
  console.log(`seed ${seed}: ${violations.length === 0 ? 'nothing lost, nothing doubled' : 'VIOLATED'}`);
  return violations.length === 0;
}

const countOf = (seconds: number): number => Math.round(seconds * Number(values.rate));

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Load and faults until both are over, then the verdict. Leaves no fault behind, however it ends. */
async function suffer({ stage, seed, forMs, customers, possible }: Run, outcome: Outcome): Promise<void> {
  const { faults, violations } = outcome;
  const unleashed = unleash({
    stage,
    random: createRandom(`torture/${seed}/faults`),
    untilMs: performance.now() + forMs,
    possible,
    onFault: (kind) => faults.set(kind, (faults.get(kind) ?? 0) + 1),
  }).catch((error: unknown) => violations.push(messageOf(error)));
  try {
    const random = createRandom(`torture/${seed}`);
    const load = await sendLoad({ stage, customers, random, seed, count: countOf(forMs / 1000), forMs });
    await unleashed;
    outcome.load = load;
    console.log('all is healed and all is sent; waiting until the service has caught up');
    outcome.verdict = await check({ stage, customers, load, settleMs: Number(values.settle) * 1000 });
    violations.push(...outcome.verdict.violations);
  } finally {
    await unleashed;
  }
}

/** What is still open goes with this process. */
async function closeInTime(stage: Stage): Promise<string[]> {
  try {
    await withDeadline(stage.close(), { deadlineMs: closeTimeoutMs, what: 'closing' });
    return [];
  } catch (error) {
    return [`${messageOf(error)}; still open: ${process.getActiveResourcesInfo().join(', ')}`];
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

function tell({ faults, load, verdict, violations }: Outcome): void {
  const answers = [...(load?.answers ?? [])].map(([answer, count]) => ({
    what: `answered ${answer}`,
    count,
  }));
  const settledAfterMs = verdict?.settledAfterMs;
  console.log(
    textTable([
      { what: 'deliveries planned', count: load?.planned ?? 'unknown' },
      { what: 'attempts', count: load?.attempts ?? 'unknown' },
      ...answers,
      { what: 'forgeries', count: load?.forgedIds.size ?? 'unknown' },
      {
        what: 'seconds from the last fault to rest',
        count: settledAfterMs === undefined ? 'unknown' : Math.round(settledAfterMs / 1000),
      },
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

/** Whatever was started ends with this process: each has said how, for when it exits. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const possible = faultsCalled(values.faults);
if (possible.length === 0) {
  console.error(`no fault is called ${values.faults}`);
  process.exit(2);
}
// All it started has ended; a connection that the system lets go of late must not hold the end up.
process.exit((await torture(values.seed, possible)) ? 0 : 1);
