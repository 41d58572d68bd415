// Starts a role of the service as its own process, the way production does, and reads what it says.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lineSchema = z.looseObject({ msg: z.string() });
type LogLine = z.infer<typeof lineSchema>;

export type Role = 'receiver' | 'worker';

export interface RoleProcess {
  readonly pid: number;
  /** Every line of standard output that was JSON, in order. */
  readonly lines: LogLine[];
  readonly stderr: () => string;
  /** The first line with that event name, or an error when the process ends or the deadline passes first. */
  line(msg: string, deadlineMs?: number): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const startDeadlineMs = 30_000;

export function startRole(role: Role, env: Readonly<Record<string, string>>): RoleProcess {
  const child = spawn(process.execPath, ['--import', './src/require-node.js', `src/main-${role}.ts`], {
    cwd: root,
    env: { PATH: '/usr/bin:/bin', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(parseLine(text));
    for (const wake of waiting) wake();
  });
  const exited = exitOf(child);
  return {
    pid: child.pid ?? 0,
    lines,
    stderr: () => stderr,
    exited,
    kill(signal) {
      child.kill(signal);
    },
    line(msg, deadlineMs = startDeadlineMs) {
      return new Promise((resolve, reject) => {
        const settle = (finish: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          finish();
        };
        const look = (): void => {
          const found = lines.find((line) => line.msg === msg);
          if (found) settle(() => resolve(found));
        };
        const fail = (why: string): void => {
          settle(() => reject(new Error(`${role} never said "${msg}": ${why}\n${stderr}${tail(lines)}`)));
        };
        const timer = setTimeout(() => fail('deadline passed'), deadlineMs);
        waiting.add(look);
        void exited.then(({ code }) => fail(`it ended with ${code}`));
        look();
      });
    },
  };
}

/** Runs `migrate` to its end; rejects with its output when it fails. */
export async function runMigrate(env: Readonly<Record<string, string>>): Promise<string> {
  const args = ['--import', './src/require-node.js', 'src/main-migrate.ts'];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: root,
    env: { PATH: '/usr/bin:/bin', ...env },
    timeout: startDeadlineMs,
  });
  return stdout;
}

/** A line that is not JSON breaks whoever reads the logs, so it fails the test that meets it. */
function parseLine(text: string): LogLine {
  try {
    return lineSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`a log line is not JSON: ${text}`, { cause });
  }
}

function tail(lines: readonly LogLine[]): string {
  return lines
    .slice(-20)
    .map((line) => JSON.stringify(line))
    .join('\n');
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}
