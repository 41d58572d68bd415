// Failure matrix: events whose handler always fails, a thousand of them, beside events that are well. Fairness is told
// by order, not by time, so that a slow machine judges the same.
import { Queue } from 'bullmq';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventJobId } from '../../src/core/event-key.ts';
import { openEventQueue } from '../../src/queue/work-queues.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { entityBody } from '../support/event-bodies.ts';
import { needsRealEngines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

const timeoutMs = 180_000;

let world: WorkerWorld;
beforeEach(async () => {
  world = await createWorkerWorld({ customers: generateCustomers({ seed: 'nobody', entities: 0 }) });
  const { database, schema } = world.test;
  // Stands for a bug in a handler: none of the classes of SQLSTATE that mean an outage or bad data.
  await sql`create function ${sql.id(schema, 'refuse')}() returns trigger language plpgsql as ${sql.lit(
    `begin if new.entity_id like 'poison%' then raise exception 'refused'; end if; return new; end`,
  )}`.execute(database.db);
  await sql`create trigger refuse before insert on ${sql.id(schema, 'entities')}
    for each row execute function ${sql.id(schema, 'refuse')}()`.execute(database.db);
});
afterEach(() => world.close());

/** In Postgres without a job. */
async function store(names: readonly string[]): Promise<void> {
  const bodies = names.map((name) => ({
    body: entityBody({ eventId: name, entityId: name, customerId: 'customer' }),
  }));
  for (let from = 0; from < bodies.length; from += 200) {
    await createWorkerParts(world.test.database).intake(bodies.slice(from, from + 200));
  }
}

const many = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`);

const redisUrl = (): string => world.env['REDIS_URL'] ?? '';
const prefix = (): string => world.env['QUEUE_PREFIX'] ?? '';

async function addJobs(names: readonly string[]): Promise<void> {
  const queue = openEventQueue({ url: redisUrl(), prefix: prefix(), deadlineMs: 20_000 });
  try {
    await queue.add(names.map((name) => ({ id: eventJobId(name, 0), data: { eventKey: name } })));
  } finally {
    await queue.close();
  }
}

/** Every attempt of an event so far, in the order they ended. */
function attempts(): { readonly id: string; readonly attempt: number }[] {
  return world.lines
    .filter(({ event, fields }) => event === 'job' && fields['queue'] === 'webhook-events')
    .map(({ fields }) => ({ id: String(fields['job_id']), attempt: Number(fields['attempt']) }));
}

async function concludedGood(): Promise<number> {
  const rows = await world.test.database.db
    .selectFrom('webhook_events')
    .select('event_key')
    .where('event_key', 'like', '%good%')
    .where('state', '=', 'processed')
    .execute();
  return rows.length;
}

async function whenGoodAre(count: number): Promise<void> {
  await eventually(async () => expect(await concludedGood()).toBe(count), { timeoutMs, everyMs: 50 });
}

describe('1,000 events that always fail and 100 that are well', () => {
  it(
    'the good ones are done before any failing one is tried a third time, and fresh ones wait for one round at most',
    { timeout: timeoutMs },
    async (context) => {
      // 1,100 events take minutes on the embedded engines.
      needsRealEngines(context);
      const failing = many('poison', 1_000);
      const good = many('good', 100);
      await store([...failing, ...good]);
      await addJobs([...failing, ...good]);
      await world.start();
      await whenGoodAre(100);
      const goodIds = new Set(good.map((name) => eventJobId(name, 0)));
      const first = attempts();
      const lastGood = first.findLastIndex(({ id }) => goodIds.has(id));
      expect(first.slice(0, lastGood).filter(({ attempt }) => attempt > 2)).toEqual([]);

      const fresh = many('fresh-good', 100);
      await store(fresh);
      const before = attempts().length;
      await addJobs(fresh);
      await whenGoodAre(200);
      const between = attempts().slice(before);
      const times = Map.groupBy(between, ({ id }) => id);
      // One that waited already, and at the most one that had just been taken when the fresh ones came.
      expect(Math.max(...[...times.values()].map((of) => of.length))).toBeLessThanOrEqual(2);
    },
  );
});

describe('poison event', () => {
  it(
    'after its attempts it is failed with a code and in quarantine, and the others are unaffected',
    { timeout: timeoutMs },
    async (context) => {
      const names = ['poison', ...many('good', 20)];
      await store(names);
      await addJobs(names);
      await world.start();
      const { host, port } = new URL(redisUrl());
      const queue = new Queue('webhook-events', {
        connection: { host: host.split(':')[0] ?? '', port: Number(port) },
        prefix: prefix(),
      });
      context.onTestFinished(() => queue.close());
      const poison = world.test.database.db
        .selectFrom('webhook_events')
        .select(['state', 'failure_code'])
        .where('event_key', '=', 'poison');
      await eventually(
        async () => {
          // Half a minute of pauses between the attempts is passed over.
          await queue.promoteJobs();
          expect(await poison.execute()).toEqual([{ state: 'failed', failure_code: 'EVENT_HANDLER_FAILED' }]);
        },
        { timeoutMs },
      );
      expect(await concludedGood()).toBe(20);
      const tried = attempts().filter(({ id }) => id === eventJobId('poison', 0));
      expect(tried.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      const kept = await world.test.database.db
        .selectFrom('webhook_events')
        .select('body')
        .where('event_key', '=', 'poison')
        .executeTakeFirst();
      expect(kept?.body).not.toBeNull();
    },
  );
});
