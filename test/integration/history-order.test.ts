// The law of histories: whatever the order in which a customer's webhooks come, however often, and whenever the sweeps
// look meanwhile, the entity, its consents, its bank and everything read of it end as the same rows.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { syncDataNames } from '../../src/core/sync-data.ts';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { simulatedBanks } from '../simulator/banks.ts';
import { renewConsent, revokeConsent } from '../simulator/consents.ts';
import { generateCustomers, refreshEntity, type SimulatedEntity } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { createRandom } from '../simulator/random.ts';
import { banksReply, entitiesByDateReply, refreshesReply } from '../simulator/reply-bodies.ts';
import {
  bankAvailability,
  consentStatusUpdated,
  entityCreated,
  entityUpdated,
  refreshUpdated,
  type WebhookEvent,
} from '../simulator/webhook-bodies.ts';
import { readComparableTables, type ComparableTables } from '../support/comparable-tables.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { testPki } from '../support/pki.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { clearSyncTables, createSyncParts } from '../support/sync-parts.ts';
import { createWorkerParts, testKeyRing } from '../support/worker-parts.ts';

const timeoutMs = 300_000;
const hourMs = 3_600_000;

let opened: TestDatabase;
let server: LeanServer;
let client: LeanClient;
const customers = generateCustomers({
  seed: 'history',
  entities: 1,
  accounts: 1,
  transactions: 12,
  region: 'sa',
  at: new Date(Date.now() - 10 * hourMs).toISOString(),
});
const history = customers.entities.flatMap(liveThrough);

beforeAll(async () => {
  opened = await openTestDatabase();
  const pki = await testPki();
  const appToken = 'app-token';
  server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  const { certPem, keyPem } = pki.application;
  client = createLeanClient({
    apiUrl: server.url,
    appToken,
    material: { certPem, keyPem, caPem: pki.leanChainPem },
  });
});
afterAll(async () => {
  await client.close();
  await server.close();
  await opened.drop();
});

/** Connected, corrected, read; its bank away and back; taken back, given anew, read again. */
function liveThrough(entity: SimulatedEntity): WebhookEvent[] {
  const random = createRandom('history/events');
  const startMs = Date.parse(entity.createdAt);
  let hours = 0;
  const next = () => {
    hours += 0.5;
    const timestamp = new Date(startMs + hours * hourMs).toISOString().replace('Z', `${random.digits(6)}Z`);
    return { eventId: random.uuid(), timestamp };
  };
  const identifier = entity.bank.identifier;
  const read = () => {
    const refreshId = entity.refreshes[0]?.refreshId ?? '';
    return ['PENDING', 'FINISHED'].map((status) => refreshUpdated(entity, { ...next(), refreshId, status }));
  };
  const events = [
    entityCreated(entity, { ...next(), permissions: ['accounts'] }),
    consentStatusUpdated(entity, { ...next(), status: 'ACTIVE' }),
    ...read(),
    entityUpdated(entity, next()),
    bankAvailability({ ...next(), identifier, data: false }),
    bankAvailability({ ...next(), identifier, data: true }),
  ];
  revokeConsent(entity, { at: next().timestamp });
  events.push(entityUpdated(entity, next()), consentStatusUpdated(entity, { ...next(), status: 'REVOKED' }));
  renewConsent(entity, { at: next().timestamp, random });
  events.push(consentStatusUpdated(entity, { ...next(), status: 'ACTIVE' }), entityUpdated(entity, next()));
  const { timestamp: at } = next();
  const updatedAt = new Date(at).toISOString();
  entity.refreshes.unshift({ refreshId: random.uuid(), status: 'FINISHED', createdAt: updatedAt, updatedAt });
  refreshEntity(entity, { at: updatedAt });
  return [...events, ...read()];
}

type Happening = WebhookEvent | 'sweep' | 'work';

async function rowsAfter(happenings: readonly Happening[]): Promise<ComparableTables> {
  const { database } = opened;
  await clearSyncTables(database);
  for (const table of ['webhook_events', 'consents', 'banks', 'sweep_progress'] as const) {
    await database.db.deleteFrom(table).execute();
  }
  const worker = createWorkerParts(database);
  const sweeps = createSweepParts(database, { region: 'sa' });
  const callLean = createCallLean({ client, transactionHistoryDays: undefined });
  const sync = createSyncParts(database, { callLean, keyRing: testKeyRing, syncData: syncDataNames });
  sweeps.lean.entities = listOf(entitiesByDateReply(customers.entities, { page: 0, size: 100 }), 'data');
  sweeps.lean.banks = JSON.parse(banksReply(simulatedBanks));
  for (const entity of customers.entities) {
    sweeps.lean.refreshes.set(
      entity.entityId,
      listOf(refreshesReply(entity, { page: 0, size: 100 }), 'content'),
    );
  }
  await sweeps.begin();

  async function happen(happening: Happening): Promise<void> {
    if (happening === 'work') {
      await sync.drain();
    } else if (happening === 'sweep') {
      await database.db
        .updateTable('sweep_progress')
        .set({ due_at: sql`now()` })
        .execute();
      await sweeps.round();
    } else {
      await worker.intake([{ body: Buffer.from(happening.body) }]);
      for (const { data } of worker.eventJobs.splice(0)) await worker.applyEvent(data.eventKey);
    }
    for (const job of [...worker.syncJobs.splice(0), ...sweeps.queue.values()]) {
      if (job.data.kind === 'step') sync.queue.set(job.id, { ...job, data: job.data, delayMs: 0 });
    }
    sweeps.queue.clear();
  }
  for (const happening of happenings) await happen(happening);
  await sync.drain();
  return readComparableTables(database);
}

function listOf(text: string, member: string): unknown[] {
  const list: unknown = Object(JSON.parse(text))[member];
  return Array.isArray(list) ? list : [];
}

/** All webhooks and one sweep in any order, with repeats, further sweeps and work on syncs anywhere between. */
const needed: readonly Happening[] = [...history, 'sweep'];
const anyOrder = fc
  .tuple(
    fc.shuffledSubarray([...needed], { minLength: needed.length, maxLength: needed.length }),
    fc.array(fc.tuple(fc.constantFrom(...history, 'sweep' as const, 'work' as const), fc.nat()), {
      maxLength: 8,
    }),
    // Else what is read of Lean at the end hides what came before.
    fc.boolean(),
  )
  .map(([order, more, worksAtOnce]) => {
    const happenings = order.slice();
    for (const [happening, place] of more) happenings.splice(place % (happenings.length + 1), 0, happening);
    return worksAtOnce ? happenings.flatMap((happening) => [happening, 'work' as const]) : happenings;
  });

it('any order of a history, some of it twice, ends as the same rows', { timeout: timeoutMs }, async () => {
  const inOrder = await rowsAfter(needed);
  expect(inOrder['entities']).toMatchObject([{ state: 'active', state_reason: null }]);
  expect(inOrder['consents']).toHaveLength(2);
  expect(inOrder['transactions']?.length).toBeGreaterThan(12);
  expect(inOrder['standing_orders']?.length).toBeGreaterThan(0);
  // A failure names its seed.
  await fc.assert(
    fc.asyncProperty(anyOrder, async (happenings) => {
      expect(await rowsAfter(happenings)).toEqual(inOrder);
    }),
    { numRuns: 8 },
  );
});
