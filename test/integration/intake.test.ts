// From a batch in Redis to rows in Postgres: any number of times, in any company, without losing a byte.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open } from '../../src/sealing/seal.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { openDatabase, postgresDialect } from '../../src/store/database.ts';
import type { IntakeDelivery } from '../../src/store/intake-groups.ts';
import { storeBatch } from '../../src/store/intake-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, webhookBody } from '../support/event-bodies.ts';
import {
  changeNames,
  createWorkerParts,
  eventRows,
  testKeyRing,
  type WorkerParts,
} from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

/** One that was free a moment ago. */
async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 1;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function opened(row: { event_key: string; body: Uint8Array | null }): Buffer {
  const record = { purpose: 'event', recordId: row.event_key } as const;
  return Buffer.from(open(testKeyRing, record, row.body ?? Buffer.alloc(0)));
}

const bodyOf = (bankName: string) =>
  entityBody({ eventId: 'one-id', entityId: 'entity', customerId: 'customer', bankName });

/** As the worker has read it, all well. */
const good = (eventKey: string): IntakeDelivery => ({
  eventKey,
  eventId: eventKey,
  type: 'entity.created',
  entityId: 'entity',
  customerId: 'customer',
  occurredAt: null,
  occurredAtText: null,
  receivedAt: '2026-11-20T08:00:00.000Z',
  proof: 'signature',
  state: 'received',
  failureCode: null,
  rawBody: Buffer.from(eventKey),
  payloadHash: eventKey,
});

describe('a batch', () => {
  it('stores each event once and asks for one job each', async () => {
    const [first, second] = [`a-${randomUUID()}`, `b-${randomUUID()}`];
    const bodies = [entityBody({ eventId: second }), entityBody({ eventId: first })];
    const report = await worker.intake(bodies.map((body) => ({ body })));
    expect(report).toMatchObject({
      outcome: 'stored',
      verdict: { kind: 'done', replaceData: { stored: true } },
    });
    const rows = await eventRows(test.database);
    expect(rows.map((row) => row.event_key)).toEqual([first, second]);
    expect(rows[0]).toMatchObject({
      state: 'received',
      delivery_count: 1,
      type: 'entity.created',
      concluded_at: null,
    });
    expect(opened(rows[1] ?? { event_key: '', body: null })).toEqual(bodies[0]);
    expect(worker.eventJobs.map((job) => job.data.eventKey).toSorted()).toEqual([first, second]);
  });

  it('that comes twice is stored once and asks for the jobs of its open events again', async () => {
    const eventId = randomUUID();
    const delivery = { body: entityBody({ eventId }) };
    await worker.intake([delivery, delivery], { jobId: 'in_x_1-2' });
    const again = await worker.intake([delivery, delivery], { jobId: 'in_x_1-2' });
    expect(again.outcome).toBe('already_stored');
    expect(await eventRows(test.database)).toMatchObject([{ event_key: eventId, delivery_count: 2 }]);
    expect(worker.eventJobs.map((job) => job.id)).toEqual([
      `ev_${sha256(Buffer.from(eventId))}_0`,
      `ev_${sha256(Buffer.from(eventId))}_0`,
    ]);
  });

  it('counts seven deliveries of one event, within a batch and across batches, in one row', async () => {
    const eventId = randomUUID();
    const entityId = randomUUID();
    const body = entityBody({ eventId, entityId, customerId: 'customer' });
    await worker.intake([{ body }, { body }, { body }]);
    await worker.intake([{ body }, { body: entityBody({}) }, { body }]);
    await worker.intake([{ body }, { body }]);
    const rows = await eventRows(test.database);
    expect(rows).toHaveLength(2);
    expect(rows.find((row) => row.event_key === eventId)).toMatchObject({
      delivery_count: 7,
      state: 'received',
    });
  });

  it('counts the same payload written in another way as a repeat', async () => {
    const eventId = randomUUID();
    const payload = { id: 'entity', customer_id: 'customer', amount: 10 };
    const compact = webhookBody({ type: 'entity.created', payload, eventId });
    const spread = Buffer.from(
      JSON.stringify(
        {
          event_id: eventId,
          payload: { customer_id: 'customer', amount: 10, id: 'entity' },
          message: 'said differently',
          timestamp: '2027-01-01T00:00:00Z',
          type: 'entity.created',
        },
        null,
        2,
      ).replace('"amount": 10', '"amount": 1.0e1'),
    );
    await worker.intake([{ body: compact }, { body: spread }]);
    await worker.intake([{ body: spread }]);
    const rows = await eventRows(test.database);
    expect(rows).toMatchObject([{ event_key: eventId, delivery_count: 3 }]);
    expect(opened(rows[0] ?? { event_key: '', body: null })).toEqual(compact);
  });

  it('raises the proof to the strongest that any delivery came with, never lowers it', async () => {
    const body = entityBody({ eventId: 'proven' });
    await worker.intake([{ body, proof: 'none' }]);
    await worker.intake([{ body, proof: 'certificate' }]);
    expect(await eventRows(test.database)).toMatchObject([{ proof: 'certificate' }]);
    await worker.intake([
      { body, proof: 'signature' },
      { body, proof: 'none' },
    ]);
    await worker.intake([{ body, proof: 'certificate' }]);
    expect(await eventRows(test.database)).toMatchObject([{ proof: 'signature', delivery_count: 5 }]);
  });

  it('does not deadlock with others that hold the same events in another order', async () => {
    const bodies = Array.from({ length: 40 }, () => entityBody({}));
    const rotated = (by: number) => [...bodies.slice(by), ...bodies.slice(0, by)];
    await Promise.all(
      [0, 7, 13, 21, 33].map((by) =>
        worker.intake((by % 2 === 0 ? rotated(by) : rotated(by).toReversed()).map((body) => ({ body }))),
      ),
    );
    const rows = await eventRows(test.database);
    expect(rows).toHaveLength(40);
    expect(new Set(rows.map((row) => row.delivery_count))).toEqual(new Set([5]));
  });
});

describe('two bodies under one event id', () => {
  it('within one batch: the first counts, the second is kept in quarantine beside it', async () => {
    await worker.intake([{ body: bodyOf('First') }, { body: bodyOf('Second') }, { body: bodyOf('First') }]);
    const rows = await eventRows(test.database);
    expect(rows).toMatchObject([
      { event_key: 'one-id', state: 'received', delivery_count: 2 },
      {
        event_key: `one-id#${sha256(bodyOf('Second'))}`,
        state: 'quarantined',
        failure_code: 'EVENT_BODY_CONFLICT',
        delivery_count: 1,
      },
    ]);
    expect(rows.map(opened)).toEqual([bodyOf('First'), bodyOf('Second')]);
    expect(worker.eventJobs.map((job) => job.data.eventKey)).toEqual(['one-id']);
  });

  it('in different batches: the same, and its repeats are counted there', async () => {
    await worker.intake([{ body: bodyOf('First') }]);
    await worker.intake([{ body: bodyOf('Second') }, { body: bodyOf('Second') }]);
    await worker.intake([{ body: bodyOf('Second') }, { body: bodyOf('First') }]);
    expect(await eventRows(test.database)).toMatchObject([
      { event_key: 'one-id', state: 'received', delivery_count: 2 },
      {
        event_key: `one-id#${sha256(bodyOf('Second'))}`,
        failure_code: 'EVENT_BODY_CONFLICT',
        delivery_count: 3,
      },
    ]);
  });

  it('of which the stored one was swept: the pushed one takes its place and is applied', async () => {
    await worker.intake([{ body: bodyOf('Swept') }]);
    await test.database.db
      .updateTable('webhook_events')
      .set({ source: 'sweep', state: 'processed', concluded_at: '2026-01-01T00:00:00Z' })
      .execute();
    await worker.intake([{ body: bodyOf('Pushed') }]);
    const rows = await eventRows(test.database);
    expect(rows).toMatchObject([
      { event_key: 'one-id', source: 'webhook', state: 'received', concluded_at: null, replay_count: 1 },
    ]);
    expect(rows.map(opened)).toEqual([bodyOf('Pushed')]);
  });

  it('of which the stored one was swept and says the same: nothing is applied twice', async () => {
    await worker.intake([{ body: bodyOf('Same') }]);
    await test.database.db
      .updateTable('webhook_events')
      .set({ source: 'sweep', state: 'processed', concluded_at: '2026-01-01T00:00:00Z' })
      .execute();
    await worker.intake([{ body: bodyOf('Same') }]);
    expect(await eventRows(test.database)).toMatchObject([
      { source: 'webhook', state: 'processed', replay_count: 0 },
    ]);
  });
});

describe('an odd delivery', () => {
  it('that Postgres cannot store is kept as bytes in quarantine, its neighbours are stored', async () => {
    const farAway = { text: '', at: '2026-01-01T00:00:00.000Z', ns: 2n ** 80n };
    const deliveries: IntakeDelivery[] = [
      good('a-good'),
      { ...good('b-nul'), type: 'with \u0000' },
      { ...good('c-lone-surrogate'), customerId: '\ud800' },
      { ...good('d-number-too-large'), occurredAt: farAway },
      { ...good('e-too-long-for-an-index'), entityId: randomBytes(20_000).toString('hex') },
      good('f-good'),
    ];
    const store = (jobId: string) => storeBatch(test.database, { jobId, deliveries, keyRing: testKeyRing });
    const stored = await store('in_odd_1-6');
    expect(stored.openEvents.map(({ eventKey }) => eventKey)).toEqual(['a-good', 'f-good']);
    const rows = await eventRows(test.database);
    const odd = { state: 'quarantined', failure_code: 'EVENT_NOT_STORABLE', type: null, entity_id: null };
    const plain = { state: 'received', failure_code: null, type: 'entity.created', entity_id: 'entity' };
    expect(rows).toMatchObject([plain, odd, odd, odd, odd, plain]);
    expect(rows.map((row) => opened(row).toString())).toEqual(deliveries.map(({ eventKey }) => eventKey));
    await store('in_odd_7-12');
    expect((await eventRows(test.database)).map((row) => row.delivery_count)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('with U+0000 and lone surrogates in its texts is stored like any other', async () => {
    const body = webhookBody({ type: 'entity.created', payload: { id: 'a\u0000b', customer_id: '\ud800' } });
    await worker.intake([{ body }, { body: entityBody({}) }]);
    const rows = await eventRows(test.database);
    expect(rows.map((row) => row.state)).toEqual(['received', 'received']);
  });

  it('that is no JSON is quarantined under the hash of its bytes with its code', async () => {
    const body = Buffer.from('\u0000 not json');
    await worker.intake([{ body }, { body }]);
    const rows = await eventRows(test.database);
    expect(rows).toMatchObject([
      {
        event_key: `sha256:${sha256(body)}`,
        state: 'quarantined',
        failure_code: 'EVENT_NOT_JSON',
        delivery_count: 2,
      },
    ]);
    expect(rows.map(opened)).toEqual([body]);
    expect(worker.eventJobs).toEqual([]);
  });

  it('that is empty is kept too', async () => {
    await worker.intake([{ body: new Uint8Array() }]);
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'quarantined', failure_code: 'EVENT_NOT_JSON' },
    ]);
  });

  it('of a type nobody handles is ignored at once, told once, and gets no job', async () => {
    const body = webhookBody({ type: 'payment.created', payload: { id: 'p', customer_id: 'c' } });
    await worker.intake([{ body }, { body }]);
    await worker.intake([{ body }]);
    const rows = await eventRows(test.database);
    expect(rows).toMatchObject([
      { type: 'payment.created', state: 'ignored', delivery_count: 3, customer_id: 'c' },
    ]);
    expect(await changeNames(test.database)).toEqual(['event.recorded']);
    expect(worker.eventJobs).toEqual([]);
  });

  it('of a type nobody handles and perhaps meant for somebody else is not told', async () => {
    const body = webhookBody({ type: 'payment.created', payload: { id: 'p', customer_id: 'c' } });
    await worker.intake([{ body, proof: 'certificate' }]);
    expect(await eventRows(test.database)).toMatchObject([{ state: 'ignored', proof: 'certificate' }]);
    expect(await changeNames(test.database)).toEqual([]);
  });

  it('whose key is not in the ring waits with its batch and is stored when the key is there', async () => {
    const otherRing = parseKeyRing([Buffer.alloc(32, 9).toString('base64')]);
    const report = await worker.intake([{ body: entityBody({}) }], { keyRing: otherRing });
    expect(report).toMatchObject({
      outcome: 'PAYLOAD_KEY_MISSING',
      verdict: { kind: 'later', delayMs: 30_000 },
    });
    expect(await eventRows(test.database)).toEqual([]);
  });
});

describe('with Postgres away', () => {
  it('the batch steps back, spends no attempt and never waits longer than 30 s', async () => {
    const nowhere = await unusedPort();
    const dialect = postgresDialect({
      url: `postgres://nobody@127.0.0.1:${nowhere}/nothing`,
      poolSize: 1,
      applicationName: 'test',
      onIdleError: () => undefined,
    });
    const away = openDatabase({ dialect, schema: 'lean' });
    const report = await createWorkerParts(away).intake([{ body: entityBody({}) }]);
    await away.close();
    expect(report.outcome).toBe('DATABASE_AWAY');
    expect(report.verdict.kind).toBe('later');
    const delayMs = 'delayMs' in report.verdict ? report.verdict.delayMs : Infinity;
    expect(delayMs).toBeLessThanOrEqual(30_000);
  });
});
