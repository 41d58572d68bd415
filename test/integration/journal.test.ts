// What the journal guarantees while everything works: order, batches that never change, one commit for many.
import { randomBytes } from 'node:crypto';
import { cp, readFile, stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { batchJobId, type BatchBounds } from '../../src/core/delivery.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { eventually } from '../support/eventually.ts';
import {
  bodiesOf,
  cutAll,
  defaultLimitBytes,
  delivery,
  limitBytes,
  newFolder,
  openForTest,
} from './journal-support.ts';

const mebibyte = 1024 * 1024;

/** Bounds counted from the first sequence of a new journal, which is 1 here. */
function countedFrom(start: number | undefined, batches: readonly BatchBounds[]): [number, number][] {
  return batches.map(({ first, last }) => [first - (start ?? 0) + 1, last - (start ?? 0) + 1]);
}

describe('append', () => {
  it('numbers deliveries in the order they came and gives them back in that order', async () => {
    const journal = await openForTest(await newFolder());
    const bodies = Array.from({ length: 300 }, (_, index) => `body ${index}`);
    const sequences = await Promise.all(bodies.map((body) => journal.append(delivery(body))));

    const [start = 0] = sequences;
    expect(sequences).toEqual(bodies.map((_, index) => start + index));
    expect(sequences.every((sequence) => Number.isSafeInteger(sequence))).toBe(true);
    const batches = await cutAll(journal);
    expect(batches.flatMap((batch) => bodiesOf(batch))).toEqual(bodies);
  });

  it('puts many concurrent deliveries into few commits', async () => {
    const journal = await openForTest(await newFolder());
    await Promise.all(Array.from({ length: 500 }, (_, index) => journal.append(delivery(`body ${index}`))));
    expect(journal.stats()).toMatchObject({ rows: 500, writable: true });
    expect(journal.stats().commits).toBeLessThanOrEqual(50);
  });

  it('keeps bytes, time and proof as they came, for any bytes', async () => {
    const journal = await openForTest(await newFolder());
    const bodies = [new Uint8Array(0), Uint8Array.of(0, 255, 10, 0), randomBytes(5000)];
    for (const body of bodies) {
      await journal.append({ body, receivedAt: '2026-01-02T03:04:05.678Z', proof: 'certificate' });
    }
    const batch = await journal.cutBatch();
    expect(batch?.deliveries.map(({ sealed }) => Buffer.from(sealed.subarray(1)).toString('hex'))).toEqual(
      bodies.map((body) => Buffer.from(body).toString('hex')),
    );
    expect(batch?.deliveries[0]).toMatchObject({
      receivedAt: '2026-01-02T03:04:05.678Z',
      proof: 'certificate',
    });
  });

  it('wakes its listeners once for a group of deliveries', async () => {
    const journal = await openForTest(await newFolder());
    let wakes = 0;
    journal.onAppended(() => {
      wakes += 1;
    });
    await Promise.all(Array.from({ length: 100 }, () => journal.append(delivery('x'))));
    expect(wakes).toBeGreaterThan(0);
    expect(wakes).toBeLessThanOrEqual(10);
  });

  it('never gives a sequence twice, also after everything was deleted and the journal reopened', async () => {
    const dir = await newFolder();
    const first = await openForTest(dir);
    const before = await Promise.all([first.append(delivery('1')), first.append(delivery('2'))]);
    for (const batch of await cutAll(first)) await first.deleteBatch(batch);
    await first.close();

    const second = await openForTest(dir);
    expect(second.id).toBe(first.id);
    expect(await second.append(delivery('3'))).toBeGreaterThan(Math.max(...before));
  });

  it('makes other jobs in a copy of the folder than in its original, so that neither is taken for the other', async () => {
    const dir = await newFolder();
    const before = await openForTest(dir);
    await before.append(delivery('stored before the copy'));
    for (const batch of await cutAll(before)) await before.deleteBatch(batch);
    await before.close();
    await cp(dir, `${dir}-copy`, { recursive: true });

    const jobIds: string[] = [];
    for (const folder of [dir, `${dir}-copy`]) {
      const journal = await openForTest(folder);
      expect(journal.id).toBe(before.id);
      await journal.append(delivery(folder));
      jobIds.push(...(await cutAll(journal)).map(batchJobId));
    }
    expect(jobIds).toHaveLength(2);
    expect(new Set(jobIds).size).toBe(2);
  });

  it('keeps many large deliveries of one moment in order, though they travel in several messages', async () => {
    const journal = await openForTest(await newFolder());
    const bodies = Array.from({ length: 12 }, (_, index) => Buffer.alloc(300_000, index));
    const sequences = await Promise.all(bodies.map((body) => journal.append(delivery(body))));
    const [start = 0] = sequences;
    expect(sequences).toEqual(bodies.map((_, index) => start + index));
    const kept = (await cutAll(journal)).flatMap(({ deliveries }) => deliveries);
    expect(kept.map(({ sealed }) => sealed.at(-1))).toEqual(bodies.map((_, index) => index));
  });

  it('seals bodies for their own sequence, and the disk never shows them', async () => {
    const dir = await newFolder();
    const keyRing = parseKeyRing([randomBytes(32).toString('base64')]);
    const journal = await openForTest(dir, { keyRing });
    await journal.append(delivery('AE070331234567890123456'));
    const batch = await journal.cutBatch();
    expect(batch === null ? [] : bodiesOf(batch, keyRing)).toEqual(['AE070331234567890123456']);
    await journal.close();
    expect((await readFile(`${dir}/journal.sqlite`)).includes('AE0703')).toBe(false);
  });
});

describe('batches', () => {
  it('hold at most 256 deliveries', async () => {
    const journal = await openForTest(await newFolder());
    const appends = Array.from({ length: 600 }, () => journal.append(delivery('x')));
    const sequences = await Promise.all(appends);
    expect(countedFrom(sequences[0], await cutAll(journal))).toEqual([
      [1, 256],
      [257, 512],
      [513, 600],
    ]);
  });

  it('hold at most 1 MiB, and a larger delivery goes alone', async () => {
    const journal = await openForTest(await newFolder());
    const sizes = [400_000, 400_000, 400_000, 2 * mebibyte, 10, 10];
    const sequences: number[] = [];
    for (const size of sizes) sequences.push(await journal.append(delivery(Buffer.alloc(size))));
    const batches = await cutAll(journal);
    expect(countedFrom(sequences[0], batches)).toEqual([
      [1, 2],
      [3, 3],
      [4, 4],
      [5, 6],
    ]);
  });

  it('hold a whole run of sequences, also where the journal was opened again in between', async () => {
    const dir = await newFolder();
    const runs: number[][] = [];
    for (const bodies of [
      ['1', '2', '3'],
      ['4', '5'],
    ]) {
      const journal = await openForTest(dir);
      runs.push(await Promise.all(bodies.map((body) => journal.append(delivery(body)))));
      await journal.close();
    }
    const batches = await cutAll(await openForTest(dir));
    expect(batches.map(({ first, last }) => [first, last])).toEqual(runs.map((run) => [run[0], run.at(-1)]));
    for (const { first, last, deliveries } of batches) expect(deliveries).toHaveLength(last - first + 1);
    expect(batches.flatMap((batch) => bodiesOf(batch))).toEqual(['1', '2', '3', '4', '5']);
  });

  it('have the same bounds and the same bytes at every read, also after a reopen and after more deliveries', async () => {
    const dir = await newFolder();
    const keyRing = parseKeyRing([randomBytes(32).toString('base64')]);
    const first = await openForTest(dir, { keyRing });
    await Promise.all(Array.from({ length: 300 }, (_, index) => first.append(delivery(`body ${index}`))));
    const cut = await cutAll(first);
    await first.append(delivery('later'));
    await first.close();

    const second = await openForTest(dir, { keyRing });
    const bounds = await second.openBatches();
    expect(bounds).toEqual(cut.map(({ journalId, first: from, last }) => ({ journalId, first: from, last })));
    for (const [index, each] of bounds.entries()) expect(await second.readBatch(each)).toEqual(cut[index]);
    expect((await cutAll(second)).map((batch) => bodiesOf(batch, keyRing))).toEqual([['later']]);
  });

  it('leave the journal when deleted, in any order, and what was cut is never cut again', async () => {
    const journal = await openForTest(await newFolder());
    await Promise.all(Array.from({ length: 600 }, () => journal.append(delivery('x'))));
    const [one, two, three] = await cutAll(journal);
    if (!one || !two || !three) throw new Error('three batches were expected');

    await journal.deleteBatch(three);
    await journal.deleteBatch(three);
    expect(await journal.cutBatch()).toBeNull();
    expect((await journal.openBatches()).map(({ first }) => first)).toEqual([one.first, two.first]);
    expect(journal.stats().rows).toBe(512);
    await expect(journal.readBatch(three)).rejects.toMatchObject({ code: 'JOURNAL_BATCH_UNKNOWN' });

    await journal.deleteBatch(one);
    await journal.deleteBatch(two);
    expect(journal.stats()).toMatchObject({ rows: 0, oldestReceivedAt: null });
    expect(await journal.append(delivery('next'))).toBe(three.last + 1);
  });

  it('of another journal are refused', async () => {
    const journal = await openForTest(await newFolder());
    const bounds = { journalId: 'another', first: 1, last: 1 };
    await expect(journal.readBatch(bounds)).rejects.toMatchObject({ code: 'JOURNAL_BATCH_UNKNOWN' });
    await expect(journal.deleteBatch(bounds)).rejects.toMatchObject({ code: 'JOURNAL_BATCH_UNKNOWN' });
  });
});

describe('stats', () => {
  it('count rows, bytes and the oldest delivery, and bytes fall again when batches leave', async () => {
    const journal = await openForTest(await newFolder());
    await journal.append(delivery(Buffer.alloc(3 * mebibyte), 5));
    await journal.append(delivery('x', 6));
    expect(journal.stats()).toMatchObject({ rows: 2, limitBytes, writable: true });
    expect(journal.stats().oldestReceivedAt).toBe('2026-01-01T00:00:05.000Z');
    expect(journal.stats().bytes).toBeGreaterThan(3 * mebibyte);
    expect(journal.stats()).not.toHaveProperty('failure');

    const [large] = await cutAll(journal);
    if (large) await journal.deleteBatch(large);
    expect(journal.stats().oldestReceivedAt).toBe('2026-01-01T00:00:06.000Z');
  });

  it('show the room that small deliveries take, after a few of them at the latest', async () => {
    const journal = await openForTest(await newFolder(), { limitBytes: defaultLimitBytes });
    await journal.append(delivery('x'));
    const { bytes } = journal.stats();
    for (let commit = 0; commit < 8; commit += 1) await journal.append(delivery('x'));
    expect(journal.stats().rows).toBe(9);
    expect(journal.stats().bytes).toBeGreaterThan(bytes);
  });

  it('stay bounded while deliveries come and go: the file reuses its pages and the log is folded in', async () => {
    const dir = await newFolder();
    const journal = await openForTest(dir);
    for (let round = 0; round < 40; round += 1) {
      await journal.append(delivery(Buffer.alloc(mebibyte)));
      for (const batch of await cutAll(journal)) await journal.deleteBatch(batch);
      expect(journal.stats().bytes).toBeLessThan(limitBytes / 2);
    }
    const { size } = await stat(`${dir}/journal.sqlite`);
    expect(size).toBeLessThan(limitBytes / 2);
  });

  it('show an almost empty journal soon after a burst that filled it was stored, also while it is only read', async () => {
    const dir = await newFolder();
    const journal = await openForTest(dir);
    await Promise.all(Array.from({ length: 7 }, () => journal.append(delivery(Buffer.alloc(mebibyte)))));
    expect(journal.stats().bytes).toBeGreaterThan(0.9 * limitBytes);
    for (const batch of await cutAll(journal)) await journal.deleteBatch(batch);
    await eventually(async () => {
      await journal.openBatches();
      expect(journal.stats().bytes).toBeLessThan(0.1 * limitBytes);
      expect((await stat(`${dir}/journal.sqlite-wal`)).size).toBeLessThanOrEqual(limitBytes / 8);
    });
  });

  it('show the log of a burst until a reader from outside has gone, who holds up no delivery', async () => {
    const dir = await newFolder();
    const journal = await openForTest(dir);
    const reader = new DatabaseSync(`${dir}/journal.sqlite`, { readOnly: true });
    reader.exec('begin; select count(*) from deliveries');
    await Promise.all(Array.from({ length: 7 }, () => journal.append(delivery(Buffer.alloc(mebibyte)))));
    for (const batch of await cutAll(journal)) await journal.deleteBatch(batch);
    expect(journal.stats().bytes).toBeGreaterThan(0.9 * limitBytes);
    reader.close();
    await eventually(() => expect(journal.stats().bytes).toBeLessThan(0.2 * limitBytes));
  });
});

describe('installation', () => {
  it('is unknown at first and then kept in the file', async () => {
    const dir = await newFolder();
    const first = await openForTest(dir);
    expect(await first.readInstallation()).toBeNull();
    await first.writeInstallation('5f2d8a');
    await first.close();
    expect(await (await openForTest(dir)).readInstallation()).toBe('5f2d8a');
  });
});

describe('close', () => {
  it('commits what was appended before it and rejects what comes after', async () => {
    const dir = await newFolder();
    const journal = await openForTest(dir);
    const before = [journal.append(delivery('1')), journal.append(delivery('2'))];
    await journal.close();
    const [one = 0, two] = await Promise.all(before);
    expect(two).toBe(one + 1);
    await expect(journal.append(delivery('3'))).rejects.toMatchObject({ code: 'NOT_DURABLE' });

    const again = await openForTest(dir);
    await eventually(() => expect(again.stats().rows).toBe(2));
    expect((await cutAll(again)).flatMap((batch) => bodiesOf(batch))).toEqual(['1', '2']);
  });
});
