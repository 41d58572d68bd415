// `node test/conformance/mutations.ts [--only TEXT]...`: takes every rule out of a copy of the source, one at a time, and
// runs the tests, which must turn red. Prints a table; exit 1 when the loss of a rule goes unnoticed.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { copyTree, type AlteredCopy } from '../support/altered-copy.ts';
import { mutations } from './mutation-list.ts';
import type { Mutation } from './mutation.ts';

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } });

const tests = [
  'verify-*',
  'chain-cache',
  'der',
  'leaf-pins',
  'forwarded-*',
  'hmac-sha512',
  'peer-reader',
  'presented-certificate',
  'trusted-networks',
  'webhook-signature',
];
const vitestConfig = `export default ${JSON.stringify({
  test: {
    include: tests.map((name) => `test/unit/${name}.test.ts`),
    testTimeout: 30_000,
    bail: 1,
    maxWorkers: 1,
    isolate: false,
  },
})};\n`;

/** A mutant that runs for ever is noticed, too; all the tests together take a minute on a busy machine. */
const runTimeoutMs = 240_000;

function judge(copy: AlteredCopy, { test, ...alteration }: Mutation): string {
  const times = copy.timesFound(alteration);
  if (times !== 1) return `STANDS ${times} TIMES`;
  return copy.whileAltered(
    alteration,
    () =>
      copy.firstRed([`test/unit/${test}.test.ts`], runTimeoutMs) ??
      copy.firstRed([], runTimeoutMs) ??
      'UNNOTICED',
  );
}

function main(copy: AlteredCopy): boolean {
  writeFileSync(path.join(copy.dir, 'vitest.config.ts'), vitestConfig);
  const before = copy.firstRed([], runTimeoutMs);
  if (before !== null) throw new Error(`red before anything is changed: ${before}`);
  const chosen = mutations.filter(({ rule, file }) =>
    values.only.some((text) => `${file} ${rule}`.includes(text)),
  );
  let lost = 0;
  console.log('| file | rule taken out | first test to turn red |\n|---|---|---|');
  for (const mutation of chosen) {
    const verdict = judge(copy, mutation);
    if (verdict === 'UNNOTICED' || verdict.startsWith('STANDS')) lost += 1;
    console.log(`| ${mutation.file} | ${mutation.rule} | ${verdict} |`);
  }
  console.log(`\n${chosen.length} rules taken out, ${chosen.length - lost} noticed, ${lost} not`);
  return lost === 0 && chosen.length > 0;
}

const copied = copyTree([
  'src',
  'test/unit',
  'test/support',
  'test/conformance',
  'test/fixtures',
  'test/simulator',
  'package.json',
]);
try {
  process.exitCode = main(copied) ? 0 : 1;
} finally {
  copied.remove();
}
