// A copy of the tree in a folder of its own, with one thing taken out or turned round at a time: for asking whether
// anybody notices. Never touches the tree itself.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';

export interface Alteration {
  /** Below `src`. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface AlteredCopy {
  readonly dir: string;
  /** How often the text stands there. */
  timesFound(alteration: Alteration): number;
  /** What `run` gives while the copy is altered. Throws when the text does not stand there exactly once. */
  whileAltered<Value>(alteration: Alteration, run: () => Value): Value;
  /** Runs Node there; `signal` tells of one that never ended. */
  run(args: readonly string[], timeoutMs: number): Ended;
  /** The first test that fails, as "file: name", or why there is none; null: all are green. `args` are vitest's own. */
  firstRed(args: readonly string[], timeoutMs: number): string | null;
  remove(): void;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

const root = path.join(import.meta.dirname, '../..');
/** In place of a test that fails. */
export const neverEnded = '(never ended)';
export const notLoaded = '(does not load)';
const outputLimit = 64 * 1024 * 1024;

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

/** `parts`: the folders and files it needs; `node_modules` is linked. */
export function copyTree(parts: readonly string[]): AlteredCopy {
  const dir = mkdtempSync(path.join(tmpdir(), 'altered-'));
  for (const part of parts) cpSync(path.join(root, part), path.join(dir, part), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(dir, 'node_modules'));

  function run(args: readonly string[], timeoutMs: number): Ended {
    return spawnSync(process.execPath, [...args], {
      cwd: dir,
      timeout: timeoutMs,
      encoding: 'utf8',
      maxBuffer: outputLimit,
    });
  }

  function timesFound({ file, find }: Alteration): number {
    return readFileSync(path.join(dir, 'src', file), 'utf8').split(find).length - 1;
  }

  return {
    dir,
    run,
    timesFound,
    whileAltered(alteration, attempt) {
      const { file, find, replace } = alteration;
      const times = timesFound(alteration);
      if (times !== 1) throw new Error(`the text to be altered stands ${times} times in ${file}`);
      const at = path.join(dir, 'src', file);
      const original = readFileSync(at, 'utf8');
      // A function, since a text may hold the signs that `replace` gives a meaning to.
      writeFileSync(
        at,
        original.replace(find, () => replace),
      );
      try {
        return attempt();
      } finally {
        writeFileSync(at, original);
      }
    },
    firstRed(args, timeoutMs) {
      const report = path.join(dir, 'report.json');
      rmSync(report, { force: true });
      const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
      const reporting = ['--reporter=json', `--outputFile=${report}`];
      const { status, signal } = run([vitest, 'run', ...reporting, ...args], timeoutMs);
      if (status === 0) return null;
      if (signal !== null) return neverEnded;
      if (!existsSync(report)) return notLoaded;
      const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
      return testResults.flatMap(redOf)[0] ?? notLoaded;
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function redOf({ name, assertionResults }: z.infer<typeof reportSchema>['testResults'][number]): string[] {
  return assertionResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName }) => `${path.basename(name, '.test.ts')}: ${fullName}`);
}
