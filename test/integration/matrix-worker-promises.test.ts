// Failure matrix, v1: what Lean has only promised survives a worker that is killed after the promise, and again in the
// call for its results. Real processes and real engines; the rows must be those of an undisturbed worker.
import { expect, it, type TestContext } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { resultsReady, v1EntityCreated } from '../simulator/webhook-bodies.ts';
import { readComparableTables, type ComparableTables } from '../support/comparable-tables.ts';
import { engines, needsRealEngines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  killAndWait,
  letLocksExpire,
  settleTimeoutMs,
  startWorkerProcess,
} from '../support/killed-worker.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';

const timeoutMs = 180_000;
const lists = ['accounts', 'transactions', 'identity'];

interface PromisingWorld {
  readonly world: WorkerWorld;
  /** Of results, as Lean has promised them. */
  readonly promised: readonly string[];
  connect(): Promise<void>;
  /** Lean has them now, and says so. */
  fulfil(): Promise<void>;
}

/** Lean promises each of the lists once. Ends with the test. */
async function promisingWorld(context: TestContext): Promise<PromisingWorld> {
  const customers = generateCustomers({
    seed: 'promises',
    entities: 1,
    accounts: 1,
    transactions: 12,
    region: 'ae',
  });
  const promised: string[] = [];
  const world = await createWorkerWorld({
    customers,
    lean: {
      dialect: 'v1',
      onResultsPending: (resultsId) => promised.push(resultsId),
      // A balance of v1 is of the time of its reply.
      now: () => Date.parse('2026-05-13T20:00:00Z'),
    },
    env: { LEAN_API_VERSION: 'v1', SYNC_DATA: 'accounts,balances,transactions,identity' },
  });
  context.onTestFinished(() => world.close());
  for (const list of lists) {
    world.lean.faults.add({ fault: { kind: 'pending' }, path: new RegExp(`^/data/v1/${list}`) });
  }
  let told = 0;
  return {
    world,
    promised,
    async connect() {
      const at = { eventId: 'created', timestamp: '2026-05-13T19:39:15Z' };
      await world.deliver(customers.entities.map((entity) => v1EntityCreated(entity, at).body));
    },
    async fulfil() {
      const bodies = promised.slice(told).map((resultsId) => {
        world.lean.finishResults(resultsId);
        const at = { eventId: `ready-${resultsId}`, timestamp: '2026-05-13T20:00:00Z' };
        return resultsReady({ ...at, resultsId }).body;
      });
      told = promised.length;
      await world.deliver(bodies);
    },
  };
}

/** Lean has promised so many, and our record of that is stored. */
async function recorded({ world, promised }: PromisingWorld, count: number): Promise<void> {
  const asked = world.test.database.db
    .selectFrom('pending_results')
    .select('results_id')
    .where('asked_at', 'is not', null);
  await eventually(
    async () => {
      expect(promised).toHaveLength(count);
      expect(await asked.execute()).toHaveLength(count);
    },
    { timeoutMs: settleTimeoutMs, everyMs: 100 },
  );
}

async function rowsInTheEnd({ world }: PromisingWorld): Promise<ComparableTables> {
  const { database } = world.test;
  await eventually(
    async () => {
      const runs = await database.db.selectFrom('sync_runs').select(['state', 'failure_code']).execute();
      expect(runs).toEqual([{ state: 'done', failure_code: null }]);
      const open = database.db.selectFrom('webhook_events').select('type').where('concluded_at', 'is', null);
      expect(await open.execute()).toEqual([]);
    },
    { timeoutMs: settleTimeoutMs, everyMs: 100 },
  );
  return readComparableTables(database);
}

async function undisturbed(context: TestContext): Promise<ComparableTables> {
  const lean = await promisingWorld(context);
  await lean.world.start();
  await lean.connect();
  await recorded(lean, 1);
  await lean.fulfil();
  await recorded(lean, lists.length);
  await lean.fulfil();
  return rowsInTheEnd(lean);
}

it(
  'worker SIGKILLed between a promise of v1 and its results.ready, and in the call for the results: same rows as once',
  { timeout: timeoutMs },
  async (context) => {
    needsRealEngines(context);
    context.skip(engines.databaseUrl === undefined, 'processes of their own need a real Postgres');
    const once = await undisturbed(context);
    expect(once['transactions']).toHaveLength(12);

    const lean = await promisingWorld(context);
    const { world } = lean;
    const first = startWorkerProcess(context, world);
    await first.line('listening', settleTimeoutMs);
    await lean.connect();
    await recorded(lean, 1);
    await killAndWait(first);
    await letLocksExpire(world);
    world.lean.faults.add({ fault: { kind: 'half-open' }, path: /^\/v1\/results\// });
    await lean.fulfil();
    const second = startWorkerProcess(context, world);
    await second.line('listening', settleTimeoutMs);
    await eventually(() => expect(world.lean.calls.at(-1)?.path).toMatch(/^\/v1\/results\//), {
      timeoutMs: settleTimeoutMs,
    });
    await killAndWait(second);
    await letLocksExpire(world);
    await world.start();
    await recorded(lean, lists.length);
    await lean.fulfil();
    expect(await rowsInTheEnd(lean)).toEqual(once);
  },
);
