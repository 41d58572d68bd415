// What the forwarder makes of a queue's and a journal's answers, with both of them played: which batch may hold
// which other back, when rows may go, and what is said of it.
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import type { Clock } from '../../src/core/clock.ts';
import { batchJobId, type BatchBounds } from '../../src/core/delivery.ts';
import type { ForwarderEvent, ForwarderJournal, ForwarderQueue } from '../../src/receiver/forwarder-ports.ts';
import { startForwarder } from '../../src/receiver/forwarder.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryJournal } from '../support/memory-journal.ts';
import { playQueue } from '../support/played-queue.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function forward({
  pollMs = 10,
  ...parts
}: {
  journal: ForwarderJournal;
  queue: ForwarderQueue;
  pollMs?: number;
  clock?: Clock;
}) {
  const events: ForwarderEvent[] = [];
  const forwarder = startForwarder({
    ...parts,
    pollMs,
    random: () => 0,
    onEvent: (event) => events.push(event),
  });
  closers.push(() => forwarder.close());
  const count = (wanted: ForwarderEvent['kind']) => events.filter(({ kind }) => kind === wanted).length;
  return { forwarder, events, count };
}

/** A clock that stands still until it is moved. */
function stoppedClock() {
  const waiting = new Map<() => void, number>();
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    after(ms, run) {
      waiting.set(run, nowMs + ms);
      return () => void waiting.delete(run);
    },
  };
  function pass(ms: number): void {
    nowMs += ms;
    for (const [run, at] of waiting) {
      if (at <= nowMs && waiting.delete(run)) run();
    }
  }
  return { clock, pass, waits: (ms: number) => [...waiting.values()].includes(nowMs + ms) };
}

function oneEach(journalId: string, sequence: number): BatchBounds & { jobId: string } {
  const bounds = { journalId, first: sequence, last: sequence };
  return { ...bounds, jobId: batchJobId(bounds) };
}

describe('a batch that the workers gave up', () => {
  it('holds no stored batch behind it back, nor its answer, when putting it back is refused', async () => {
    const journal = createMemoryJournal({ batchSize: 1 });
    const { queue, played } = playQueue();
    const { forwarder, count } = forward({ journal, queue });
    journal.append(3);
    await eventually(() => expect(played.added).toHaveLength(3));
    const answers = [forwarder.whenStored(2, 10_000), forwarder.whenStored(3, 10_000)];
    played.refusesRetries = true;
    played.become(oneEach(journal.id, 1).jobId, 'failed');
    for (const sequence of [2, 3]) played.become(oneEach(journal.id, sequence).jobId, 'completed');
    await Promise.all(answers);
    await eventually(() => expect(journal.rows()).toEqual([1]));
    await eventually(() => expect(count('retry_refused')).toBeGreaterThan(2));
    expect(forwarder.state()).toEqual({ ok: true, outstanding: 1 });
    played.refusesRetries = false;
    await eventually(() => expect(played.retried).toEqual([oneEach(journal.id, 1).jobId]));
    expect(count('failed')).toBe(1);
  });
});

describe('rows of stored batches', () => {
  it('go although Redis is away by then', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    let refuses = true;
    const { count } = forward({
      queue,
      journal: {
        ...journal,
        async deleteBatch(bounds) {
          if (refuses) throw new AppError('JOURNAL_UNWRITABLE', 'played');
          await journal.deleteBatch(bounds);
        },
      },
    });
    journal.append(2);
    await eventually(() => expect(played.added).toHaveLength(1));
    played.become(played.added[0] ?? '', 'completed');
    await eventually(() => expect(count('journal_failed')).toBe(1));
    played.isAway = true;
    journal.append(1);
    await eventually(() => expect(count('queue_lost')).toBe(1));
    refuses = false;
    await eventually(() => expect(journal.rows()).toEqual([3]));
  });

  it('are told of once when they cannot go, and once when they can again', async () => {
    const journal = createMemoryJournal({ batchSize: 1 });
    const { queue, played } = playQueue();
    let tries = 0;
    const { count } = forward({
      queue,
      journal: {
        ...journal,
        async deleteBatch(bounds) {
          tries += 1;
          if (tries <= 5) throw new AppError('JOURNAL_UNWRITABLE', 'played');
          await journal.deleteBatch(bounds);
        },
      },
    });
    journal.append(1);
    await eventually(() => expect(played.added).toHaveLength(1));
    played.become(oneEach(journal.id, 1).jobId, 'completed');
    // The other loop's success with the same journal is not the end of this failure.
    await eventually(() => expect(count('journal_failed')).toBe(1));
    journal.append(1);
    await eventually(() => expect(played.added).toHaveLength(2));
    await eventually(() => expect(journal.rows()).toEqual([2]));
    expect(tries).toBeGreaterThan(5);
    expect([count('journal_failed'), count('journal_back')]).toEqual([1, 1]);
  });
});

describe('news of a batch', () => {
  it('is looked into only when the batch is of this journal', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock } = stoppedClock();
    const { forwarder } = forward({ journal, queue, clock, pollMs: 60_000 });
    const stored = forwarder.whenStored(1, 10_000);
    journal.append(1);
    await eventually(() => expect(played.looks).toBe(1));
    for (let news = 0; news < 20; news += 1) {
      played.tellOf(`in_another-journal_${news}-${news}`);
      // A turn of the event loop each, in which a look would begin.
      await new Promise(setImmediate);
    }
    expect(played.looks).toBe(1);
    played.become(oneEach(journal.id, 1).jobId, 'completed');
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(played.looks).toBe(2);
    await stored;
  });

  it('is not listened to while no answer to Lean waits for it: looks find it, ever more seldom', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock, pass, waits } = stoppedClock();
    forward({ journal, queue, clock, pollMs: 1_000 });
    journal.append(1);
    await eventually(() => expect(played.looks).toBe(1));
    for (const [index, beforeNextMs] of [100, 200, 300].entries()) {
      await eventually(() => expect(waits(100)).toBe(true));
      pass(100);
      await eventually(() => expect(waits(beforeNextMs)).toBe(true));
      expect(played.looks).toBe(index + 1);
      pass(beforeNextMs);
      await eventually(() => expect(played.looks).toBe(index + 2));
    }
    expect(played.listeners()).toBe(0);
    played.become(oneEach(journal.id, 1).jobId, 'completed');
    await eventually(() => expect(waits(100)).toBe(true));
    pass(100);
    await eventually(() => expect(waits(400)).toBe(true));
    pass(400);
    await eventually(() => expect(journal.rows()).toEqual([]));
  });

  it('is looked for as soon after a long rest as at the start', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock, pass, waits } = stoppedClock();
    forward({ journal, queue, clock, pollMs: 1_000 });
    for (let rests = 0; rests < 6; rests += 1) {
      for (const ms of [1_000, 100]) {
        await eventually(() => expect(waits(ms)).toBe(true));
        pass(ms);
      }
    }
    journal.append(1);
    await eventually(() => expect(played.looks).toBe(1));
    // Until it may look again, and until it does.
    for (let waited = 0; waited < 2; waited += 1) {
      await eventually(() => expect(waits(100)).toBe(true));
      expect(played.looks).toBe(1);
      pass(100);
    }
    await eventually(() => expect(played.looks).toBe(2));
  });

  it('is looked for without delay while somebody waits for the end of all', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock, pass, waits } = stoppedClock();
    const { forwarder } = forward({ journal, queue, clock, pollMs: 1_000 });
    journal.append(1);
    await eventually(() => expect(played.looks).toBe(1));
    const flushed = forwarder.flush(60_000);
    for (let looks = 1; looks <= 6; looks += 1) {
      await eventually(() => expect(waits(100)).toBe(true));
      pass(100);
    }
    await eventually(() => expect(played.looks).toBeGreaterThan(3));
    played.become(oneEach(journal.id, 1).jobId, 'completed');
    await eventually(() => {
      pass(100);
      expect(journal.rows()).toEqual([]);
    });
    await eventually(() => {
      pass(100);
      expect(waits(20)).toBe(false);
    });
    expect(await flushed).toBe(0);
  });
});

describe('a batch listed as open', () => {
  it('counts as stored when the journal has let it go meanwhile, and is not added', async () => {
    const journal = createMemoryJournal({ batchSize: 1 });
    const { queue, played } = playQueue();
    journal.append(2);
    const gone = await journal.cutBatch();
    if (gone === null) throw new Error('there is a batch');
    const left = await journal.cutBatch();
    await journal.deleteBatch(gone);
    const stale: ForwarderJournal = {
      ...journal,
      openBatches: async () => [gone, ...(await journal.openBatches())],
    };
    const { forwarder, count } = forward({ journal: stale, queue });
    await forwarder.whenStored(1, 5_000);
    await eventually(() => expect(played.added).toEqual([oneEach(journal.id, 2).jobId]));
    expect(forwarder.outstanding()).toBe(1);
    expect(journal.rows()).toEqual([left?.first]);
    await expect(forwarder.whenStored(2, 50)).rejects.toMatchObject({ code: 'NOT_DURABLE' });
    expect(count('journal_failed')).toBe(0);
  });

  it.each(['JOURNAL_CORRUPT', 'JOURNAL_UNWRITABLE', 'NOT_DURABLE'] as const)(
    'does not count as stored when reading it fails with %s',
    async (code) => {
      const journal = createMemoryJournal();
      const { queue, played } = playQueue();
      journal.append(2);
      await journal.cutBatch();
      let fails = true;
      const { forwarder, count } = forward({
        queue,
        journal: {
          ...journal,
          async readBatch(bounds) {
            if (fails) throw new AppError(code, 'played');
            return journal.readBatch(bounds);
          },
        },
      });
      await eventually(() => expect(count('journal_failed')).toBe(1));
      await expect(forwarder.whenStored(2, 50)).rejects.toMatchObject({ code: 'NOT_DURABLE' });
      expect([journal.rows(), forwarder.outstanding(), played.added]).toEqual([[1, 2], 1, []]);
      fails = false;
      await eventually(() => expect(played.added).toHaveLength(1));
      expect(count('journal_back')).toBe(1);
    },
  );
});

describe('what comes in drop by drop', () => {
  it('goes to Redis in twenty batches a second at most, the first at once, and in fifty when they are large', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock, pass, waits } = stoppedClock();
    forward({ journal, queue, clock, pollMs: 60_000 });
    journal.append(1);
    await eventually(() => expect(played.added).toHaveLength(1));
    await eventually(() => expect(waits(50)).toBe(true));
    for (let count = 0; count < 64; count += 1) journal.append(1);
    expect(played.added).toHaveLength(1);
    pass(50);
    await eventually(() => expect(played.added).toHaveLength(2));
    await eventually(() => expect(waits(20)).toBe(true));
    journal.append(1);
    pass(20);
    await eventually(() => expect(played.added).toHaveLength(3));
    expect(journal.rows()).toHaveLength(66);
  });

  it('waits for nothing while an answer to Lean waits for it', async () => {
    const journal = createMemoryJournal();
    const { queue, played } = playQueue();
    const { clock } = stoppedClock();
    const { forwarder } = forward({ journal, queue, clock, pollMs: 60_000 });
    const stored = forwarder.whenStored(2, 10_000);
    journal.append(1);
    await eventually(() => expect(played.added).toHaveLength(1));
    journal.append(1);
    await eventually(() => expect(played.added).toHaveLength(2));
    for (const sequence of [1, 2]) played.become(oneEach(journal.id, sequence).jobId, 'completed');
    await stored;
  });
});
