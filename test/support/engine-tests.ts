// Which test files the choice of engines can reach: those that import test/support/engines.ts, directly or through
// others. Every other file says the same on any engine. Reads the imports as they stand; runs nothing.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The only door to the engines of a run. */
const door = 'test/support/engines.ts';
const imports = /(?:\bfrom|\bimport)[\s(]*['"](\.{1,2}\/[^'"]+)['"]/g;

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
