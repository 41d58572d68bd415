// Sealed payloads on their whole way: bound to their record in journal, queue and tables, and readable through a
// change of keys.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { openJournal } from '../../src/journal/journal.ts';
import { readKeyRing, type KeyRing } from '../../src/sealing/key-ring.ts';
import { open, rawRecord } from '../../src/sealing/seal.ts';
import type { Database } from '../../src/store/database.ts';
import { findMissingKeys, recordSealingKey } from '../../src/store/payload-key-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { entityId } from '../support/sync-records.ts';
import { createWorkerParts, eventRows } from '../support/worker-parts.ts';

const newKey = () => randomBytes(32).toString('base64');
const [formerKey, latterKey] = [newKey(), newKey()];
const ringOf = (keysBase64: readonly string[], sealing: 'on' | 'off' = 'on'): KeyRing => {
  const ring = readKeyRing({ keysBase64, sealing });
  if (ring === null) throw new Error('there are keys');
  return ring;
};
const nobody = generateCustomers({ seed: 'nobody', entities: 0 });
const former = ringOf([formerKey]);
const rotated = ringOf([latterKey, formerKey]);

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
});
afterEach(() => test.drop());

async function bodyOf(eventKey: string): Promise<Uint8Array> {
  const row = (await eventRows(database)).find((event) => event.event_key === eventKey);
  return row?.body ?? new Uint8Array();
}

async function setBody(eventKey: string, body: Uint8Array): Promise<void> {
  await database.db.updateTable('webhook_events').set({ body }).where('event_key', '=', eventKey).execute();
}

function keyIdOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(1, 9)).toString('hex');
}

function opens(...[keyRing, record, sealed]: Parameters<typeof open>): boolean {
  try {
    open(keyRing, record, sealed);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'PAYLOAD_UNREADABLE') return false;
    throw error;
  }
}

/** What a receiver journals under one ring, as the job its forwarder makes of it. */
async function journaled(keyRing: KeyRing, bodies: readonly Uint8Array[]) {
  const dir = await mkdtemp(path.join(tmpdir(), 'sealing-'));
  const journal = await openJournal({ dir, keyRing, limitBytes: 100_000_000 });
  try {
    const receivedAt = new Date().toISOString();
    for (const body of bodies) await journal.append({ body, receivedAt, proof: 'signature' });
    const batch = await journal.cutBatch();
    if (batch === null) throw new Error('there are deliveries');
    return batch;
  } finally {
    await journal.close({ timeoutMs: 5_000 });
    await rm(dir, { recursive: true });
  }
}

describe('a body', () => {
  it('sealed by the journal before a rotation is stored and applied after it, sealed again with the new key', async () => {
    const batch = await journaled(former, [entityBody({ eventId: 'rotated' })]);
    const worker = createWorkerParts(database, { keyRing: rotated });
    expect(await worker.take(batch)).toMatchObject({ outcome: 'stored' });
    expect(keyIdOf(await bodyOf('rotated'))).toBe(rotated.sealingKeyId);
    expect(await worker.applyEvent('rotated')).toMatchObject({ outcome: 'processed' });
  });

  it('sealed in Postgres before a rotation is applied after it', async () => {
    await createWorkerParts(database, { keyRing: former }).intake(
      [{ body: entityBody({ eventId: 'stored' }) }],
      {
        keyRing: former,
      },
    );
    const worker = createWorkerParts(database, { keyRing: rotated });
    expect(await worker.applyEvent('stored')).toMatchObject({ outcome: 'processed' });
  });

  it('sealed before PAYLOAD_SEALING=off still opens, and what comes from then on is not sealed', async () => {
    const batch = await journaled(former, [entityBody({ eventId: 'before' })]);
    await createWorkerParts(database, { keyRing: former }).intake(
      [{ body: entityBody({ eventId: 'kept' }) }],
      {
        keyRing: former,
      },
    );
    const worker = createWorkerParts(database, { keyRing: ringOf([formerKey], 'off') });
    expect(await worker.take(batch)).toMatchObject({ outcome: 'stored' });
    expect((await bodyOf('before'))[0]).toBe(0);
    for (const key of ['before', 'kept']) {
      expect(await worker.applyEvent(key)).toMatchObject({ outcome: 'processed' });
    }
  });

  it('moved to another delivery of the batch is set aside, as is one with a flipped bit', async () => {
    const bodies = ['one', 'two', 'three'].map((eventId) => entityBody({ eventId }));
    const { deliveries, ...batch } = await journaled(former, bodies);
    const [one, two, three] = deliveries;
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    const flipped = Uint8Array.from(three.sealed, (byte, at) => (at === 40 ? byte ^ 1 : byte));
    const swapped = [
      { ...one, sealed: two.sealed },
      { ...two, sealed: one.sealed },
      { ...three, sealed: flipped },
    ];
    const worker = createWorkerParts(database, { keyRing: former });
    expect(await worker.take({ ...batch, deliveries: swapped })).toMatchObject({
      outcome: 'stored',
      events: 0,
    });
    expect(new Set((await eventRows(database)).map((row) => row.failure_code))).toEqual(
      new Set(['PAYLOAD_UNREADABLE']),
    );
  });

  it('moved to another event, or with a flipped bit, is never applied', async () => {
    const worker = createWorkerParts(database);
    await worker.intake(['one', 'two', 'three'].map((eventId) => ({ body: entityBody({ eventId }) })));
    const [one, two, three] = [await bodyOf('one'), await bodyOf('two'), await bodyOf('three')];
    await setBody('one', two);
    await setBody('two', one);
    await setBody(
      'three',
      Uint8Array.from(three, (byte, at) => (at === three.length - 1 ? byte ^ 128 : byte)),
    );
    for (const key of ['one', 'two', 'three']) {
      expect(await worker.applyEvent(key)).toMatchObject({ outcome: 'PAYLOAD_UNREADABLE' });
    }
    expect(await database.db.selectFrom('entities').selectAll().execute()).toEqual([]);
  });
});

describe("Lean's text of an item", () => {
  it('opens for its own row and for no other row of any table', async () => {
    const parts = partsOfTwoAccounts(database, { keyRing: former });
    await parts.request();
    await parts.drain();
    const { db } = database;
    const accounts = await db.selectFrom('accounts').select(['account_id', 'raw']).execute();
    const balances = await db.selectFrom('balances').selectAll().execute();
    const transactions = await db.selectFrom('transactions').selectAll().execute();
    const sealed = [
      ...accounts.map((row) => ({ raw: row.raw, record: rawRecord('accounts', [entityId, row.account_id]) })),
      ...balances.map((row) => ({
        raw: row.raw,
        record: rawRecord('balances', [
          entityId,
          row.account_id,
          row.balance_type,
          row.currency,
          row.reported_at.toISOString(),
        ]),
      })),
      ...transactions.map((row) => ({
        raw: row.raw,
        record: rawRecord('transactions', [entityId, row.account_id, row.transaction_id]),
      })),
    ];
    expect(sealed).toHaveLength(2 + 2 + 6);
    for (const { raw, record } of sealed) {
      for (const other of sealed) {
        expect(opens(former, other.record, raw)).toBe(other.record === record);
      }
    }
  });
});

async function withOpenEvent(keyRing: KeyRing): Promise<void> {
  await recordSealingKey(database, keyRing);
  await createWorkerParts(database, { keyRing }).intake([{ body: entityBody({}) }], { keyRing });
}

describe('the keys a start needs', () => {
  it('are named by their ids when events wait for one that is missing', async () => {
    await withOpenEvent(former);
    const stranger = ringOf([newKey()]);
    for (const ring of [null, stranger]) {
      expect(await findMissingKeys(database, ring)).toEqual({ needed: [former.sealingKeyId], unused: [] });
    }
    expect(await findMissingKeys(database, rotated)).toEqual({ needed: [], unused: [] });
    expect(await findMissingKeys(database, ringOf([formerKey], 'off'))).toEqual({ needed: [], unused: [] });
  });

  it('do not hold up a start once nothing waits for them', async () => {
    await recordSealingKey(database, former);
    expect(await findMissingKeys(database, ringOf([latterKey]))).toEqual({
      needed: [],
      unused: [former.sealingKeyId],
    });
  });

  it('are not taken from damage: an event that names a key nobody has used keeps no worker from starting', async () => {
    await withOpenEvent(former);
    const damaged = Buffer.concat([Buffer.of(1), randomBytes(60)]);
    await database.db.updateTable('webhook_events').set({ body: damaged }).execute();
    expect(await findMissingKeys(database, former)).toEqual({ needed: [], unused: [] });
  });
});

describe('the start of a worker', () => {
  it('is refused, naming the key, while events wait for one that PAYLOAD_KEYS lacks, and works with it', async () => {
    const world = await createWorkerWorld({ customers: nobody, env: { PAYLOAD_KEYS: latterKey } });
    try {
      const stored = world.test.database;
      await recordSealingKey(stored, former);
      const worker = createWorkerParts(stored, { keyRing: former });
      await worker.intake([{ body: entityBody({ eventId: 'waits' }) }], { keyRing: former });
      await expect(world.start()).rejects.toMatchObject({
        code: 'PAYLOAD_KEY_MISSING',
        message: expect.stringContaining(former.sealingKeyId ?? 'its id'),
      });
      await createWorkerParts(stored, { keyRing: former }).applyEvent('waits');
      await world.start();
      const warned = world.lines
        .filter(({ event }) => event === 'config_warning')
        .map(({ fields }) => fields);
      const problem = expect.stringContaining(former.sealingKeyId ?? 'its id');
      expect(warned).toContainEqual(expect.objectContaining({ variable: 'PAYLOAD_KEYS', problem }));
      const known = await stored.db.selectFrom('payload_keys').select('key_id').execute();
      expect(known.map((row) => row.key_id)).toContain(rotated.sealingKeyId);
    } finally {
      await world.close();
    }
  });
});
