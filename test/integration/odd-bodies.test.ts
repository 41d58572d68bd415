// Authentic bodies that are odd, all the way: a signed POST to a receiver, its journal, Redis, a worker, the row.
// Each gets 200, is kept to the byte, and costs its neighbours nothing.
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startReceiver, type RunningReceiver } from '../../src/receiver/start-receiver.ts';
import { queueNames } from '../../src/queue/queue-names.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { open } from '../../src/sealing/seal.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { entityCreated } from '../simulator/webhook-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { send, type Reply, type Sending } from '../support/lean-sender.ts';
import { oddBodies } from '../support/odd-bodies.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

const settleMs = 60_000;
const customers = generateCustomers({ seed: 'odd-bodies', entities: 1, accounts: 1, transactions: 3 });
const [entity] = customers.entities;
const sha256 = (body: Uint8Array) => createHash('sha256').update(body).digest('hex');

type Headers = NonNullable<Sending['headers']>;
const bodyOf = (name: string) => Buffer.from(JSON.stringify({ type: 'odd.header', payload: { name } }));
/** Headers around a good body; nothing of them reaches the worker, and none may cost the delivery. */
const oddHeaders: readonly { name: string; headers: Headers; chunked?: boolean }[] = [
  { name: 'no type', headers: [] },
  { name: 'an empty type', headers: [['Content-Type', '']] },
  { name: 'a malformed type', headers: [['Content-Type', ';;=;"']] },
  { name: 'a charset nobody has', headers: [['Content-Type', 'application/json; charset=x-none']] },
  { name: 'a multipart type without its boundary', headers: [['Content-Type', 'multipart/form-data']] },
  {
    name: 'two types',
    headers: [
      ['Content-Type', 'application/json'],
      ['Content-Type', 'text/plain'],
    ],
  },
  { name: 'a content encoding it does not have', headers: [['Content-Encoding', 'gzip']] },
  { name: 'Expect: 100-continue', headers: [['Expect', '100-continue']] },
  { name: 'Expect: 100-continue, in chunks', headers: [['Expect', '100-continue']], chunked: true },
  { name: 'an expectation nobody knows', headers: [['Expect', 'the-unexpected']] },
];

interface Row {
  readonly event_key: string;
  readonly body_sha256: string;
  readonly body: Uint8Array;
  readonly state: string;
  readonly failure_code: string | null;
  readonly delivery_count: number;
  readonly warnings: readonly string[];
}

let world: WorkerWorld;
let settings: ReceiverSettings;
let receiver: RunningReceiver;
const replies: Reply[] = [];
const { lines, logger } = collectLines();

async function startOwnReceiver(changes: Readonly<Record<string, string>>): Promise<RunningReceiver> {
  const metrics = createMetrics({ processMetrics: false });
  const config = loadConfig('receiver', { ...settings.env, ...changes });
  return startReceiver({ config, logger, metrics, readiness: createReadiness() });
}

async function deliver(body: Uint8Array, changes: Partial<Sending> = {}): Promise<void> {
  const { origin } = new URL(receiver.url);
  replies.push(await send(fromLean({ url: origin }, settings.pki, { body, ...changes })));
}

async function deliverAll(): Promise<void> {
  for (const { body } of oddBodies) await deliver(body);
  for (const { name, headers, chunked = false } of oddHeaders) {
    await deliver(bodyOf(name), { headers, chunked });
  }
}

async function rows(): Promise<Row[]> {
  const { database, schema } = world.test;
  const found = await sql<Row>`
    select event_key, body_sha256, body, state, failure_code, delivery_count, warnings
    from ${sql.table(`${schema}.webhook_events`)}`.execute(database.db);
  return found.rows;
}

async function settled(deliveries: number): Promise<Row[]> {
  return eventually(
    async () => {
      const found = await rows();
      expect(found.reduce((sum, row) => sum + row.delivery_count, 0)).toBe(deliveries);
      expect(found.filter(({ state }) => state === 'received').map(({ event_key: key }) => key)).toEqual([]);
      return found;
    },
    { timeoutMs: settleMs, everyMs: 100 },
  );
}

const sent = oddBodies.length + oddHeaders.length;
/** What is handed to the worker in one batch, and is well. */
const neighbour =
  entity && entityCreated(entity, { eventId: 'neighbour', timestamp: new Date().toISOString() });
let found: Row[] = [];
const rowOf = (body: Uint8Array) => found.find(({ body_sha256: hash }) => hash === sha256(body));

beforeAll(async () => {
  world = await createWorkerWorld({ customers });
  const { PAYLOAD_KEYS: keys = '', REDIS_URL: redisUrl = '', QUEUE_PREFIX: prefix = '' } = world.env;
  settings = await receiverSettings({ PAYLOAD_KEYS: keys });
  // Redis is away while they come, so that the journal has to hold them all and batches are as mixed as can be.
  receiver = await startOwnReceiver({});
  await deliverAll();
  await deliver(Buffer.from(neighbour?.body ?? ''));
  await receiver.close({ delayMs: 0 });
  await world.start();
  receiver = await startOwnReceiver({ REDIS_URL: redisUrl, QUEUE_PREFIX: prefix, REDIS_DEADLINE_MS: '2000' });
  found = await settled(sent + 1);
}, 2 * settleMs);

afterAll(async () => {
  await receiver.close({ delayMs: 0 });
  await world.close();
  await settings.remove();
});

it('answers 200 to every one of them', () => {
  expect(replies.map(({ status, body }) => `${status} ${body}`)).toEqual(
    Array.from({ length: sent + 1 }, () => '200 {"outcome":"accepted"}'),
  );
});

it.each(oddBodies)('keeps $name to the byte, $state $code', ({ body, state, code, warnings = [] }) => {
  const row = rowOf(body);
  expect(row).toMatchObject({ state, failure_code: code, delivery_count: 1, warnings });
  expect(openBody(row).equals(body)).toBe(true);
});

it.each(oddHeaders)('keeps a good body with $name', ({ name }) => {
  const row = rowOf(bodyOf(name));
  expect(row).toMatchObject({ state: 'ignored', failure_code: null });
  expect(openBody(row).equals(bodyOf(name))).toBe(true);
});

it('stores the neighbours in the same batch, and nothing else', async () => {
  expect(rowOf(Buffer.from(neighbour?.body ?? ''))).toMatchObject({ state: 'processed' });
  expect(found).toHaveLength(sent + 1);
  const batches = await world.test.database.db.selectFrom('intake_batches').select('deliveries').execute();
  expect(Math.max(...batches.map(({ deliveries }) => deliveries))).toBeGreaterThan(50);
});

it('keys by the event id what has one that is printable, and by its bytes what has none', () => {
  const byBytes = found.filter(({ event_key: key }) => key.startsWith('sha256:'));
  for (const { event_key: key, body_sha256: hash } of byBytes) expect(key).toBe(`sha256:${hash}`);
  const byId = found.filter((row) => !byBytes.includes(row)).map(({ event_key: key }) => key);
  expect(byId.filter((key) => !/^[\x21-\x7e]{1,200}$/.test(key))).toEqual([]);
  expect(byId).toEqual(expect.arrayContaining(['odd-marked', 'odd-typeless', '__proto__', 'a:b:c', '12345']));
});

it('counts them all as repeats when they come again, each alone', { timeout: settleMs }, async () => {
  await deliverAll();
  await deliver(Buffer.from(neighbour?.body ?? ''));
  const again = await settled(2 * (sent + 1));
  expect(again.filter(({ delivery_count: count }) => count !== 2)).toEqual([]);
  expect(again).toHaveLength(sent + 1);
});

it('leaves journal and queues empty, no job failed, and a worker that goes on', async () => {
  await deliver(Buffer.from('{"type":"odd.body","event_id":"the-last"}'));
  await settled(2 * (sent + 1) + 1);
  await eventually(async () => expect(await jobsLeft()).toEqual([]), { timeoutMs: settleMs });
  expect(world.readiness.report()).toMatchObject({ ready: true });
  const outcomes = world.lines.filter(({ event }) => event === 'job').map(({ fields }) => fields['outcome']);
  expect(outcomes).not.toContain('failed');
  expect(world.lines.filter(({ event }) => event === 'crashed')).toEqual([]);
  const closing = lines.length;
  await receiver.close({ delayMs: 0 });
  expect(lines.slice(closing)).toContainEqual(
    expect.objectContaining({ msg: 'shutdown', phase: 'closed', rows_left: 0 }),
  );
});

const countOf = (warning: string) =>
  oddBodies.filter(({ warnings = [] }) => warnings.includes(warning)).length;

it('says which of them repeats a key or has an endless time, where an operator looks', async () => {
  const counts = ['DUPLICATE_KEY', 'TIMESTAMP_TOO_LONG'].map((warning) => ({
    warning,
    value: countOf(warning),
  }));
  const parts = createWorkerParts(world.test.database);
  const report = await parts.intake(oddBodies.map(({ body }) => ({ body })));
  expect(report.warned).toBe(counts.reduce((sum, { value }) => sum + value, 0));
  expect((await parts.metrics.eventWarnings.get()).values).toEqual(
    counts.map(({ warning, value }) => ({ labels: { warning }, value })),
  );
});

function openBody(row: Row | undefined): Buffer {
  const keyRing = parseKeyRing((world.env['PAYLOAD_KEYS'] ?? '').split(','));
  const record = { purpose: 'event', recordId: row?.event_key ?? '' } as const;
  return Buffer.from(open(keyRing, record, row?.body ?? Buffer.alloc(0)));
}

/** Ids of jobs that wait, run, are delayed or have failed, in any queue. */
async function jobsLeft(): Promise<string[]> {
  const { REDIS_URL: url = '', QUEUE_PREFIX: prefix = '' } = world.env;
  const redis = new Redis(url);
  const left: string[] = [];
  for (const queue of queueNames) {
    const lists = ['wait', 'active', 'paused'].map((list) =>
      redis.lrange(`${prefix}:${queue}:${list}`, 0, -1),
    );
    const sets = ['delayed', 'failed', 'prioritized'].map((set) =>
      redis.zrange(`${prefix}:${queue}:${set}`, '0', '-1'),
    );
    for (const ids of await Promise.all([...lists, ...sets])) left.push(...ids);
  }
  redis.disconnect();
  return left;
}
