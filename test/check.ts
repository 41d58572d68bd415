// `npm run check`: types, lint with import floors, format and unused code, side by side, each timed on a line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** oxlint is given the folders: on the whole tree it would look at what is not ours. */
const checks = {
  types: ['tsc', '--noEmit'],
  lint: ['oxlint', 'src', 'test'],
  format: ['oxfmt', '--check'],
  unused: ['knip', '--no-progress'],
} as const;

async function runCheck(name: string, [program, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  const startedAt = performance.now();
  const child = spawn(join(root, 'node_modules/.bin', program), args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const [code] = await once(child, 'close');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const passed = code === 0;
  if (!passed) console.log(output.join('').trim());
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(6)} ${seconds.padStart(5)} s  ${program}`);
  return passed;
}

const results = await Promise.all(Object.entries(checks).map(([name, command]) => runCheck(name, command)));
process.exitCode = results.every(Boolean) ? 0 : 1;
