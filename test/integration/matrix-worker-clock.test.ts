// Failure matrix: the clock of one worker jumps by a day or a year, back or forth. Real processes under faketime; what
// it does must be what others do, and what it leaves must be finished by others with the right time.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { openStrayJobs } from '../../src/queue/stray-jobs.ts';
import { openSyncQueue } from '../../src/queue/work-queues.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  effectsInTheEnd,
  effectsOf,
  killAndWait,
  killedBodies,
  killedWorld,
  letLocksExpire,
  settleTimeoutMs,
  startWorkerProcess,
  undisturbedEffects,
  type Effects,
} from '../support/killed-worker.ts';

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((file) => existsSync(file));
const timeoutMs = 180_000;

let once: Effects;
beforeAll(async () => {
  once = await undisturbedEffects();
}, timeoutMs);

describe('clock jump of a worker', () => {
  it.for(['+1d', '-1d', '+1y', '-1y'])(
    '%s: nothing is lost, and retention takes nothing early',
    { timeout: timeoutMs },
    async (jump, context) => {
      context.skip(library === undefined, 'needs faketime');
      const world = await killedWorld(context);
      const dir = await mkdtemp(path.join(tmpdir(), 'clock-'));
      context.onTestFinished(() => rm(dir, { recursive: true, force: true }));
      const clock = path.join(dir, 'offset');
      await writeFile(clock, '+0');
      const jumped = startWorkerProcess(context, world, {
        LD_PRELOAD: library ?? '',
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        // A jump of the time of day, as an operator or a time server makes it; durations go on.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1',
      });
      await jumped.line('listening', settleTimeoutMs);
      await writeFile(clock, jump);
      await world.deliver(killedBodies);
      // Its certificates may not be valid at its time; then it cannot call Lean, and all else goes on.
      await eventually(
        async () => {
          const { events } = await effectsOf(world);
          expect(events).toHaveLength(once.events.length);
          expect(events.map(({ state }) => state)).not.toContain('received');
        },
        { timeoutMs: settleTimeoutMs },
      );
      await jumped.line('lean_call');
      await killAndWait(jumped);
      await letLocksExpire(world);
      await world.start();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
      const emptied = world.test.database.db
        .selectFrom('webhook_events')
        .select('event_key')
        .where('body', 'is', null);
      expect(await emptied.execute()).toEqual([]);
    },
  );
});

const hourMs = 3_600_000;
const delayed = (id: string, delayMs: number) => ({
  id,
  data: { kind: 'step', syncId: 'sync', stepKey: id } as const,
  priority: 1,
  delayMs,
});

describe('a job that a wrong clock put off', () => {
  it('by a year is given back to its queue, and one that waits for an hour is left alone', async (context) => {
    const options = { url: engines.redisUrl, prefix: uniquePrefix() };
    const syncs = openSyncQueue(options);
    context.onTestFinished(() => syncs.close());
    await syncs.add([delayed('an-hour', hourMs), delayed('a-year', 365 * 24 * hourMs)]);
    const stray = openStrayJobs(options);
    context.onTestFinished(() => stray.close());
    expect(await stray.promote()).toBe(1);
    expect(await stray.promote()).toBe(0);
    const connection = new Redis(options.url, { maxRetriesPerRequest: null });
    const queue = new Queue('lean-sync', { connection, prefix: options.prefix });
    context.onTestFinished(async () => {
      await queue.close();
      connection.disconnect();
    });
    expect((await queue.getDelayed()).map(({ id }) => id)).toEqual(['an-hour']);
    expect((await queue.getPrioritized()).map(({ id }) => id)).toEqual(['a-year']);
  });
});
