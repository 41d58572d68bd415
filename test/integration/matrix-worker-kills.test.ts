// Failure matrix: a worker killed between any two of its steps. Real processes and real engines; the rows, and what the
// application is told, must be those of once.
import { beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  effectsInTheEnd,
  gateAt,
  killAndWait,
  killAt,
  killedBodies,
  killedWorld,
  letLocksExpire,
  settleTimeoutMs,
  someoneWaits,
  startWorkerProcess,
  undisturbedEffects,
  workersCanBeKilled,
  type Effects,
} from '../support/killed-worker.ts';
import { casesOf } from '../support/long-tests.ts';
import type { GatedStep } from '../support/step-gate.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** Of a machine that has other things to do as well; an idle one needs a tenth. */
const timeoutMs = 180_000;

let once: Effects;
beforeAll(async () => {
  if (workersCanBeKilled) once = await undisturbedEffects();
}, timeoutMs);

type NamedStep = readonly [name: string, step: GatedStep];

const steps: readonly NamedStep[] = [
  ['before the events of a batch are stored', { table: 'webhook_events', operation: 'insert', at: 'row' }],
  [
    'in the commit of a batch, with no job of its events added',
    { table: 'intake_batches', operation: 'insert', at: 'commit' },
  ],
  ['before an event is concluded', { table: 'webhook_events', operation: 'update', at: 'row' }],
  [
    'in the commit of an event, with no job of its sync added',
    { table: 'sync_runs', operation: 'insert', at: 'commit' },
  ],
  ["before the rows of one of Lean's replies", { table: 'transactions', operation: 'insert', at: 'row' }],
  ["in the commit of one of Lean's replies", { table: 'transactions', operation: 'insert', at: 'commit' }],
  ['before a sync is closed', { table: 'sync_runs', operation: 'update', at: 'row' }],
  ['in the commit of the numbers of changes', { table: 'changes', operation: 'update', at: 'commit' }],
];
const moreSteps: readonly NamedStep[] = [
  ['before the batch is marked as taken', { table: 'intake_batches', operation: 'insert', at: 'row' }],
  ['before the sync an event starts', { table: 'sync_runs', operation: 'insert', at: 'row' }],
  ['before a step of a sync is done', { table: 'sync_steps', operation: 'update', at: 'row' }],
  ['before the row an event is about', { table: 'entities', operation: 'insert', at: 'row' }],
  ['before changes are numbered', { table: 'changes', operation: 'update', at: 'row' }],
];

describe.concurrent('worker SIGKILLed between any two steps of walk 1 or 2', () => {
  it.for(casesOf(steps, moreSteps))(
    '%s: repeated, same rows as once',
    { timeout: timeoutMs },
    async ([, step], context) => {
      expect(await killAt(context, { step, kills: 1, once })).toEqual(once);
    },
  );

  it(
    'after the commit of a batch, while its jobs are on their way to Redis: repeated, same rows as once',
    { timeout: timeoutMs },
    async (context) => {
      const world = await killedWorld(context);
      const proxy = await startTcpProxy({ port: Number(new URL(engines.redisUrl).port) });
      context.onTestFinished(() => proxy.close());
      const gate = await gateAt(context, world, {
        table: 'intake_batches',
        operation: 'insert',
        at: 'commit',
      });
      await gate.shut();
      await world.deliver(killedBodies);
      const role = startWorkerProcess(context, world, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
      await someoneWaits(gate);
      proxy.freeze();
      await gate.open();
      const stored = world.test.database.db.selectFrom('intake_batches').select('job_id');
      await eventually(async () => expect(await stored.execute()).toHaveLength(1));
      await killAndWait(role);
      proxy.cut();
      await letLocksExpire(world);
      await world.start();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
    },
  );

  it(
    'during a call to Lean: the call is repeated, same rows as once',
    { timeout: timeoutMs },
    async (context) => {
      const world = await killedWorld(context);
      world.lean.faults.add({ fault: { kind: 'half-open' } });
      await world.deliver(killedBodies);
      const role = startWorkerProcess(context, world);
      await eventually(() => expect(world.lean.faults.size).toBe(0), { timeoutMs: settleTimeoutMs });
      await killAndWait(role);
      await letLocksExpire(world);
      await world.start();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
    },
  );
});
