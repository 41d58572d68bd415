// ACK_AFTER=stored from end to end: Lean's POST, the journal on disk, Redis, a worker's intake, Postgres, and back.
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { startReceiver } from '../../src/receiver/start-receiver.ts';
import type { Database } from '../../src/store/database.ts';
import { createIntakeJob } from '../../src/worker/intake-job.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import { send, type Reply } from '../support/lean-sender.ts';
import { engines, openTestDatabase, uniquePrefix } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings } from '../support/receiver-settings.ts';
import { eventRows, testKeyRing } from '../support/worker-parts.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start({ ackDeadlineMs }: { ackDeadlineMs: number }) {
  const test = await openTestDatabase();
  closers.push(() => test.drop());
  const prefix = uniquePrefix();
  const settings = await receiverSettings({
    REDIS_URL: engines.redisUrl,
    REDIS_DEADLINE_MS: '2000',
    QUEUE_PREFIX: prefix,
    ACK_AFTER: 'stored',
    ACK_DEADLINE_MS: String(ackDeadlineMs),
  });
  closers.push(() => settings.remove());
  const { lines, logger } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const receiver = await startReceiver({
    config: loadConfig('receiver', settings.env),
    logger,
    metrics,
    readiness: createReadiness(),
  });
  closers.push(() => receiver.close({ delayMs: 0 }));
  const { origin, pathname } = new URL(receiver.url);
  return {
    lines,
    database: test.database,
    deliver: (body: Uint8Array) => send(fromLean({ url: origin }, settings.pki, { path: pathname, body })),
    startIntake: () => startIntake(test.database, prefix),
  };
}

/** The worker's intake alone: what it makes of an event is not told to anybody. */
function startIntake(database: Database, prefix: string): void {
  const intake = createIntakeJob({
    database,
    keyRing: testKeyRing,
    eventQueue: { add: () => Promise.resolve() },
    stepBack: createStepBack({ databaseIsAway: () => false }),
    metrics: createMetrics({ processMetrics: false }),
  });
  const runner = startJobRunner({
    queueName: 'webhook-intake',
    url: engines.redisUrl,
    prefix,
    concurrency: 2,
    handle: async (job, signal) => (await intake(job, signal)).verdict,
  });
  closers.push(() => runner.close());
}

const eventIds = ['one', 'two', 'three'];

it('answers 200 once the event is in Postgres, and not before', async () => {
  const { lines, database, deliver, startIntake: startWork } = await start({ ackDeadlineMs: 9_500 });
  const answers: Reply[] = [];
  const replies = eventIds.map(async (eventId) => {
    const reply = await deliver(entityBody({ eventId }));
    answers.push(reply);
    return { reply, held: (await eventRows(database)).map((row) => row.event_key) };
  });
  // In Redis, and nobody there to take it to Postgres.
  await expect
    .poll(() => lines, { timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ msg: 'forward', outcome: 'added' }));
  expect(answers).toEqual([]);
  startWork();
  for (const [index, { reply, held }] of (await Promise.all(replies)).entries()) {
    expect(reply).toMatchObject({ status: 200, body: '{"outcome":"accepted"}' });
    expect(held).toContain(eventIds[index]);
  }
  expect(await eventRows(database)).toHaveLength(eventIds.length);
});

it('answers 503 when the event is not in Postgres in time, and stores it all the same afterwards', async () => {
  const { database, deliver, startIntake: startWork } = await start({ ackDeadlineMs: 1_000 });
  const body = entityBody({ eventId: 'late' });
  expect(await deliver(body)).toMatchObject({ status: 503, body: '{"code":"NOT_DURABLE"}' });
  startWork();
  await expect
    .poll(() => eventRows(database), { timeout: 10_000 })
    .toMatchObject([{ event_key: 'late', delivery_count: 1 }]);
  // Lean sends it again; the same event is one row.
  await expect.poll(async () => (await deliver(body)).status, { timeout: 10_000 }).toBe(200);
  expect(await eventRows(database)).toHaveLength(1);
});
