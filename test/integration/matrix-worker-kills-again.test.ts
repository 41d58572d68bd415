// Failure matrix: the same job killed again and again, and a worker frozen past its jobs' locks. Real processes and real
// engines; the rows, and what the application is told, must be those of once.
import { sql } from 'kysely';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  effectsInTheEnd,
  effectsOf,
  gateAt,
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
import type { WorkerWorld } from '../support/running-worker.ts';
import type { GatedStep } from '../support/step-gate.ts';

/** Of a machine that has other things to do as well; an idle one needs a tenth. */
const timeoutMs = 180_000;

let once: Effects;
beforeAll(async () => {
  if (workersCanBeKilled) once = await undisturbedEffects();
}, timeoutMs);

type NamedStep = readonly [name: string, step: GatedStep];

const batch: GatedStep = { table: 'webhook_events', operation: 'insert', at: 'row' };
const event: GatedStep = { table: 'sync_runs', operation: 'insert', at: 'row' };
const call: GatedStep = { table: 'transactions', operation: 'insert', at: 'row' };

describe.concurrent('worker SIGKILLed again and again on the same job', () => {
  it('two SIGKILLs on one batch do not strand it', { timeout: timeoutMs }, async (context) => {
    expect(await killAt(context, { step: batch, kills: 2, once })).toEqual(once);
  });

  it.for(
    casesOf<NamedStep>(
      [['event', event]],
      [
        ['batch', batch],
        ['call to Lean', call],
      ],
    ),
  )('five SIGKILLs on one %s do not strand it', { timeout: timeoutMs }, async ([, step], context) => {
    expect(await killAt(context, { step, kills: 5, once })).toEqual(once);
  });
});

/** Connections made since then, whose statement waits for a transaction that has something of this schema. */
async function waitingForOthers({ test }: WorkerWorld, since: string): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::integer as waiting from pg_stat_activity as one
    where wait_event_type = 'Lock' and backend_start > ${since}::timestamptz and exists (
      select from pg_locks as held join pg_class as relation on relation.oid = held.relation
      where held.pid = any(pg_blocking_pids(one.pid)) and relation.relnamespace = ${test.schema}::regnamespace
    )
  `.execute(test.database.db);
  return rows[0]?.waiting ?? 0;
}

async function databaseTime({ test }: WorkerWorld): Promise<string> {
  const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(
    test.database.db,
  );
  return rows[0]?.now ?? '';
}

/** A worker that is frozen in a transaction while its twin waits for what that holds. */
async function freezeAt(context: TestContext, step: GatedStep) {
  const world = await killedWorld(context);
  const gate = await gateAt(context, world, step);
  await gate.shut();
  await world.deliver(killedBodies);
  const frozen = startWorkerProcess(context, world);
  await someoneWaits(gate);
  frozen.kill('SIGSTOP');
  await letLocksExpire(world);
  const twinSince = await databaseTime(world);
  await world.start();
  await eventually(async () => expect(await waitingForOthers(world, twinSince)).toBeGreaterThan(0), {
    timeoutMs: settleTimeoutMs,
  });
  return { world, gate, frozen };
}

describe.concurrent('worker frozen (SIGSTOP, as a blocked event loop) past the lock of its job', () => {
  it.for(
    casesOf<NamedStep>(
      [['an event', event]],
      [
        ['a batch', batch],
        ['a reply of Lean', call],
      ],
    ),
  )(
    'in the middle of storing %s: its twin waits for it, and the effect is once',
    { timeout: timeoutMs },
    async ([, step], context) => {
      const { world, gate, frozen } = await freezeAt(context, step);
      await gate.open();
      frozen.kill('SIGCONT');
      expect(await effectsInTheEnd(world, once)).toEqual(once);
    },
  );

  it.for(
    casesOf<NamedStep>(
      [['a batch', batch]],
      [
        ['an event', event],
        ['a reply of Lean', call],
      ],
    ),
  )(
    'in the middle of storing %s, and for good: Postgres ends its transaction, its twin does the work, and it does no harm when it goes on',
    { timeout: timeoutMs },
    async ([, step], context) => {
      const { world, gate, frozen } = await freezeAt(context, step);
      await gate.open();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
      frozen.kill('SIGCONT');
      // It learns of it as of a database that was away for a moment, and goes on.
      await eventually(
        () => {
          const outcomes = frozen.lines.filter(({ msg }) => msg === 'job').map(({ outcome }) => outcome);
          expect(outcomes).toContain('DATABASE_AWAY');
        },
        { timeoutMs: settleTimeoutMs },
      );
      expect(frozen.lines.map(({ msg }) => msg)).not.toContain('crashed');
      frozen.kill('SIGTERM');
      expect(await frozen.exited).toEqual({ code: 0, signal: null });
      expect(await effectsInTheEnd(world, once)).toEqual(once);
    },
  );

  it(
    'during a call to Lean: its twin does the work, and the late reply changes nothing',
    { timeout: timeoutMs },
    async (context) => {
      const world = await killedWorld(context);
      // Sweeps call Lean as well.
      world.lean.faults.add({ fault: { kind: 'delay', ms: 1_000 }, path: /data\/v2\/accounts/ });
      await world.deliver(killedBodies);
      const frozen = startWorkerProcess(context, world);
      await eventually(() => expect(world.lean.faults.size).toBe(0), { timeoutMs: settleTimeoutMs });
      frozen.kill('SIGSTOP');
      await letLocksExpire(world);
      await world.start();
      expect(await effectsInTheEnd(world, once)).toEqual(once);
      frozen.kill('SIGCONT');
      await eventually(
        () => {
          const calls = frozen.lines.filter(
            ({ msg, operation }) => msg === 'job' && operation === 'accounts',
          );
          expect(calls).toHaveLength(1);
        },
        { timeoutMs: settleTimeoutMs },
      );
      expect(await effectsOf(world)).toEqual(once);
    },
  );
});
