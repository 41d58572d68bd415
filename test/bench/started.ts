// A subject's process: what it says goes into a file, as in production nobody in this process has to read it. Everything
// started here ends with this process at the latest.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

export interface StartedProcess {
  readonly pid: number;
  readonly exited: Promise<number | null>;
  /** The line that says it listens, within the deadline. */
  listening(): Promise<Listening>;
  signal(signal: NodeJS.Signals): void;
  kill(): Promise<void>;
}

const listeningSchema = z.looseObject({
  msg: z.literal('listening'),
  url: z.string().optional(),
  opsUrl: z.string().optional(),
});
export type Listening = z.infer<typeof listeningSchema>;

const startDeadlineMs = 60_000;
const lookMs = 10;
const searchPath = '/usr/local/bin:/usr/bin:/bin';

export function startLogged(options: {
  readonly command: readonly [string, ...string[]];
  /** Its output is a file in there. */
  readonly folder: string;
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
}): StartedProcess {
  const { command, folder, name, env = {} } = options;
  const [program, ...args] = command;
  const file = path.join(folder, `${name}-${process.hrtime.bigint()}.log`);
  const output = openSync(file, 'a');
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: searchPath, ...env },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', (code) => {
      process.off('exit', end);
      resolve(code);
    });
  });
  return {
    pid: child.pid ?? 0,
    exited,
    async listening() {
      const endsAtMs = performance.now() + startDeadlineMs;
      while (child.exitCode === null && performance.now() < endsAtMs) {
        for (const line of readFileSync(file, 'utf8').split('\n')) {
          if (line.includes('"listening"')) return listeningSchema.parse(JSON.parse(line));
        }
        await delay(lookMs);
      }
      throw new Error(`${name} never listened:\n${readFileSync(file, 'utf8').slice(-2_000)}`);
    },
    signal: (signal) => void child.kill(signal),
    async kill() {
      // Also what is frozen.
      end();
      await exited;
    },
  };
}
