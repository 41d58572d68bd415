// The failure matrix, a receiver killed at a chosen instruction: while it writes, at the fsync, and between the commit and
// the answer. Whatever was answered 200 is there after the restart, and what was not is taken when Lean sends it again.
import { afterEach, describe, expect, it } from 'vitest';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { answersOf, openReceiverStage, type ReceiverStage } from '../support/faults-receiver.ts';
import { casesOf } from '../support/long-tests.ts';
import { goodSyncs, needsStrace, traceJournal } from '../support/faults-strace.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 30_000;
const noRedis = 'redis://127.0.0.1:1';

async function open(): Promise<ReceiverStage> {
  const stage = await openReceiverStage({ REDIS_URL: noRedis });
  closers.push(() => stage.close());
  return stage;
}

/** Of the journal's thread: where it is killed, and whether what it worked on can have been committed by then. */
const instructions = casesOf(
  [
    { call: 'pwrite64', nth: 1, committed: false },
    { call: 'fsync,fdatasync', nth: 4, committed: false },
    // After its commit the thread wakes the one that answers.
    { call: 'write', nth: 1, committed: true },
  ],
  [
    { call: 'fsync,fdatasync', nth: 1, committed: false },
    { call: 'fsync,fdatasync', nth: 9, committed: false },
    { call: 'write', nth: 5, committed: true },
  ],
);

describe('SIGKILL', () => {
  it.for(instructions)(
    'at the $call number $nth of the journal: everything answered 200 is there after the restart',
    async ({ call, nth, committed }, context) => {
      needsStrace(context);
      const stage = await open();
      const { process } = await stage.start();
      expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
      const rules = [`trace=${call}`, `inject=${call}:signal=KILL:when=${nth}`];
      const tracing = await traceJournal(process.pid, rules);
      closers.push(() => tracing.detach());
      const hit = await stage.deliver(40, 4);
      expect(await process.exited).toEqual({ code: null, signal: 'SIGKILL' });
      const unanswered = hit.filter((record) => !record.acked);
      expect(unanswered.length).toBeGreaterThan(0);
      expect(unanswered.length).toBeLessThanOrEqual(40);

      const again = await stage.start({ REDIS_URL: engines.redisUrl });
      stage.storeFrom(engines.redisUrl);
      await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
      await eventually(async () => expect(await again.journalRows()).toBe(0), { timeoutMs: settleTimeoutMs });
      const stored = new Set(stage.stored.map(({ eventId }) => eventId));
      const keptWithoutAnswer = unanswered.filter(({ eventId }) => stored.has(eventId)).length;
      // The group that was committed when nobody had been told of it yet.
      expect(keptWithoutAnswer).toBeGreaterThanOrEqual(committed ? 1 : 0);
      expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
    },
  );
});

describe('fsync', () => {
  it('is done before every answer: never fewer good ones than acknowledgements that waited for each other', async (context) => {
    needsStrace(context);
    const stage = await open();
    const { process } = await stage.start();
    await stage.deliver(16, 16);
    const alone = await traceJournal(process.pid, ['trace=fsync,fdatasync']);
    expect(answersOf(await stage.deliver(30, 1))).toEqual({ 200: 30 });
    expect(goodSyncs(await alone.detach())).toBeGreaterThanOrEqual(30);
    const together = await traceJournal(process.pid, ['trace=fsync,fdatasync']);
    expect(answersOf(await stage.deliver(160, 16))).toEqual({ 200: 160 });
    // At most 16 wait at a time, so no fsync can have been for more.
    expect(goodSyncs(await together.detach())).toBeGreaterThanOrEqual(10);
  });
});
