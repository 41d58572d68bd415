// What the journal guarantees while its disk neither answers nor fails.
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { openJournal, type Journal } from '../../src/journal/journal.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { bodiesOf, cutAll, delivery, limitBytes, newFolder } from './journal-support.ts';

const mebibyte = 1024 * 1024;

interface HangingDisk {
  readonly dir: string;
  readonly journal: Journal;
  readonly hang: () => void;
  readonly answer: () => void;
}

/** `neverEnds`: like a thread inside a system call, which nothing but the end of the process stops. */
async function openOnHangingDisk({ neverEnds = false } = {}): Promise<HangingDisk> {
  const dir = await newFolder();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const journal = await openJournal({
    dir,
    limitBytes,
    keyRing: null,
    startThread(threadData) {
      const thread = new Worker(new URL('journal-gated-thread.ts', import.meta.url), {
        workerData: { ...threadData, gate: gate.buffer },
      });
      if (neverEnds) thread.terminate = () => new Promise(() => undefined);
      return thread;
    },
  });
  const answer = () => {
    Atomics.store(gate, 0, 0);
    Atomics.notify(gate, 0);
  };
  onTestFinished(async () => {
    answer();
    await journal.close();
  });
  return { dir, journal, hang: () => void Atomics.store(gate, 0, 1), answer };
}

it('is not writable once an answer is due for two seconds, and writable again as soon as the disk answers', async () => {
  const { journal, hang, answer } = await openOnHangingDisk();
  await journal.append(delivery('before'));
  hang();
  const during = journal.append(delivery('during'));
  expect(journal.stats().writable).toBe(true);
  await eventually(() =>
    expect(journal.stats()).toMatchObject({ writable: false, failure: 'NOT_DURABLE', rows: 1 }),
  );
  answer();
  await during;
  expect(journal.stats()).toMatchObject({ writable: true, rows: 2 });
});

it('refuses at once with NOT_DURABLE what goes beyond 64 MiB that wait for it', async () => {
  const { journal, hang } = await openOnHangingDisk();
  hang();
  const waiting = Array.from({ length: 63 }, () => journal.append(delivery(Buffer.alloc(mebibyte))));
  const failed = Promise.allSettled(waiting);
  await expect(journal.append(delivery(Buffer.alloc(mebibyte)))).rejects.toMatchObject({
    code: 'NOT_DURABLE',
    message: expect.stringContaining('wait'),
  });
  await journal.close({ timeoutMs: 0 });
  expect((await failed).map(({ status }) => status)).toEqual(waiting.map(() => 'rejected'));
});

it('closes in the time it is given although the thread cannot be stopped, and fails what waits', async () => {
  const { dir, journal, hang, answer } = await openOnHangingDisk({ neverEnds: true });
  await journal.append(delivery('acknowledged'));
  hang();
  const during = journal.append(delivery('during'));
  void Promise.allSettled([during]);
  const startedMs = performance.now();
  await journal.close({ timeoutMs: 200 });
  expectInTime(performance.now() - startedMs, 4_000);
  await expect(during).rejects.toMatchObject({ code: 'NOT_DURABLE' });

  answer();
  const again = await eventually(() => openJournal({ dir, limitBytes, keyRing: null }));
  onTestFinished(() => again.close());
  expect((await cutAll(again)).flatMap((batch) => bodiesOf(batch))).toContain('acknowledged');
});
