// `npm run ops -- journal …`: what a journal on this machine holds is seen without disturbing its receiver, and what a
// receiver left behind comes home once, whatever kills the drain.
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readJournalStatus } from '../../src/journal/journal-status.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { installationKey } from '../../src/queue/queue-names.ts';
import type { Database } from '../../src/store/database.ts';
import { createIntakeJob } from '../../src/worker/intake-job.ts';
import { createStepBack } from '../../src/worker/step-back.ts';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from '../support/engines.ts';
import { webhookBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { logEntries, operate } from '../support/operator.ts';
import { nodeCommand, root, startProcess } from '../support/processes.ts';
import { eventRows, testKeyRing } from '../support/worker-parts.ts';
import { delivery, newFolder, openForTest } from './journal-support.ts';

let test: TestDatabase;
let database: Database;
let prefix: string;
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  test = await openTestDatabase();
  ({ database } = test);
  prefix = uniquePrefix();
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await test.drop();
});

/** The least that may be configured. */
const limitBytes = 16 * 1024 ** 2;
const journalLimit = String(limitBytes);
const env = (redisUrl = engines.redisUrl) => ({
  JOURNAL_LIMIT_BYTES: journalLimit,
  REDIS_URL: redisUrl,
  QUEUE_PREFIX: prefix,
  REDIS_DEADLINE_MS: '1000',
});

/** A receiver's folder, sealed bodies and all, after its machine is gone. */
async function leftBehind(count: number): Promise<string> {
  const dir = await newFolder();
  const journal = await openForTest(dir, { keyRing: testKeyRing });
  const bodies = Array.from({ length: count }, (_, index) =>
    webhookBody({ type: 'payment.created', eventId: `event-${index}`, payload: { index } }),
  );
  await Promise.all(bodies.map((body) => journal.append(delivery(body))));
  await journal.close();
  return dir;
}

/** The intake of a worker, which stores one batch and then waits until it is let on. */
function startWorker({ batchesAtOnce }: { batchesAtOnce: number }) {
  const metrics = createMetrics({ processMetrics: false });
  const stepBack = createStepBack({ databaseIsAway: () => false });
  const eventQueue = { add: () => Promise.resolve() };
  const intake = createIntakeJob({ database, keyRing: testKeyRing, eventQueue, stepBack, metrics });
  const { promise: gate, resolve: letOn } = Promise.withResolvers<void>();
  let batches = 0;
  const runner = startJobRunner({
    queueName: 'webhook-intake',
    url: engines.redisUrl,
    prefix,
    concurrency: 1,
    async handle(job, signal) {
      batches += 1;
      if (batches > batchesAtOnce) await gate;
      return (await intake(job, signal)).verdict;
    },
  });
  closers.push(async () => {
    letOn();
    await runner.close();
    metrics.close();
  });
  return { letOn };
}

const drain = (dir: string, ...argv: string[]) =>
  operate(['journal', 'drain', dir, '--yes', ...argv], { database, env: env() });

const status = (dir: string, ...argv: string[]) =>
  operate(['journal', 'status', dir, ...argv], { env: { JOURNAL_LIMIT_BYTES: journalLimit } });

describe('journal drain', () => {
  it('brings home what was left behind, once, when it is killed in the middle and run again', async () => {
    const dir = await leftBehind(600);
    const { letOn } = startWorker({ batchesAtOnce: 1 });
    const child = startProcess({
      command: [...nodeCommand('src/main-ops.ts'), 'journal', 'drain', dir, '--yes', '--as', 'tester'],
      cwd: root,
      env: env(),
    });
    // The first batch is stored and has left the journal, the others are on their way.
    await eventually(() => expect(readJournalStatus(dir)).toMatchObject({ rows: 344, isHeld: true }), {
      timeoutMs: 20_000,
    });
    child.kill('SIGKILL');
    await child.exited;
    expect(readJournalStatus(dir)).toMatchObject({ rows: 344, isHeld: false });
    letOn();
    const { code, output } = await drain(dir);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('everything is stored') });
    expect(readJournalStatus(dir)).toMatchObject({ rows: 0, batches: 0, isHeld: false });
    const rows = await eventRows(database);
    expect(rows).toHaveLength(600);
    expect(new Set(rows.map((row) => row.delivery_count))).toEqual(new Set([1]));
    expect(await logEntries(database)).toEqual([
      {
        operator: 'tester',
        command: 'journal drain',
        affected: 344,
        details: { journalId: expect.any(String) },
      },
    ]);
    expect((await drain(dir)).output).toContain('nothing to do');
  }, 60_000);

  it('asks first, and a dry run or a no leaves every row where it is', async () => {
    const dir = await leftBehind(3);
    const argv = ['journal', 'drain', dir];
    expect((await operate([...argv, '--dry-run'], { env: env() })).output).toContain('holds 3 deliveries');
    const no = await operate(argv, { env: env(), answer: 'n' });
    expect(no).toMatchObject({ code: 1, asked: [`forward 3 deliveries of ${dir}? [y/N] `] });
    expect((await operate(argv, { env: env() })).code).toBe(2);
    expect(readJournalStatus(dir)).toMatchObject({ rows: 3, batches: 0 });
  });

  it('of a journal that a receiver holds refuses with JOURNAL_LOCKED', async () => {
    const dir = await leftBehind(3);
    const journal = await openForTest(dir);
    const { code, output } = await drain(dir);
    expect({ code, output }).toEqual({ code: 2, output: expect.stringMatching(/^JOURNAL_LOCKED: /) });
    expect(journal.stats().rows).toBe(3);
  });

  it('ends with 1 and every row kept when Redis is away, and with 2 when it is somebody else’s', async () => {
    const dir = await leftBehind(3);
    const away = await operate(['journal', 'drain', dir, '--yes', '--seconds', '5'], {
      env: env('redis://127.0.0.1:1'),
    });
    expect(away.code).toBe(1);
    expect(away.output).toMatch(/out of time.*QUEUE_UNAVAILABLE.*3 deliveries left/);
    expect(away.output).toContain('not in lean.operator_log');
    const journal = await openForTest(dir);
    await journal.writeInstallation('ours');
    await journal.close();
    const redis = new Redis(engines.redisUrl);
    await redis.set(installationKey(prefix), 'theirs');
    redis.disconnect();
    const wrong = await drain(dir);
    expect({ code: wrong.code, output: wrong.output }).toEqual({
      code: 2,
      output: expect.stringContaining('WRONG_INSTALLATION'),
    });
    expect(readJournalStatus(dir)).toMatchObject({ rows: 3, installation: 'ours' });
  });

  it('of a folder without a journal says so and makes nothing there', async () => {
    const dir = await newFolder();
    const { code, output } = await drain(dir);
    expect({ code, output }).toEqual({ code: 2, output: `JOURNAL_NOT_FOUND: ${dir} holds no journal` });
    expect(existsSync(dir)).toBe(false);
  });
});

describe('journal status', () => {
  it('tells of a running receiver’s journal what it says itself, while it goes on writing', async () => {
    const dir = await newFolder();
    const journal = await openForTest(dir);
    await journal.append(delivery('one'));
    await journal.append(delivery('two', 1));
    const { code, output } = await status(dir, '--json');
    expect(code).toBe(0);
    const { rows, bytes, oldestReceivedAt } = journal.stats();
    expect(JSON.parse(output)).toMatchObject({
      journalId: journal.id,
      rows,
      bytes,
      oldestReceivedAt,
      batches: 0,
      isHeld: true,
      limitBytes,
    });
    await journal.append(delivery('three'));
    expect(journal.stats()).toMatchObject({ rows: 3, writable: true });
  });

  it('ends with 1 for one that was left behind, and with 0 for an empty one', async () => {
    const left = await status(await leftBehind(2));
    expect(left).toMatchObject({ code: 1, output: expect.stringContaining('left behind') });
    const empty = await status(await leftBehind(0));
    expect(empty).toMatchObject({ code: 0, output: expect.stringContaining('empty, and not in use') });
  });

  it('of the folder in JOURNAL_DIR is what it tells without one, and of none says JOURNAL_NOT_FOUND', async () => {
    const dir = await leftBehind(1);
    const own = await operate(['journal', 'status', '--json'], { env: { JOURNAL_DIR: dir } });
    expect(JSON.parse(own.output)).toMatchObject({ dir, rows: 1 });
    expect((await status(`${dir}-nowhere`)).output).toMatch(/^JOURNAL_NOT_FOUND: /);
  });
});
