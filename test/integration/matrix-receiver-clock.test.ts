// Failure matrix: the clock of a receiver jumps by a day or a year, back or forth, while it serves, and it is started again
// on either side of the jump. A real process under faketime; each of its acknowledgements is one event, stored once.
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { openFakeClock } from '../support/fake-clock.ts';
import { answersOf, openReceiverStage, type ServingReceiver } from '../support/faults-receiver.ts';
import { casesOf } from '../support/long-tests.ts';
import { createPki } from '../support/pki.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';

const timeoutMs = 120_000;
const settleTimeoutMs = 60_000;
const dayMs = 86_400_000;
type Jump = readonly [offset: string, days: number];

const perLife = 4;
const customers = generateCustomers({ seed: 'receiver-clock', entities: 1 });

async function endInOrder({ process }: ServingReceiver): Promise<void> {
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
}

/** A batch that is due for long is gone: retention has looked at every body before. */
async function retentionRound({ test }: WorkerWorld): Promise<void> {
  const { db } = test.database;
  const due = sql<Date>`now() - interval '20 years'`;
  await db.insertInto('intake_batches').values({ job_id: 'due', deliveries: 1, stored_at: due }).execute();
  const left = db.selectFrom('intake_batches').select('job_id').where('job_id', '=', 'due');
  await eventually(async () => expect(await left.execute()).toEqual([]), { timeoutMs: settleTimeoutMs });
}

describe.concurrent('clock jump of a receiver', () => {
  it.for(
    casesOf<Jump>(
      [
        ['-1y', -365],
        ['+1d', 1],
      ],
      [
        ['+1y', 365],
        ['-1d', -1],
      ],
    ),
  )(
    '%s: what it acknowledges before, behind and after it is one event each, and retention takes nothing early',
    { timeout: timeoutMs },
    async ([jump, days], context) => {
      const clock = await openFakeClock(context);
      const world = await createWorkerWorld({ customers });
      context.onTestFinished(() => world.close());
      // Valid on both sides of the jump.
      const pki = await createPki({ now: new Date(Date.now() - 400 * dayMs) });
      const prefix = world.env['QUEUE_PREFIX'] ?? '';
      // Nobody stores before the end: an orderly end does not wait for that longer than it must.
      const settings = { REDIS_URL: engines.redisUrl, QUEUE_PREFIX: prefix, SHUTDOWN_TIMEOUT_MS: '1000' };
      const stage = await openReceiverStage(settings, pki);
      context.onTestFinished(() => stage.close());
      const deliver = async () => expect(answersOf(await stage.deliver(perLife))).toEqual({ 200: perLife });

      const first = await stage.start(clock.env);
      await deliver();
      await clock.set(jump);
      await deliver();
      await endInOrder(first);
      const second = await stage.start(clock.env);
      await deliver();
      await clock.set('+0');
      await deliver();
      await endInOrder(second);
      const last = await stage.start();
      await deliver();

      await world.start();
      const events = world.test.database.db
        .selectFrom('webhook_events')
        .select(['event_key', 'delivery_count', 'state', 'received_at', 'body']);
      const expected = new Map(stage.sent.map(({ eventId }) => [eventId, 1]));
      await eventually(
        async () => {
          const rows = await events.execute();
          expect(new Map(rows.map((row) => [row.event_key, row.delivery_count]))).toEqual(expected);
          expect(rows.filter(({ state }) => state === 'received')).toEqual([]);
          expect(await last.journalRows()).toBe(0);
        },
        { timeoutMs: settleTimeoutMs, everyMs: 100 },
      );
      await retentionRound(world);
      const rows = await events.execute();
      expect(rows.filter(({ body }) => body === null)).toEqual([]);
      // The clock did jump: two lots were received that far from now, and all others now.
      const away = rows.filter(({ received_at: at }) => Math.abs(at.getTime() - Date.now()) > dayMs / 2);
      expect(away).toHaveLength(2 * perLife);
      for (const { received_at: at } of away)
        expect(Math.round((at.getTime() - Date.now()) / dayMs)).toBe(days);
    },
  );
});
