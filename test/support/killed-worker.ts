// Worker processes that are killed or frozen at a step of a test's choosing, and what must be so in the end.
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { expect, type TestContext } from 'vitest';
import { ensureSweeps, sweepNames } from '../../src/store/sweep-store.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { engines, needsRealEngines } from './engines.ts';
import { eventually } from './eventually.ts';
import { startRole, type RoleProcess } from './processes.ts';
import { createWorkerWorld, type WorkerWorld } from './running-worker.ts';
import { openStepGate, type GatedStep, type StepGate } from './step-gate.ts';

export const settleTimeoutMs = 120_000;

const customers = generateCustomers({ seed: 'kills', entities: 1, accounts: 1, transactions: 12 });
/** Created, pending, updated and done, one of them twice more. */
export const killedBodies = planDeliveries({
  customers,
  count: 6,
  duplicateRate: 1 / 3,
  seed: 'kills',
}).map(({ body }) => body);

/** Where not, every test of such a world is skipped by name and nothing is to be compared with. */
export const workersCanBeKilled = engines.databaseUrl !== undefined && engines.canStart.redis;

/** Ends with the test. */
export async function killedWorld(context: TestContext): Promise<WorkerWorld> {
  needsRealEngines(context);
  context.skip(engines.databaseUrl === undefined, 'processes of their own need a real Postgres');
  const world = await openWorld();
  context.onTestFinished(() => world.close());
  return world;
}

/** Without sweeps: one that happened to look between two events would tell of the entity on its own. */
async function openWorld(): Promise<WorkerWorld> {
  const world = await createWorkerWorld({ customers });
  const { db } = world.test.database;
  await ensureSweeps(db, sweepNames);
  await db
    .updateTable('sweep_progress')
    .set({ due_at: sql<string>`now() + interval '1 day'` })
    .execute();
  return world;
}

export async function gateAt(context: TestContext, world: WorkerWorld, step: GatedStep): Promise<StepGate> {
  const gate = await openStepGate(world.test, step);
  context.onTestFinished(() => gate.close());
  return gate;
}

export function someoneWaits(gate: StepGate): Promise<void> {
  return eventually(async () => expect(await gate.waiting()).toBeGreaterThan(0), {
    timeoutMs: settleTimeoutMs,
  });
}

/** Kills so many workers, one after the other, each when it has come to the step; then lets another one finish. */
export async function killAt(
  context: TestContext,
  { step, kills, once }: { readonly step: GatedStep; readonly kills: number; readonly once: Effects },
): Promise<Effects> {
  const world = await killedWorld(context);
  const gate = await gateAt(context, world, step);
  await world.deliver(killedBodies);
  for (let kill = 0; kill < kills; kill += 1) {
    await gate.shut();
    const role = startWorkerProcess(context, world);
    await someoneWaits(gate);
    await killAndWait(role);
    await gate.open();
    await letLocksExpire(world);
  }
  await world.start();
  return effectsInTheEnd(world, once);
}

/** A worker's process of this world; ends with the test at the latest. */
export function startWorkerProcess(
  context: TestContext,
  { env }: WorkerWorld,
  changes: Readonly<Record<string, string>> = {},
): RoleProcess {
  const role = startRole('worker', { ...env, OPS_PORT: '0', ...changes });
  context.onTestFinished(() => killAndWait(role));
  return role;
}

export async function killAndWait(role: RoleProcess): Promise<void> {
  role.kill('SIGKILL');
  await role.exited;
}

/**
 * What happens in the 25 seconds after a worker's death, now: the locks of its jobs run out, and a look of any worker
 * marks them as held by nobody, so that the next look gives them away. Both are what Redis keys say; nothing else of
 * a job knows the time.
 */
export async function letLocksExpire({ env }: WorkerWorld): Promise<void> {
  const redis = new Redis(env['REDIS_URL'] ?? '');
  try {
    const keys = await redis.keys(`${env['QUEUE_PREFIX']}:*`);
    const expiring = keys.filter((key) => key.endsWith(':lock') || key.endsWith(':stalled-check'));
    if (expiring.length > 0) await redis.unlink(...expiring);
    for (const active of keys.filter((key) => key.endsWith(':active'))) {
      const held = await redis.lrange(active, 0, -1);
      if (held.length > 0) await redis.sadd(active.replace(/active$/, 'stalled'), ...held);
    }
  } finally {
    redis.disconnect();
  }
}

export interface Effects {
  readonly events: readonly { readonly state: string; readonly deliveries: number }[];
  /** Names of the changes told to the application. */
  readonly changes: readonly string[];
  readonly runs: readonly string[];
  readonly unnumbered: number;
}

/** What deliveries came to, told so that the same deliveries give the same, however often they were begun. */
export async function effectsOf({ test }: WorkerWorld): Promise<Effects> {
  const { db } = test.database;
  const events = await db.selectFrom('webhook_events').select(['state', 'delivery_count']).execute();
  const changes = await db.selectFrom('changes').select(['change', 'event_key', 'position']).execute();
  const runs = await db.selectFrom('sync_runs').select('state').execute();
  return {
    events: events
      .map((row) => ({ state: row.state, deliveries: row.delivery_count }))
      .toSorted((left, right) => right.deliveries - left.deliveries || (left.state < right.state ? -1 : 1)),
    changes: changes
      .filter((row, index) => !isToldBefore(row, changes.slice(0, index)))
      .map((row) => row.change)
      .toSorted(),
    runs: runs.map((row) => row.state),
    unnumbered: changes.filter((row) => row.position === null).length,
  };
}

interface Told {
  readonly change: string;
  readonly event_key: string | null;
}

/**
 * Of a connection whatever event comes first tells, and so does the one that made it: one change or two, by the order in
 * which they were applied. One event that tells of it twice is what must not be.
 */
function isToldBefore({ change, event_key: eventKey }: Told, before: readonly Told[]): boolean {
  const connected = before.filter((row) => row.change === 'entity.connected');
  return (
    change === 'entity.connected' &&
    connected.length > 0 &&
    connected.every((row) => row.event_key !== eventKey)
  );
}

/** The effects, once the rows are exactly those that Lean holds and the effects are the ones of `once`, or time is up. */
export async function effectsInTheEnd(world: WorkerWorld, once: Effects): Promise<Effects> {
  await eventually(
    async () => {
      expect(await world.tables()).toEqual(expectedTables(customers));
      expect(await effectsOf(world)).toEqual(once);
    },
    { timeoutMs: settleTimeoutMs, everyMs: 200 },
  );
  return effectsOf(world);
}

/** What a worker that nobody disturbs makes of the deliveries. */
export async function undisturbedEffects(): Promise<Effects> {
  const world = await openWorld();
  try {
    await world.start();
    await world.deliver(killedBodies);
    return await eventually(
      async () => {
        const effects = await effectsOf(world);
        expect(new Set(effects.runs)).toEqual(new Set(['done']));
        expect(effects.events.map(({ state }) => state)).not.toContain('received');
        expect(effects.unnumbered).toBe(0);
        return effects;
      },
      { timeoutMs: settleTimeoutMs, everyMs: 100 },
    );
  } finally {
    await world.close();
  }
}
