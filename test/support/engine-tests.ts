// Which test files the choice of engines can reach: those that import test/support/engines.ts, directly or through
// others. Every other file says the same on any engine. And which of them a run on embedded engines leaves out, by name.
// Reads the imports as they stand; runs nothing.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The only door to the engines of a run. */
const door = 'test/support/engines.ts';
const imports = /(?:\bfrom|\bimport)[\s(]*['"](\.{1,2}\/[^'"]+)['"]/g;

/** Each of these skips every test it has where no engine is real, and would only be loaded. */
export const realOnlyFiles: readonly string[] = [
  'test/e2e/acceptance.test.ts',
  'test/e2e/canary.test.ts',
  'test/e2e/main-job.test.ts',
  'test/integration/deploy-rolling.test.ts',
  'test/integration/engine-tls.test.ts',
  'test/integration/former-worker.test.ts',
  'test/integration/hot-statements.test.ts',
  'test/integration/log-injection.test.ts',
  'test/integration/lost-webhooks.test.ts',
  'test/integration/matrix-postgres-outage.test.ts',
  'test/integration/matrix-postgres.test.ts',
  'test/integration/matrix-redis-loss.test.ts',
  'test/integration/matrix-redis-start.test.ts',
  'test/integration/matrix-redis.test.ts',
  'test/integration/matrix-worker-kills-again.test.ts',
  'test/integration/matrix-worker-kills.test.ts',
  'test/integration/matrix-worker-promises.test.ts',
  'test/integration/pgbouncer.test.ts',
  'test/integration/redis-topologies.test.ts',
  'test/integration/worker-faults.test.ts',
];

/**
 * These kill, freeze and package whole processes, most of which never see more of an engine than its address, or take a
 * minute and more with one connection: the run on real engines has proved them, and only a long run repeats them here.
 */
export const longOnEmbeddedFiles: readonly string[] = [
  'test/e2e/development.test.ts',
  'test/e2e/packaging.test.ts',
  'test/integration/lost-webhooks-dated.test.ts',
  'test/integration/matrix-journal-kill.test.ts',
  'test/integration/matrix-journal.test.ts',
  'test/integration/matrix-receiver.test.ts',
  'test/integration/matrix-worker-silent.test.ts',
];

interface RunEngines {
  readonly isEmbedded: boolean;
  readonly isLong: boolean;
}

/** Of those that engines reach. */
export function leftOutFiles({ isEmbedded, isLong }: RunEngines): readonly string[] {
  if (!isEmbedded) return [];
  return isLong ? realOnlyFiles : [...realOnlyFiles, ...longOnEmbeddedFiles];
}

export interface TestFiles {
  readonly withEngines: readonly string[];
  readonly withoutEngines: readonly string[];
}

/** Paths from `root`, in order. */
export function testFiles(root: string): TestFiles {
  const imported = createImports(root);
  const files = globSync('test/{unit,integration,e2e}/**/*.test.ts', { cwd: root }).toSorted();
  const reached = new Set(files.filter((file) => reaches(file, imported)));
  return {
    withEngines: files.filter((file) => reached.has(file)),
    withoutEngines: files.filter((file) => !reached.has(file)),
  };
}

function reaches(file: string, imported: (file: string) => readonly string[]): boolean {
  const seen = new Set([file]);
  for (const next of seen) {
    if (next === door) return true;
    for (const further of imported(next)) seen.add(further);
  }
  return false;
}

/** Each file is read once. A file that is not there imports nothing, and fails its own test. */
function createImports(root: string): (file: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (file) => {
    const found = known.get(file) ?? importsOf(root, file);
    known.set(file, found);
    return found;
  };
}

function importsOf(root: string, file: string): readonly string[] {
  const text = readText(path.join(root, file));
  return Array.from(text.matchAll(imports), ([, target = '']) => path.join(path.dirname(file), target));
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
