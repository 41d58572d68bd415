// Bodies that cannot be opened: a missing key is waited for, damage is kept and set aside.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/core/event-key.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { open, seal } from '../../src/sealing/seal.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { createWorkerParts, eventRows, testKeyRing, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

describe('a batch', () => {
  it('stores what is damaged beyond reading as it is, quarantined, and its neighbours as ever', async () => {
    const report = await worker.intake([
      { body: entityBody({ eventId: 'a-neighbour' }) },
      { body: entityBody({ eventId: 'damaged' }), damaged: true },
    ]);
    expect(report).toMatchObject({ outcome: 'stored', verdict: { kind: 'done' } });
    const [neighbour, damaged] = await eventRows(test.database);
    expect(neighbour).toMatchObject({ event_key: 'a-neighbour', state: 'received' });
    expect(damaged).toMatchObject({ state: 'quarantined', failure_code: 'PAYLOAD_UNREADABLE', type: null });
    const record = { purpose: 'event', recordId: damaged?.event_key ?? '' } as const;
    const kept = Buffer.from(open(testKeyRing, record, damaged?.body ?? Buffer.alloc(0)));
    expect(damaged?.event_key).toBe(`sha256:${sha256Hex(kept)}`);
    expect(kept.readUInt8(0)).toBe(1);
    expect(worker.eventJobs.map((job) => job.data.eventKey)).toEqual(['a-neighbour']);
  });
});

describe('an event', () => {
  it.each([
    ['damaged', Buffer.from([1, 2, 3])],
    ['gone', null],
  ])('whose stored body is %s goes to the quarantine and asks for no further look', async (_what, stored) => {
    await worker.intake([{ body: entityBody({ eventId: 'unreadable' }) }]);
    await test.database.db.updateTable('webhook_events').set({ body: stored }).execute();
    expect(await worker.applyEvent('unreadable')).toMatchObject({
      outcome: 'PAYLOAD_UNREADABLE',
      verdict: { kind: 'done' },
    });
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'quarantined', failure_code: 'PAYLOAD_UNREADABLE' },
    ]);
  });

  it('whose key is missing waits for it', async () => {
    await worker.intake([{ body: entityBody({ eventId: 'sealed' }) }]);
    const ring = parseKeyRing([Buffer.alloc(32, 9).toString('base64')]);
    const sealed = seal(ring, { purpose: 'event', recordId: 'sealed' }, Buffer.from('{}'));
    await test.database.db.updateTable('webhook_events').set({ body: sealed }).execute();
    expect(await worker.applyEvent('sealed')).toMatchObject({
      outcome: 'PAYLOAD_KEY_MISSING',
      verdict: { kind: 'later', delayMs: 30_000 },
    });
    expect(await eventRows(test.database)).toMatchObject([{ state: 'received' }]);
  });
});
