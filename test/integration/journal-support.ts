// What the journal's tests share: folders that are removed afterwards, deliveries, and child processes that write.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Delivery, JournalBatch } from '../../src/core/delivery.ts';
import { openJournal, type Journal } from '../../src/journal/journal.ts';
import type { KeyRing } from '../../src/sealing/key-ring.ts';
import { open } from '../../src/sealing/seal.ts';

const writerPath = fileURLToPath(new URL('journal-writer.ts', import.meta.url));
/** Small, because the reserve is a share of it and every open writes one. */
export const limitBytes = 8 * 1024 ** 2;
/** What production uses; its reserve covers the largest log. */
export const defaultLimitBytes = 1024 ** 3;

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'journal-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'journal');
}

/** Closed when the test ends, unless the test closed it. */
export async function openForTest(
  dir: string,
  options: { keyRing?: KeyRing; limitBytes?: number } = {},
): Promise<Journal> {
  const journal = await openJournal({ dir, limitBytes, keyRing: null, ...options });
  onTestFinished(() => journal.close());
  return journal;
}

export function delivery(body: string | Uint8Array, second = 0): Delivery {
  const receivedAt = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  return { body: Buffer.from(body), receivedAt, proof: 'signature' };
}

/** Cuts until nothing is left to cut. */
export async function cutAll(journal: Journal): Promise<JournalBatch[]> {
  const batches: JournalBatch[] = [];
  for (let batch = await journal.cutBatch(); batch !== null; batch = await journal.cutBatch())
    batches.push(batch);
  return batches;
}

export function bodiesOf(batch: JournalBatch, keyRing: KeyRing | null = null): string[] {
  return batch.deliveries.map(({ sequence, sealed }) => {
    const record = { purpose: 'delivery', recordId: `${batch.journalId}:${sequence}` } as const;
    return Buffer.from(open(keyRing, record, sealed)).toString();
  });
}

export interface WriterProcess {
  readonly lines: readonly string[];
  readonly exited: Promise<number | null>;
  /** Resolves as soon as the lines fulfil the condition; rejects when the process ends before. */
  until(condition: (lines: readonly string[]) => boolean): Promise<void>;
  kill(): void;
}

/** `prefix` is a command that runs the process, such as strace with its options. */
export function startWriter(args: readonly string[], prefix: readonly string[] = []): WriterProcess {
  const [command = '', ...rest] = [...prefix, process.execPath, writerPath, ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const watcher of watchers) watcher();
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    lines,
    exited,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (condition(lines)) resolve();
        };
        watchers.add(look);
        look();
        void exited.then(() => reject(new Error(`the writer ended after: ${lines.slice(-5).join(' | ')}`)));
      }),
    kill: () => void child.kill('SIGKILL'),
  };
}

export function ackedBy(writer: WriterProcess): number[] {
  return writer.lines.filter((line) => line.startsWith('ack ')).map((line) => Number(line.slice(4)));
}

export function hasCommand(name: string): boolean {
  return spawnSync(name, ['-V']).error === undefined;
}

/** A disk of its own of a size that mount understands; null without the right to mount. */
export async function mountSmallDisk(size: string): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'journal-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).status === 0;
  onTestFinished(async () => {
    if (mounted) spawnSync('umount', ['-l', folder]);
    await rm(folder, { recursive: true, force: true });
  });
  return mounted ? folder : null;
}

/** What strace saw, in order: `synced` for a sync of the log that returned, else the first word the writer printed. */
export function readTrace(trace: string): string[] {
  const syncing = new Set<string>();
  return trace.split('\n').flatMap((line): string[] => {
    const [, pid = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (/^f(?:data)?sync\(\d+<[^>]*journal\.sqlite-wal>/.test(call)) {
      if (call.endsWith('<unfinished ...>')) syncing.add(pid);
      return call.endsWith('= 0') ? ['synced'] : [];
    }
    if (/^<\.\.\. f(?:data)?sync resumed>/.test(call)) {
      return syncing.delete(pid) && call.endsWith('= 0') ? ['synced'] : [];
    }
    const said = /^write\(1<[^>]*>, "(\w+)/.exec(call)?.[1];
    return said === undefined ? [] : [said];
  });
}
