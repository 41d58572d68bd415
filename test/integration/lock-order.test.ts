// Events and sweeps that write the same rows at the same moment wait for each other and never in a circle: what belongs
// to an entity is behind its lock, and a list's own row comes before what the list brings.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { normalizeBank } from '../../src/lean/normalize-bank.ts';
import { normalizeConsent } from '../../src/lean/normalize-consent.ts';
import { wireBankSchema } from '../../src/lean/wire-bank.ts';
import { wireConsentSchema } from '../../src/lean/wire-consent.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { TablesTransaction } from '../../src/store/database.ts';
import { lockEntity } from '../../src/store/entity-lock.ts';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import { engines, openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, webhookBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { createWorkerParts, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

const [entityId, customerId] = ['entity-1', 'customer-1'];
const order = { ns: 1n, key: 'reply:other', source: 'reply' } as const;

/** One transaction takes `first`; when `other` waits for it, it goes on with `next`. */
async function meet(steps: {
  first: (transaction: TablesTransaction) => Promise<unknown>;
  other: () => Promise<unknown>;
  next: (transaction: TablesTransaction) => Promise<unknown>;
}): Promise<void> {
  let other: Promise<unknown> | undefined;
  await test.database.transaction(async (transaction) => {
    await steps.first(transaction);
    const { rows: own } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
    other = steps.other();
    // Whether it fails is looked at below; until then nobody else may report it.
    other.catch(() => undefined);
    await eventually(async () => {
      const { rows } = await sql`
        select from pg_stat_activity where ${own[0]?.pid} = any(pg_blocking_pids(pid))
      `.execute(test.database.db);
      expect(rows).toHaveLength(1);
    });
    await steps.next(transaction);
  });
  await other;
}

const needsTwo = () => engines.kind.postgres === 'embedded';

async function apply(body: Uint8Array) {
  const before = worker.eventJobs.length;
  await worker.intake([{ body }]);
  return worker.applyEvent(worker.eventJobs[before]?.data.eventKey ?? '');
}

const connect = () => apply(entityBody({ entityId, customerId }));
const done = { outcome: 'processed' };

it('an undated event of a bank takes the list of banks before the bank', async (context) => {
  context.skip(needsTwo(), 'needs two connections');
  await createSweepParts(test.database).begin();
  const payload = { identifier: 'BANK', availability: { active: { data: false } } };
  const bank = normalizeBank({ wire: wireBankSchema.parse(payload), raw: '{}' });
  const body = webhookBody({ type: 'bank.availability.updated', payload, timestamp: null });
  await meet({
    first: (inside) =>
      inside.selectFrom('sweep_progress').selectAll().where('sweep', '=', 'banks').forUpdate().execute(),
    other: async () => expect(await apply(body)).toMatchObject(done),
    next: (inside) =>
      upsertBanks(test.database, inside, { banks: [bank], order, source: 'item', keyRing: null }),
  });
});

it.for(['entity.created', 'entity.reconnected'])(
  '%s of an entity that nobody knew waits for who else is about to write it',
  async (type, context) => {
    context.skip(needsTwo(), 'needs two connections');
    const body = entityBody({ entityId, customerId, type });
    await meet({
      first: (inside) => lockEntity(test.database, inside, entityId),
      other: async () => expect(await apply(body)).toMatchObject(done),
      next: (inside) => applyEntityFacts(test.database, inside, { facts: { entityId, customerId }, order }),
    });
  },
);

it('an event of a consent takes the entity before the consent', async (context) => {
  context.skip(needsTwo(), 'needs two connections');
  await connect();
  const payload = { id: 'consent-1', entity_id: entityId, customer_id: customerId, status: 'REVOKED' };
  const consent = normalizeConsent({ wire: wireConsentSchema.parse(payload), raw: '{}' });
  const body = webhookBody({ type: 'consent.status.updated', payload });
  const report = { entityId, customerId, consents: [consent], order, source: 'item', keyRing: null } as const;
  await meet({
    first: (inside) => lockEntity(test.database, inside, entityId),
    other: async () => expect(await apply(body)).toMatchObject(done),
    next: (inside) => upsertConsents(test.database, inside, report),
  });
});

it('a list of entities judges each as it is when nobody else can write it', async (context) => {
  context.skip(needsTwo(), 'needs two connections');
  await connect();
  const parts = createSweepParts(test.database, { region: 'sa' });
  await parts.begin();
  const longAgo = '2026-01-01T00:00:00Z';
  const listed = { id: entityId, customer_id: customerId, permissions: {}, consents: [] };
  parts.lean.entities = [{ ...listed, created_at: longAgo, updated_at: longAgo, status: 'ACTIVE' }];
  const ended = { entityId, state: { state: 'ended', reason: 'LEAN_ENTITY_UNKNOWN' } } as const;
  await meet({
    first: (inside) => lockEntity(test.database, inside, entityId),
    other: () => parts.round(),
    next: (inside) =>
      applyEntityFacts(test.database, inside, {
        facts: ended,
        order: { ...order, ns: BigInt(Date.now()) * 1_000_000n - 60_000_000_000n },
      }),
  });
  const rows = await test.database.db.selectFrom('entities').select('state').execute();
  expect(rows).toEqual([{ state: 'ended' }]);
});
