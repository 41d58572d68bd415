// Makes system calls of a running process fail, wait or kill it, with strace's fault injection. Attaches to processes the
// test started and to nothing else; looks at the journal's thread only, where the fault is to hit that one.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';
import { hasTool } from './faults-tools.ts';

export interface Tracing {
  /** What strace saw until now. */
  seen(): Promise<string>;
  /** Takes the fault away; the process goes on. Gives what strace saw, also when it is asked again. */
  detach(): Promise<string>;
}

const attachDeadlineMs = 10_000;

/** Skips the test by name, with the reason, where strace is missing. */
export function needsStrace(context: TestContext): void {
  context.skip(!hasTool('strace'), 'needs strace');
}

/**
 * `rules` are strace's own, such as `inject=fdatasync:error=EIO:when=3..5`; `when` counts from here. Resolves once
 * strace holds the thread.
 */
export async function traceJournal(pid: number, rules: readonly string[]): Promise<Tracing> {
  const folder = await mkdtemp(path.join(tmpdir(), 'strace-'));
  const output = path.join(folder, 'trace');
  const expressions = rules.flatMap((rule) => ['-e', rule]);
  const args = ['-y', '-o', output, ...expressions, '-p', String(journalThread(pid))];
  const child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`strace did not attach: ${said}`)), attachDeadlineMs);
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (!said.includes('attached')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('close', () => reject(new Error(`strace ended: ${said}`)));
  });
  const seen = () => readFile(output, 'utf8');
  async function detach(): Promise<string> {
    child.kill('SIGINT');
    await ended;
    const text = await seen();
    await rm(folder, { recursive: true, force: true });
    return text;
  }
  let detached: Promise<string> | undefined;
  return { seen, detach: () => (detached ??= detach()) };
}

/** The thread that commits; named by the journal itself. */
function journalThread(pid: number): number {
  const folder = `/proc/${pid}/task`;
  const thread = readdirSync(folder).find(
    (id) => readFileSync(path.join(folder, id, 'comm'), 'utf8').trim() === 'journal',
  );
  if (thread === undefined) throw new Error(`process ${pid} has no thread named journal`);
  return Number(thread);
}

/** Syncs of the journal's log that succeeded. */
export function goodSyncs(trace: string): number {
  return trace.split('\n').filter((line) => /^f(?:data)?sync\(\d+<[^>]*-wal>.*= 0/.test(line)).length;
}
