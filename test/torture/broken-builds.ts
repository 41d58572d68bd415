// `node test/torture/broken-builds.ts [--only TEXT] [--proof NAME]...`: builds the service wrongly on purpose, in a copy, in
// the three ways that lose what was acknowledged, and asks each of the three proofs. Prints a table; exit 1 when a build
// is noticed by fewer than two of those asked (by none of them, when one alone is asked).
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  copyTree,
  neverEnded,
  notLoaded,
  type AlteredCopy,
  type Alteration,
} from '../support/altered-copy.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    proof: { type: 'string', multiple: true, default: ['simulation', 'torture', 'integration'] },
    /** Histories before the simulation is taken to notice nothing. */
    seeds: { type: 'string', default: '1000' },
    /** Runs of the torture, each of so many seconds. */
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    /** What is lost never comes; a whole build on a busy machine has caught up by then. */
    settle: { type: 'string', default: '150' },
  },
});

interface BrokenBuild extends Alteration {
  readonly build: string;
  /** Files that ought to turn red; without the ending. */
  readonly tests: readonly string[];
  /** The fault of the torture that this build cannot stand; three runs of all of them may leave it out. */
  readonly fault: string;
}

const builds: readonly BrokenBuild[] = [
  {
    build: 'acknowledged before the commit',
    file: 'receiver/durability.ts',
    find: "sequence = await withDeadline(appending, { deadlineMs: journalDeadlineMs, what: 'appending', clock });",
    replace: 'appending.catch(() => undefined);\n      return { durable: true };',
    tests: ['matrix-journal-kill', 'matrix-journal'],
    fault: 'slow disk',
  },
  {
    build: 'concluded before the commit of the rows',
    file: 'worker/event-job.ts',
    find: `const answer = await database.transaction(async (transaction) => {
      const given = await run(transaction);
      if (given.kind === 'open') return given;
      if (!(await concludeEvent(transaction, eventKey, given.conclusion))) throw new ConcludedElsewhere();
      return given;
    });`,
    replace: `if (!(await concludeEvent(database.db, eventKey, { state: 'processed' }))) return null;
    const answer = await database.transaction(async (transaction) => run(transaction));`,
    tests: ['matrix-worker-kills'],
    fault: 'slow, then cut off',
  },
  {
    build: 'a forwarded row dropped before it is stored',
    file: 'receiver/forwarder-watcher.ts',
    find: "if (state === 'completed') ledger.markStored(entry);",
    replace: "if (state !== 'unknown') ledger.markStored(entry);",
    tests: ['forwarder', 'matrix-redis-loss'],
    fault: 'FLUSHALL',
  },
];

/** All of them together take a few minutes on a busy machine. */
const testsTimeoutMs = 900_000;
const simulationTimeoutMs = 900_000;
/** Of a torture, before and after: the start of everything, and Lean's last repeats. */
const sendingMs = 240_000;
const longestCell = 160;
const noTest = new Set([neverEnded, notLoaded]);
const node = ['--import', './src/require-node.js'];

/** What these builds do wrong, in the words of the torture's checker. Any other violation has some other reason. */
const lossOrDoubling = /^(acknowledged and lost|told twice|\w+: \d+ rows where)/;

/** By what it was noticed; null: it was not. */
type Proof = (copy: AlteredCopy, build: BrokenBuild) => string | null;

const proofs: Readonly<Record<string, Proof>> = {
  simulation(copy) {
    const args = [...node, 'test/simulation/main.ts', '--seeds', values.seeds];
    const { status, stdout } = copy.run(args, simulationTimeoutMs);
    if (status === 0) return null;
    return /^after (\d+) histories, seed .*\n.*$/m.exec(stdout)?.[0].replace(/\n\s*/, ' ') ?? null;
  },
  torture(copy, { fault }) {
    const timeoutMs = (Number(values.seconds) + Number(values.settle)) * 1_000 + sendingMs;
    for (let run = 0; run < Number(values.runs); run += 1) {
      const options = ['--seconds', values.seconds, '--settle', values.settle, '--faults', fault];
      const args = [...node, 'test/torture/main.ts', ...options];
      const { stdout } = copy.run(args, timeoutMs);
      const seed = /^seed (\w+)/.exec(stdout)?.[1] ?? 'unknown';
      const all = [...stdout.matchAll(/^VIOLATION: (.*)$/gm)].map(([, what]) => what ?? '');
      const violations = all.filter((what) => lossOrDoubling.test(what));
      const plainest = violations.find((what) => what.startsWith('acknowledged')) ?? violations[0];
      if (plainest !== undefined) return `seed ${seed}: ${plainest.slice(0, longestCell)}`;
    }
    return null;
  },
  integration(copy, { tests }) {
    const red = copy.firstRed(['--bail=1', ...tests.map(fileOf)], testsTimeoutMs);
    // Tests that never ended, or did not even begin, have noticed nothing.
    return red === null || noTest.has(red) ? null : red;
  },
};

function fileOf(test: string): string {
  return `test/integration/${test}.test.ts`;
}

/** What is red without any alteration would be taken to notice all of them. */
function demandGreen(copy: AlteredCopy, chosen: readonly BrokenBuild[]): void {
  const files = new Set(chosen.flatMap(({ tests }) => tests.map(fileOf)));
  const red = copy.firstRed([...files], testsTimeoutMs);
  if (red !== null) throw new Error(`not green as it is: ${red}`);
}

function main(copy: AlteredCopy): boolean {
  const chosen = builds.filter(({ build }) => build.includes(values.only));
  if (values.proof.includes('integration')) demandGreen(copy, chosen);
  const needed = Math.min(2, values.proof.length);
  let unnoticed = 0;
  console.log('| build | proof | noticed by |\n|---|---|---|');
  for (const build of chosen) {
    let noticed = 0;
    for (const name of values.proof) {
      const proof = proofs[name];
      if (proof === undefined) throw new Error(`there is no proof called ${name}`);
      const by = copy.whileAltered(build, () => proof(copy, build));
      if (by !== null) noticed += 1;
      console.log(`| ${build.build} | ${name} | ${by?.replaceAll('|', '/') ?? 'NOT NOTICED'} |`);
    }
    if (noticed < needed) unnoticed += 1;
  }
  console.log(`\n${chosen.length} broken builds, ${unnoticed} noticed by fewer than ${needed} proofs`);
  return unnoticed === 0 && chosen.length > 0;
}

const copied = copyTree(['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts']);
try {
  console.log(`in ${path.basename(copied.dir)}`);
  process.exitCode = main(copied) ? 0 : 1;
} finally {
  copied.remove();
}
