// The failure matrix, the journal's disk, on a receiver as a process: full, unwritable, failing and slow. No answer of 200
// without a good fsync, readiness says why, and it recovers by itself.
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { engines } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { answersOf, openReceiverStage, slowestMs, type ReceiverStage } from '../support/faults-receiver.ts';
import { goodSyncs, needsStrace, traceJournal, type Tracing } from '../support/faults-strace.ts';
import { casesOf } from '../support/long-tests.ts';
import { mountSmallDisk } from './journal-support.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 30_000;

/** Redis is there, and a worker behind it only once the test asks for one. */
async function open(changes: Record<string, string> = {}): Promise<ReceiverStage> {
  const stage = await openReceiverStage({ REDIS_URL: engines.redisUrl, ...changes });
  closers.push(() => stage.close());
  return stage;
}

async function trace(pid: number, ...rules: string[]): Promise<Tracing> {
  const tracing = await traceJournal(pid, rules);
  closers.push(() => tracing.detach());
  return tracing;
}

async function expectNothingLost(stage: ReceiverStage): Promise<void> {
  stage.storeFrom(engines.redisUrl);
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs, everyMs: 100 });
}

describe('journal disk full', () => {
  it('503 NOT_DURABLE and unready, no acknowledged delivery lost, and 200 again by itself once there is room', async (context) => {
    const disk = await mountSmallDisk('6m');
    context.skip(disk === null, 'mounting a small disk needs root');
    const journal = path.join(String(disk), 'journal');
    const filler = path.join(String(disk), 'filler');
    const stage = await open({ JOURNAL_DIR: journal, JOURNAL_LIMIT_BYTES: String(16 * 1024 ** 2) });
    const receiver = await stage.start();
    expect(answersOf(await stage.deliver(24))).toEqual({ 200: 24 });
    await fillUp(filler);
    await eventually(async () => {
      const [record] = await stage.deliver(1);
      expect(record?.attempts[0]).toMatchObject({ status: 503, reply: '{"code":"NOT_DURABLE"}' });
    });
    await eventually(async () => expect(await receiver.readiness()).toMatchObject({ status: 503 }));
    expect((await receiver.readiness()).text).toContain('NOT_DURABLE');
    await rm(filler);
    await eventually(async () => expect(answersOf(await stage.deliver(1))).toEqual({ 200: 1 }), {
      timeoutMs: settleTimeoutMs,
      everyMs: 100,
    });
    await eventually(async () => expect((await receiver.readiness()).status).toBe(200));
    await expectNothingLost(stage);
  });
});

/** Until nothing more fits. */
async function fillUp(file: string): Promise<void> {
  for (const size of [64 * 1024, 4096]) {
    for (let failed = false; !failed;)
      failed = await writeFile(file, Buffer.alloc(size), { flag: 'a' }).then(
        () => false,
        () => true,
      );
  }
}

describe('journal unwritable', () => {
  it('at the start: refused with JOURNAL_UNWRITABLE, which says where', async () => {
    const stage = await open();
    const folder = path.join(stage.settings.dir, 'journal');
    await writeFile(folder, 'a file where the folder should be');
    const process = stage.spawn();
    expect(await process.exited).toMatchObject({ code: 1 });
    const failed = await process.line('start_failed');
    expect(failed).toMatchObject({ failure_code: 'JOURNAL_UNWRITABLE' });
    expect(String(failed['problem'])).toContain(folder);
  });

  it('while it runs (read-only file system): 503 NOT_DURABLE, and 200 again once it takes writes', async (context) => {
    needsStrace(context);
    const stage = await open();
    const receiver = await stage.start();
    expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
    const tracing = await trace(receiver.process.pid, 'trace=pwrite64', 'inject=pwrite64:error=EROFS');
    expect(answersOf(await stage.deliver(8))).toEqual({ 503: 8 });
    await eventually(async () => expect((await receiver.readiness()).status).toBe(503));
    await tracing.detach();
    await eventually(async () => expect(answersOf(await stage.deliver(1))).toEqual({ 200: 1 }), {
      timeoutMs: settleTimeoutMs,
      everyMs: 100,
    });
    await expectNothingLost(stage);
  });
});

describe('fsync EIO', () => {
  it.for(casesOf([1, 3], [2, 7]))(
    'from the fsync number %i on: no 200 while it lasts, unready, and recovery without a lost acknowledgement',
    async (from, context) => {
      needsStrace(context);
      const stage = await open();
      const receiver = await stage.start();
      expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
      const rules = ['trace=fsync,fdatasync', `inject=fsync,fdatasync:error=EIO:when=${from}+`];
      const tracing = await trace(receiver.process.pid, ...rules);
      const hit = await stage.deliver(16, 1);
      expect(hit.at(-1)?.attempts[0]).toMatchObject({ status: 503, reply: '{"code":"NOT_DURABLE"}' });
      await eventually(async () => expect((await receiver.readiness()).status).toBe(503));
      const acked = hit.filter((record) => record.acked).length;
      const seen = await tracing.detach();
      expect(acked).toBeLessThanOrEqual(goodSyncs(seen));
      await eventually(async () => expect(answersOf(await stage.deliver(1))).toEqual({ 200: 1 }), {
        timeoutMs: settleTimeoutMs,
        everyMs: 100,
      });
      await eventually(async () => expect((await receiver.readiness()).status).toBe(200));
      await expectNothingLost(stage);
    },
  );
});

describe('slow fsync', () => {
  it('past JOURNAL_DEADLINE_MS: 503 NOT_DURABLE in that time, and the event is forwarded later all the same', async (context) => {
    needsStrace(context);
    const stage = await open({ JOURNAL_DEADLINE_MS: '300' });
    const receiver = await stage.start();
    expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
    const rules = ['trace=fsync,fdatasync', 'inject=fsync,fdatasync:delay_enter=3000000:when=1..2'];
    const tracing = await trace(receiver.process.pid, ...rules);
    const late = await stage.deliver(4, 4);
    expect(late.map(({ attempts }) => attempts[0]?.reply)).toEqual(late.map(() => '{"code":"NOT_DURABLE"}'));
    expectInTime(slowestMs(late), 2_800);
    await eventually(async () => expect((await receiver.readiness()).status).toBe(503));
    stage.storeFrom(engines.redisUrl);
    await eventually(
      () => {
        const stored = new Set(stage.stored.map(({ eventId }) => eventId));
        expect(late.filter(({ eventId }) => !stored.has(eventId))).toEqual([]);
      },
      { timeoutMs: settleTimeoutMs, everyMs: 100 },
    );
    await tracing.detach();
    await eventually(async () => expect((await receiver.readiness()).status).toBe(200));
    expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
  });
});

describe('journal corrupt at start', () => {
  it('refused with JOURNAL_CORRUPT and what to do, and the file is left as it is', async () => {
    const stage = await open({ REDIS_URL: 'redis://127.0.0.1:1' });
    const first = await stage.start();
    expect(answersOf(await stage.deliver(8))).toEqual({ 200: 8 });
    first.process.kill('SIGTERM');
    expect(await first.process.exited).toEqual({ code: 0, signal: null });
    const file = path.join(stage.settings.dir, 'journal', 'journal.sqlite');
    const whole = await readFile(file);
    const damaged = Buffer.from(whole);
    damaged.fill(0xa5, 4096, 12_288);
    await writeFile(file, damaged);
    const second = stage.spawn();
    expect(await second.exited).toMatchObject({ code: 1 });
    const failed = await second.line('start_failed');
    expect(failed).toMatchObject({ failure_code: 'JOURNAL_CORRUPT' });
    expect(String(failed['problem'])).toContain('move the whole folder away');
    expect(await readFile(file)).toEqual(damaged);

    // What the damage hid is there again with the file.
    await writeFile(file, whole);
    await stage.start({ REDIS_URL: engines.redisUrl });
    await expectNothingLost(stage);
  });
});

describe('JOURNAL_LOCKED', () => {
  it('a second receiver on the journal of a running one ends with it, and costs the first nothing', async () => {
    const stage = await open();
    await stage.start();
    const loading = stage.deliver(64);
    const second = stage.spawn({ PORT: '0' });
    expect(await second.exited).toMatchObject({ code: 1 });
    expect(await second.line('start_failed')).toMatchObject({ failure_code: 'JOURNAL_LOCKED' });
    expect(answersOf(await loading)).toEqual({ 200: 64 });
    await expectNothingLost(stage);
  });
});
