// `npm test [-- --engines=auto|real|embedded] [--engine-tests] [vitest's own arguments]`: runs the tests on the engines
// asked for, with --engine-tests only those that any engine reaches: the others say the same on all of them.
// The engines are private instances that test/support/engines-setup.ts starts and stops.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { chooseEngines, engineTestsVariable, enginesVariable } from './support/engines-choice.ts';

const option = '--engines';
const root = join(import.meta.dirname, '..');

interface Settings {
  readonly engines: string;
  readonly engineTests: boolean;
  readonly others: readonly string[];
}

/** Takes our own options out. */
function splitArguments(args: readonly string[]): Settings {
  const others: string[] = [];
  let engines = 'auto';
  let engineTests = false;
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === option) engines = args[(index += 1)] ?? '';
    else if (arg.startsWith(`${option}=`)) engines = arg.slice(option.length + 1);
    else if (arg === '--engine-tests') engineTests = true;
    else others.push(arg);
  }
  if (engineTests) others.push('--project=engines');
  return { engines, engineTests, others };
}

async function main(): Promise<number> {
  const { engines, engineTests, others } = splitArguments(process.argv.slice(2));
  // Half of what a short-lived process costs is compiling; hundreds of them run the same files.
  const compiled = join(root, 'node_modules/.cache/node-compile');
  const env = {
    NODE_COMPILE_CACHE: compiled,
    ...process.env,
    [enginesVariable]: engines,
    [engineTestsVariable]: engineTests ? '1' : '',
  };
  try {
    chooseEngines(env);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...others], { cwd: root, env, stdio: 'inherit' });
  // Ctrl-C reaches the whole terminal group by itself; vitest then stops its engines, and we wait for that.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

process.exitCode = await main();
