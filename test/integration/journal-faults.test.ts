// What the journal guarantees when something breaks: the process, the disk, the file, its own thread.
import { open as openFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openJournal, startJournalThread, type Journal } from '../../src/journal/journal.ts';
import { eventually } from '../support/eventually.ts';
import {
  ackedBy,
  bodiesOf,
  cutAll,
  defaultLimitBytes,
  delivery,
  hasCommand,
  limitBytes,
  mountSmallDisk,
  newFolder,
  openForTest,
  readTrace,
  startWriter,
} from './journal-support.ts';

const tracing = hasCommand('strace');

describe('a process that was killed', () => {
  it('left every delivery it had acknowledged in the journal, and its lock is free', async () => {
    const dir = await newFolder();
    const acked: number[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const writer = startWriter([dir, 'forever']);
      await writer.until((lines) => lines.length > 150);
      writer.kill();
      await writer.exited;
      acked.push(...ackedBy(writer));
    }
    const journal = await openForTest(dir);
    const batches = await cutAll(journal);
    const kept = new Set(batches.flatMap(({ deliveries }) => deliveries.map(({ sequence }) => sequence)));
    expect(acked.length).toBeGreaterThan(400);
    expect(acked.filter((sequence) => !kept.has(sequence))).toEqual([]);
    expect(new Set(acked).size).toBe(acked.length);
    for (const batch of batches)
      for (const body of bodiesOf(batch)) expect(JSON.parse(body)).toHaveProperty('filler');
  });
});

describe('the lock', () => {
  it('refuses a second process and a second opener in the same process with JOURNAL_LOCKED', async () => {
    const dir = await newFolder();
    const writer = startWriter([dir, 'hold']);
    await writer.until((lines) => lines.includes('open'));
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject({
      code: 'JOURNAL_LOCKED',
    });
    writer.kill();
    await writer.exited;

    const journal = await openForTest(dir);
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject({
      code: 'JOURNAL_LOCKED',
    });
    await journal.append(delivery('still mine'));
    expect(journal.stats().rows).toBe(1);
  });
});

describe('a damaged journal', () => {
  const refusal = {
    code: 'JOURNAL_CORRUPT',
    message: expect.stringContaining('never put an older copy in its place'),
  };

  it('is refused with JOURNAL_CORRUPT when bytes in the middle of the file changed', async () => {
    const dir = await filledFolder();
    const path = join(dir, 'journal.sqlite');
    const file = await openFile(path, 'r+');
    const middle = Math.floor((await stat(path)).size / 2 / 4096) * 4096;
    await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, middle);
    await file.close();
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject(refusal);
  });

  it('is refused when it is not a database any more', async () => {
    const dir = await filledFolder();
    await writeFile(join(dir, 'journal.sqlite'), 'this was a journal once '.repeat(500));
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject(refusal);
  });

  it.each([
    ['vanished', (path: string) => rm(path)],
    ['was emptied', (path: string) => truncate(path, 0)],
    ['lost its second half', async (path: string) => truncate(path, Math.floor((await stat(path)).size / 2))],
  ])('is refused when the file %s, and no empty one takes its place', async (_, damage) => {
    const dir = await filledFolder();
    const path = join(dir, 'journal.sqlite');
    await damage(path);
    const before = await readFile(path).catch(() => null);
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject(refusal);
    expect(await readFile(path).catch(() => null)).toEqual(before);
  });
});

describe('a folder that cannot be written', () => {
  it('is refused with JOURNAL_UNWRITABLE', async () => {
    const dir = await newFolder();
    await writeFile(dir, 'a file where the folder should be');
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
    });
  });

  it('is refused at once where the system makes no folders, and not tried for ever', async () => {
    const dir = '/proc/lean/journal';
    await expect(openJournal({ dir, limitBytes, keyRing: null })).rejects.toMatchObject({
      code: 'JOURNAL_UNWRITABLE',
      message: expect.stringContaining(dir),
    });
  });
});

describe('a full disk', () => {
  it('answers NOT_DURABLE, keeps every acknowledged delivery, and works again when there is room', async (test) => {
    const disk = await mountSmallDisk('64m');
    if (disk === null) {
      test.skip('mounting a small disk needs root');
      return;
    }
    const filler = join(disk, 'filler');
    await writeFile(filler, Buffer.alloc(30_000_000));
    const journal = await openForTest(join(disk, 'journal'), { limitBytes: defaultLimitBytes });
    const { acked, failure } = await fill(journal);
    expect(failure).toMatchObject({ code: 'NOT_DURABLE' });
    expect(journal.stats()).toMatchObject({ writable: false, failure: 'NOT_DURABLE' });
    expect(acked.length).toBeGreaterThan(3);

    await rm(filler);
    await eventually(() => expect(journal.stats().writable).toBe(true));
    expect(journal.stats()).not.toHaveProperty('failure');
    acked.push(await journal.append(delivery('after')));
    const kept = await sequencesIn(journal);
    expect(acked.filter((sequence) => !kept.has(sequence))).toEqual([]);
    await journal.close();
  });

  it('that the journal filled by itself is drained batch by batch and then written again', async (test) => {
    const disk = await mountSmallDisk('48m');
    if (disk === null) {
      test.skip('mounting a small disk needs root');
      return;
    }
    const journal = await openForTest(join(disk, 'journal'), { limitBytes: defaultLimitBytes });
    const { acked, failure } = await fill(journal);
    expect(failure).toMatchObject({ code: 'NOT_DURABLE' });

    const drained = new Set<number>();
    await eventually(async () => {
      await journal.cutBatch();
      for (const bounds of await journal.openBatches()) {
        const batch = await journal.readBatch(bounds);
        for (const { sequence } of batch.deliveries) drained.add(sequence);
        await journal.deleteBatch(bounds);
      }
      expect(journal.stats().rows).toBe(0);
    });
    expect(acked.filter((sequence) => !drained.has(sequence))).toEqual([]);
    await eventually(() => expect(journal.stats().writable).toBe(true));
    await journal.append(delivery('after'));
    await journal.close();
  });
});

describe('the disk as seen by strace', () => {
  it.skipIf(!tracing)('is synced for every commit before its acknowledgement', async () => {
    const dir = await newFolder();
    const trace = `${dir}.trace`;
    const strace = ['strace', '-f', '-qq', '-y', '-e', 'trace=fsync,fdatasync,write', '-o', trace];
    const writer = startWriter([dir, 'one-by-one', '20'], strace);
    expect(await writer.exited).toBe(0);
    expect(ackedBy(writer)).toHaveLength(20);
    const seen = readTrace(await readFile(trace, 'utf8'));
    const acknowledged = seen.slice(seen.indexOf('open') + 1, seen.lastIndexOf('ack') + 1);
    const syncsBeforeEach = acknowledged
      .join(' ')
      .split('ack')
      .slice(0, -1)
      .map((between) => between.split('synced').length - 1);
    expect(syncsBeforeEach).toHaveLength(20);
    expect(Math.min(...syncsBeforeEach)).toBeGreaterThanOrEqual(1);
  });

  it.skipIf(!tracing)('is synced for every folder that was made for the journal', async () => {
    const dir = await newFolder();
    const trace = `${dir}.trace`;
    const strace = ['strace', '-f', '-qq', '-y', '-e', 'trace=fsync', '-o', trace];
    const writer = startWriter([`${dir}/of/receiver/one`, 'one-by-one', '0'], strace);
    expect(await writer.exited).toBe(0);
    const seen = await readFile(trace, 'utf8');
    for (const folder of [dirname(dir), dir, `${dir}/of`, `${dir}/of/receiver`, `${dir}/of/receiver/one`])
      expect(seen).toContain(`<${folder}>)`);
  });

  it.skipIf(!tracing)('is synced a few times for 200 deliveries that come together', async () => {
    const dir = await newFolder();
    const trace = `${dir}.trace`;
    const strace = ['strace', '-f', '-qq', '-y', '-e', 'trace=fsync,fdatasync', '-o', trace];
    const writer = startWriter([dir, 'together', '200'], strace);
    expect(await writer.exited).toBe(0);
    expect(ackedBy(writer)).toHaveLength(200);
    const commits = Number(writer.lines.find((line) => line.startsWith('done '))?.slice(5));
    const syncs = (await readFile(trace, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('journal.sqlite-wal'));
    expect(commits).toBeLessThanOrEqual(20);
    expect(syncs.length).toBeGreaterThanOrEqual(commits);
    expect(syncs.length).toBeLessThan(60);
  });

  it.skipIf(!tracing)(
    'answers NOT_DURABLE while fsync fails with EIO, and recovers by itself without losing an ack',
    async () => {
      const dir = await newFolder();
      const inject = 'inject=fsync,fdatasync:error=EIO:when=35..39';
      const trace = ['-e', 'trace=fsync,fdatasync', '-e', inject, '-o', `${dir}.trace`];
      const writer = startWriter([dir, 'one-by-one', '30'], ['strace', '-f', '-qq', ...trace]);
      expect(await writer.exited).toBe(0);
      expect(writer.lines.filter((line) => line === 'refused NOT_DURABLE').length).toBeGreaterThan(0);
      const acked = ackedBy(writer);
      expect(acked).toHaveLength(30);

      const kept = await sequencesIn(await openForTest(dir));
      expect(acked.filter((sequence) => !kept.has(sequence))).toEqual([]);
    },
  );
});

describe('a journal thread that dies', () => {
  it('fails what was waiting with NOT_DURABLE, says so in its stats, and is started again', async () => {
    const dir = await newFolder();
    const threads: Worker[] = [];
    const journal = await openJournal({
      dir,
      limitBytes,
      keyRing: null,
      startThread(threadData) {
        const thread = startJournalThread(threadData);
        threads.push(thread);
        return thread;
      },
    });
    onTestFinished(() => journal.close());
    await journal.append(delivery('before'));

    const terminated = threads[0]?.terminate();
    await expect(journal.append(delivery('during'))).rejects.toMatchObject({ code: 'NOT_DURABLE' });
    await terminated;
    expect(journal.stats()).toMatchObject({ writable: false, failure: 'NOT_DURABLE' });

    await eventually(() => expect(journal.stats().writable).toBe(true));
    await journal.append(delivery('after'));
    const kept = (await cutAll(journal)).flatMap((batch) => bodiesOf(batch));
    expect(kept).toEqual(expect.arrayContaining(['before', 'after']));
    expect(threads).toHaveLength(2);
  });

  it('can be closed while it is being started again', async () => {
    const dir = join(dirname(await newFolder()), 'closing');
    const threads: Worker[] = [];
    const startThread = (threadData: Parameters<typeof startJournalThread>[0]) => {
      const thread = startJournalThread(threadData);
      threads.push(thread);
      return thread;
    };
    const journal = await openJournal({ dir, limitBytes, keyRing: null, startThread });
    await threads[0]?.terminate();
    await journal.close();
    expect(threads).toHaveLength(1);
    await (await openForTest(dir)).close();
  });
});

async function filledFolder(): Promise<string> {
  const dir = await newFolder();
  const journal = await openForTest(dir);
  await Promise.all(
    Array.from({ length: 500 }, (_, index) => journal.append(delivery(`body ${index}`.repeat(40)))),
  );
  await journal.close();
  return dir;
}

async function sequencesIn(journal: Journal): Promise<Set<number>> {
  const batches = await cutAll(journal);
  return new Set(batches.flatMap(({ deliveries }) => deliveries.map(({ sequence }) => sequence)));
}

/** Appends until the journal refuses; gives what it acknowledged and why it refused. */
async function fill(journal: Journal): Promise<{ acked: number[]; failure: unknown }> {
  const acked: number[] = [];
  try {
    for (;;) acked.push(await journal.append(delivery(Buffer.alloc(20_000))));
  } catch (failure) {
    return { acked, failure };
  }
}
