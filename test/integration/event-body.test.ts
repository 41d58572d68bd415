// An application that handles events itself reads their bodies by a function, and nothing else of them: who may call it,
// whose bodies it gives, and how they open.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eraseCustomer } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { retentionTasks } from '../../src/store/retention-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, webhookBody } from '../support/event-bodies.ts';
import { importReadmeExample } from '../support/readme-examples.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
const roles = { payments: '', other: '' };
beforeAll(async () => {
  test = await openTestDatabase();
  const { database, schema } = test;
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  for (const name of ['payments', 'other'] as const) {
    roles[name] = `${name}_${schema}`;
    await sql`create role ${sql.id(roles[name])}`.execute(database.db);
    await sql`grant usage on schema ${sql.id(schema)} to ${sql.id(roles[name])}`.execute(database.db);
  }
  const granted = sql`grant execute on function ${sql.id(schema, 'event_body')}(text)`;
  await sql`${granted} to ${sql.id(roles.payments)}`.execute(database.db);
});
afterAll(async () => {
  for (const role of Object.values(roles)) {
    await sql`drop owned by ${sql.id(role)}`.execute(test.database.db);
    await sql`drop role ${sql.id(role)}`.execute(test.database.db);
  }
  await test.drop();
});

/** What the function gives to a role. */
async function bodyFor(role: string, eventKey: string): Promise<Buffer | null> {
  const { database, schema } = test;
  return database.transaction(async (transaction) => {
    await sql`set local role ${sql.id(role)}`.execute(transaction);
    const { rows } = await sql<{ body: Uint8Array | null }>`
      select ${sql.id(schema, 'event_body')}(${eventKey}) as body
    `.execute(transaction);
    const body = rows[0]?.body ?? null;
    return body && Buffer.from(body);
  });
}

const payment = (eventId: string, customerId = 'customer') =>
  webhookBody({
    type: 'payment.updated',
    payload: { id: 'p', customer_id: customerId, amount: 1.1 },
    eventId,
  });

const openerModule = z.object({
  openBody: z.custom<(stored: Buffer, eventKey: string, keysBase64: readonly string[]) => Buffer>(
    (value) => typeof value === 'function',
  ),
});
/** As worker-parts.ts has it. */
const key = Buffer.alloc(32, 7).toString('base64');
/** The first word is of Node's own, about a tag. */
const noSuchBody = /unable to authenticate data|no key for sealed/;
const otherKey = Buffer.alloc(32, 8).toString('base64');

describe('event_body', () => {
  it('gives an announced body to who may call it, and to nobody else', async () => {
    await createWorkerParts(test.database).intake([{ body: payment('given') }]);
    expect(await bodyFor(roles.payments, 'given')).toBeInstanceOf(Buffer);
    await expect(bodyFor(roles.other, 'given')).rejects.toThrow(/permission denied for function/);
    await expect(
      test.database.transaction(async (transaction) => {
        await sql`set local role ${sql.id(roles.payments)}`.execute(transaction);
        await transaction.selectFrom('webhook_events').select('body').execute();
      }),
    ).rejects.toThrow(/permission denied for table/);
  });

  it('gives bytes that open as the README says, with the key, for their own event alone', async () => {
    const example = await importReadmeExample('open-body.ts', { schema: test.schema });
    const { openBody } = openerModule.parse(example);
    const body = payment('sealed');
    await createWorkerParts(test.database).intake([{ body }]);
    const stored = (await bodyFor(roles.payments, 'sealed')) ?? Buffer.alloc(0);
    expect(stored.includes('payment')).toBe(false);
    expect(openBody(stored, 'sealed', [otherKey, key])).toEqual(body);
    expect(() => openBody(stored, 'another', [key])).toThrow(noSuchBody);
    expect(() => openBody(stored, 'sealed', [otherKey])).toThrow('no key for sealed');
    for (const at of [0, 1, 9, 21, stored.length - 1]) {
      const altered = Buffer.from(stored);
      altered.writeUInt8(altered.readUInt8(at) ^ 1, at);
      expect(() => openBody(altered, 'sealed', [key])).toThrow(noSuchBody);
    }
    await createWorkerParts(test.database, { keyRing: null }).intake([{ body: payment('plain') }], {
      keyRing: null,
    });
    const plain = (await bodyFor(roles.payments, 'plain')) ?? Buffer.alloc(0);
    expect(openBody(plain, 'plain', [key])).toEqual(payment('plain'));
  });

  it('gives nothing of an event that is unknown, handled here, set aside, not announced, or back in work', async () => {
    const { db } = test.database;
    const worker = createWorkerParts(test.database);
    const unproven = webhookBody({
      type: 'payment.created',
      payload: { entity_id: 'theirs' },
      eventId: 'unproven',
    });
    await worker.intake([
      { body: entityBody({ eventId: 'handled' }) },
      { body: Buffer.from('{"payload":{}}') },
      { body: unproven, proof: 'certificate' },
      { body: payment('replayed') },
    ]);
    await worker.applyEvent('handled');
    const rows = await db.selectFrom('webhook_events').select(['event_key', 'state', 'body']).execute();
    const states = Object.fromEntries(rows.map(({ event_key, state }) => [event_key, state]));
    expect(states).toMatchObject({ handled: 'processed', unproven: 'ignored' });
    expect(Object.values(states)).toContain('quarantined');
    // Also where a sweep has announced it.
    const swept = { change: 'event.recorded', event_key: 'handled', details: '{}' };
    await db.insertInto('changes').values(swept).execute();
    await db
      .updateTable('webhook_events')
      .set({ state: 'received', concluded_at: null })
      .where('event_key', '=', 'replayed')
      .execute();
    const aside = rows.find(({ state }) => state === 'quarantined')?.event_key ?? '';
    for (const eventKey of ['never', 'handled', aside, 'unproven', 'replayed'])
      expect({ eventKey, body: await bodyFor(roles.payments, eventKey) }).toEqual({ eventKey, body: null });
  });

  it('gives nothing once its days are over or its customer was erased', async () => {
    const { database } = test;
    await createWorkerParts(database).intake([{ body: payment('old') }, { body: payment('erased', 'gone') }]);
    expect(await bodyFor(roles.payments, 'erased')).not.toBeNull();
    await eraseCustomer(database, { customerId: 'gone', now: new Date() });
    expect(await bodyFor(roles.payments, 'erased')).toBeNull();
    await database.db
      .updateTable('webhook_events')
      .set({ concluded_at: sql<string>`now() - interval '8 days'` })
      .where('event_key', '=', 'old')
      .execute();
    const keepDays = { bodies: 7, quarantine: 30, eventKeys: 120, changes: 30 };
    for (const { run } of retentionTasks(database, { keepDays, limit: 10 })) await run();
    expect(await bodyFor(roles.payments, 'old')).toBeNull();
  });
});
