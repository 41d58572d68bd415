// Starts a role of the service as its own process, the way production does, and reads what it says.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The project's folder, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
const lineSchema = z.looseObject({ msg: z.string() });
type LogLine = z.infer<typeof lineSchema>;

export type Role = 'receiver' | 'worker';

export interface RoleProcess {
  readonly pid: number;
  /** Every line of standard output that was JSON, in order. */
  readonly lines: LogLine[];
  /** Every byte of it, as it came. */
  readonly stdout: () => Buffer;
  readonly stderr: () => string;
  /** The first line with that event name, or an error when the process ends or the deadline passes first. */
  line(msg: string, deadlineMs?: number): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const searchPath = '/usr/local/bin:/usr/bin:/bin';
const startDeadlineMs = 30_000;
const runDeadlineMs = 120_000;

export function startRole(role: Role, env: Readonly<Record<string, string>>): RoleProcess {
  return startProcess({ command: nodeCommand(`src/main-${role}.ts`), cwd: root, env });
}

/** This Node, running one of the project's own programs from wherever it is called. */
export function nodeCommand(program: string): [string, ...string[]] {
  return [process.execPath, '--import', path.join(root, 'src/require-node.js'), path.join(root, program)];
}

/** What test/run.ts set up; somebody else may not write there. */
function compileCache(uid: number | undefined): Record<string, string> {
  // oxlint-disable-next-line node/no-process-env -- it is of the whole run, as the choice of engines is
  const { NODE_COMPILE_CACHE: folder } = process.env;
  return folder === undefined || uid !== undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

export interface ProcessOptions {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whom it runs as; only root can choose. */
  readonly uid?: number;
}

export function startProcess({ command, cwd, env, uid }: ProcessOptions): RoleProcess {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd,
    env: { PATH: searchPath, ...compileCache(uid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const lines: LogLine[] = [];
  const written: Buffer[] = [];
  const waiting = new Set<() => void>();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.on('data', (chunk: Buffer) => written.push(chunk));
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(parseLine(text));
    for (const wake of waiting) wake();
  });
  const exited = exitOf(child);
  return {
    pid: child.pid ?? 0,
    lines,
    stdout: () => Buffer.concat(written),
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
          settle(() =>
            reject(new Error(`${args.at(-1)} never said "${msg}": ${why}\n${stderr}${tail(lines)}`)),
          );
        };
        // What was written in time and only not read yet, because everybody was busy, counts.
        const timer = setTimeout(() => setImmediate(() => fail('deadline passed')), deadlineMs);
        waiting.add(look);
        void exited.then(({ code }) => fail(`it ended with ${code}`));
        look();
      });
    },
  };
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, at most two minutes. */
export function runProcess({ command, cwd, env, uid }: ProcessOptions): Promise<Ended> {
  const [program, ...args] = command;
  const options = {
    cwd,
    env: { PATH: searchPath, ...compileCache(uid), ...env },
    timeout: runDeadlineMs,
    ...(uid !== undefined && { uid, gid: uid }),
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** The same for a program that must succeed: rejects with what it said when it does not, else gives its output. */
export async function runToSuccess(options: ProcessOptions): Promise<string> {
  const { code, stdout, stderr } = await runProcess(options);
  if (code !== 0) throw new Error(`${options.command.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

export function runMigrate(env: Readonly<Record<string, string>>): Promise<string> {
  return runToSuccess({ command: nodeCommand('src/main-migrate.ts'), cwd: root, env });
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
