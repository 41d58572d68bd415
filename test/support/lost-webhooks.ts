// A deployment whose webhooks get lost, played in two chapters with time between them, and every row it has in the end.
// Only what must differ between two runs of the same story is left out of the rows.
import { Queue } from 'bullmq';
import { sql } from 'kysely';
import { expect } from 'vitest';
import { z } from 'zod';
import { sweepNames } from '../../src/store/sweep-store.ts';
import type { Region } from '../simulator/customers.ts';
import { createRandom } from '../simulator/random.ts';
import type { WebhookEvent } from '../simulator/webhook-bodies.ts';
import { isLost, type WebhookLoss } from '../simulator/webhook-sender.ts';
import { readComparableTables, type ComparableTables } from './comparable-tables.ts';
import { eventually } from './eventually.ts';
import { openStory } from './lost-webhooks-story.ts';
import { createWorkerWorld, type WorkerWorld } from './running-worker.ts';

const hourMs = 3_600_000;
const settleTimeoutMs = 120_000;
const everyMs = 100;

export interface PlayedRun {
  readonly lost: readonly WebhookEvent[];
  readonly arrived: readonly WebhookEvent[];
  /** Of `lean_sweep_found_total`, by kind. */
  readonly found: Readonly<Record<string, number>>;
  readonly changes: readonly ToldChange[];
  readonly tables: ComparableTables;
}

export interface ToldChange {
  readonly change: string;
  readonly entity_id: string | null;
  readonly event_key: string | null;
  readonly details: unknown;
}

export interface PlayOptions {
  readonly region: Region;
  /** Null: every webhook arrives. */
  readonly loss: WebhookLoss | null;
  /** The hour in which the story ends; both runs of a comparison are given the same. */
  readonly endsAt: number;
}

/** In the UAE a fifth of all; in Saudi Arabia every `entity.created` besides. */
export const losses: Readonly<Record<Region, WebhookLoss>> = {
  ae: { seed: 'a fifth', rate: 0.2 },
  sa: { seed: 'a fifth', rate: 0.2, types: { 'entity.created': 1 } },
};

/** Everything but rates, sweeps and freshness included. The UAE's has a client secret and so a list of events. */
export async function playRun({ region, loss, endsAt }: PlayOptions): Promise<PlayedRun> {
  const startedAt = Date.now();
  let leanIsAt = endsAt - 2 * hourMs;
  const { customers, story } = openStory(region, endsAt);
  const order = createRandom('order of arrival');
  const world = await createWorkerWorld({
    customers,
    region,
    lean: {
      now: () => leanIsAt + (Date.now() - startedAt),
      hasEventsApi: region === 'ae',
      ...(region === 'ae' && { oauth: { clientSecret: 'secret-of-tests' } }),
    },
    env: { SYNC_DATA: everyKind, WORKER_CONCURRENCY: '64' },
    sweepEveryMs: 250,
  });
  const sent: { lost: WebhookEvent[]; arrived: WebhookEvent[] } = { lost: [], arrived: [] };
  try {
    await world.start();
    await firstRound(world);
    for (const { answeredMs, tell } of story) {
      leanIsAt = answeredMs;
      const events = tell(world.lean);
      world.lean.recordEvents(events);
      const { lost, arrived } = divide(events, loss);
      sent.lost.push(...lost);
      sent.arrived.push(...arrived);
      await world.deliver(order.shuffle([...arrived, ...arrived.slice(0, 5)]).map(({ body }) => body));
      await letTimePass(world);
      // What a first look finds may lead a second one further: an entity to its refreshes, a bank to its name.
      await letTimePass(world);
    }
    return {
      ...sent,
      found: await readFound(world),
      changes: await readChanges(world),
      tables: await readComparableTables(world.test.database),
    };
  } finally {
    await world.close();
  }
}

const everyKind =
  'accounts,balances,transactions,identity,beneficiaries,direct_debits,standing_orders,scheduled_payments';

export function countTypes(events: readonly WebhookEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of events) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** What the application was told that no webhook had brought. */
export function toldBySweeps({ changes }: PlayedRun): readonly ToldChange[] {
  return changes.filter(({ details }) => bySweep.safeParse(details).success);
}

const bySweep = z.union([
  z.looseObject({ source: z.literal('sweep') }),
  z.looseObject({ reason: z.literal('sweep') }),
]);

function divide(events: readonly WebhookEvent[], loss: WebhookLoss | null) {
  const isGone = (event: WebhookEvent) => loss !== null && isLost(event, loss);
  return { lost: events.filter(isGone), arrived: events.filter((event) => !isGone(event)) };
}

/** After the start every list is read once. */
async function firstRound(world: WorkerWorld): Promise<void> {
  const sweeps = world.test.database.db.selectFrom('sweep_progress').select('finished_at');
  await eventually(
    async () => {
      const finished = (await sweeps.execute()).map((row) => row.finished_at);
      expect(finished.length).toBeGreaterThan(0);
      expect(finished).not.toContain(null);
    },
    { timeoutMs: settleTimeoutMs, everyMs },
  );
}

/** A day later: all sweeps are due, and nothing was heard of anybody for long. Ends when nothing is left to do. */
async function letTimePass(world: WorkerWorld): Promise<void> {
  const { database } = world.test;
  // Runs may wait for a bank of which nobody has heard that it is back.
  await settle(world, { runsToo: false });
  const columns = ['created_at', 'synced_at', 'refresh_heard_at', 'freshness_asked_at'].map(aDayEarlier);
  await sql`update ${database.table('entities')} set ${sql.join(columns)}`.execute(database.db);
  const { rows } = await sql<{ revision: bigint }>`
    update ${database.table('sweep_progress')} set due_at = now() returning revision
  `.execute(database.db);
  const before = rows.reduce((sum, { revision }) => sum + revision, 0n);
  await eventually(
    async () => {
      const progress = await database.db.selectFrom('sweep_progress').selectAll().execute();
      expect(progress.reduce((sum, { revision }) => sum + revision, 0n)).toBeGreaterThan(before);
      expect(progress.filter(({ due_at: dueAt }) => dueAt.getTime() <= Date.now())).toEqual([]);
      // One that failed is due again at once, and not with the next chapter's time.
      expect(progress.filter(({ failures_in_a_row: failures }) => failures > 0)).toEqual([]);
    },
    { timeoutMs: settleTimeoutMs, everyMs },
  );
  await settle(world, { runsToo: true });
}

const aDayEarlier = (column: string) => sql`${sql.ref(column)} = ${sql.ref(column)} - interval '25 hours'`;

/** No event is open, no sync runs, no sweep is under way and nobody works on a job. */
async function settle({ test, env }: WorkerWorld, { runsToo }: { runsToo: boolean }): Promise<void> {
  const { db } = test.database;
  const shared = { connection: { url: env['REDIS_URL'] ?? '' }, prefix: env['QUEUE_PREFIX'] ?? '' };
  const queues = ['webhook-intake', 'webhook-events', 'lean-sync'].map((name) => new Queue(name, shared));
  try {
    await eventually(
      async () => {
        for (const queue of queues) {
          const { waiting, active, prioritized } = await queue.getJobCounts(
            'waiting',
            'active',
            'prioritized',
          );
          expect({ waiting, active, prioritized }).toEqual({ waiting: 0, active: 0, prioritized: 0 });
          // Steps wait for their runs; a look that was put off would find in the next chapter what its webhooks bring.
          const delayed = await queue.getDelayed();
          const looks = delayed.filter(({ data }) => data.kind !== undefined && data.kind !== 'step');
          expect(looks.map(({ id }) => id)).toEqual([]);
        }
        const events = db.selectFrom('webhook_events').select('type').where('concluded_at', 'is', null);
        expect(await events.execute()).toEqual([]);
        const runs = db.selectFrom('sync_runs').select('state').where('finished_at', 'is', null);
        if (runsToo) expect(await runs.execute()).toEqual([]);
        const sweeps = db.selectFrom('sweep_progress').select('sweep').where('window_from', 'is not', null);
        expect(await sweeps.execute()).toEqual([]);
      },
      { timeoutMs: settleTimeoutMs, everyMs },
    );
  } finally {
    await Promise.all(queues.map((queue) => queue.close()));
  }
}

async function readFound({ metrics }: WorkerWorld): Promise<Record<string, number>> {
  const { values } = await metrics.sweepFound.get();
  const kinds = [...sweepNames, 'refreshes'];
  return Object.fromEntries(
    kinds.map((kind) => [kind, values.find(({ labels }) => labels.kind === kind)?.value ?? 0]),
  );
}

async function readChanges({ test }: WorkerWorld): Promise<ToldChange[]> {
  return test.database.db
    .selectFrom('changes')
    .select(['change', 'entity_id', 'event_key', 'details'])
    .orderBy('change_id')
    .execute();
}
