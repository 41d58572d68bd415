// `node test/conformance/mutations.ts [--only TEXT]...`: takes every rule out of a copy of the source, one at a time, and
// runs the tests, which must turn red. Prints a table; exit 1 when the loss of a rule goes unnoticed.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { mutations } from './mutation-list.ts';
import type { Mutation } from './mutation.ts';

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } });
const root = path.join(import.meta.dirname, '../..');
const copy = mkdtempSync(path.join(tmpdir(), 'mutations-'));

const tests = [
  'verify-*',
  'chain-cache',
  'der',
  'leaf-pins',
  'forwarded-*',
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

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

/** The first test of these files (none: of all) that fails; null: all are green. */
function firstRed(files: readonly string[]): string | null {
  const report = path.join(copy, 'report.json');
  rmSync(report, { force: true });
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const { status, signal } = spawnSync(
    process.execPath,
    [vitest, 'run', '--reporter=json', `--outputFile=${report}`, ...files],
    { cwd: copy, timeout: runTimeoutMs, encoding: 'utf8' },
  );
  if (status === 0) return null;
  if (signal !== null) return '(never ended)';
  const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
  const red = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter((result) => result.status === 'failed')
      .map(({ fullName }) => `${path.basename(name, '.test.ts')}: ${fullName}`),
  );
  return red[0] ?? '(does not load)';
}

function judge({ file, test, find, replace }: Mutation): string {
  const at = path.join(copy, 'src', file);
  const original = readFileSync(at, 'utf8');
  const parts = original.split(find);
  if (parts.length !== 2) return `STANDS ${parts.length - 1} TIMES`;
  writeFileSync(at, parts.join(replace));
  const red = firstRed([`test/unit/${test}.test.ts`]) ?? firstRed([]);
  writeFileSync(at, original);
  return red ?? 'UNNOTICED';
}

function main(): boolean {
  for (const name of [
    'src',
    'test/unit',
    'test/support',
    'test/conformance',
    'test/fixtures',
    'test/simulator',
    'package.json',
  ])
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  writeFileSync(path.join(copy, 'vitest.config.ts'), vitestConfig);
  const before = firstRed([]);
  if (before !== null) throw new Error(`red before anything is changed: ${before}`);
  const chosen = mutations.filter(({ rule, file }) =>
    values.only.some((text) => `${file} ${rule}`.includes(text)),
  );
  let lost = 0;
  console.log('| file | rule taken out | first test to turn red |\n|---|---|---|');
  for (const mutation of chosen) {
    const verdict = judge(mutation);
    if (verdict === 'UNNOTICED' || verdict.startsWith('STANDS')) lost += 1;
    console.log(`| ${mutation.file} | ${mutation.rule} | ${verdict} |`);
  }
  console.log(`\n${chosen.length} rules taken out, ${chosen.length - lost} noticed, ${lost} not`);
  return lost === 0 && chosen.length > 0;
}

try {
  process.exitCode = main() ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
