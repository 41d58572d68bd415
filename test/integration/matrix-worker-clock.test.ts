// Failure matrix: the clock of one worker jumps by a day or a year, back or forth. Real processes under faketime; what
// it does must be what others do, and what it leaves must be finished by others with the right time.
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { openStrayJobs } from '../../src/queue/stray-jobs.ts';
import { openSyncQueue } from '../../src/queue/work-queues.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openFakeClock } from '../support/fake-clock.ts';
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
  workersCanBeKilled,
  type Effects,
} from '../support/killed-worker.ts';
import { casesOf } from '../support/long-tests.ts';

const timeoutMs = 180_000;

let once: Effects;
beforeAll(async () => {
  if (workersCanBeKilled) once = await undisturbedEffects();
}, timeoutMs);

const aStepInItsHands = expect.objectContaining({ msg: 'job', queue: 'lean-sync' });

describe.concurrent('clock jump of a worker', () => {
  it.for(casesOf(['+1d', '-1y'], ['-1d', '+1y']))(
    '%s: nothing is lost, and nothing is done twice',
    { timeout: timeoutMs },
    async (jump, context) => {
      const clock = await openFakeClock(context);
      const world = await killedWorld(context);
      const jumped = startWorkerProcess(context, world, clock.env);
      await jumped.line('listening', settleTimeoutMs);
      await clock.set(jump);
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
      // At its time a step may look as if it came too early, and then it is left to others.
      await eventually(() => expect(jumped.lines).toContainEqual(aStepInItsHands), {
        timeoutMs: settleTimeoutMs,
      });
      await killAndWait(jumped);
      await letLocksExpire(world);
      await world.start();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
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
    const options = { url: engines.redisUrl, prefix: uniquePrefix(), deadlineMs: 20_000 };
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
