// VERIFY=certificate alone: Lean's certificate proves the sender and not that an event is meant for us. A second application
// that registered our address reaches us with the very same certificate, and nothing of its customers may be written.
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startReceiver, type RunningReceiver } from '../../src/receiver/start-receiver.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/lean-sender.ts';
import { fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';
import { createWorkerWorld, type WorkerWorld } from '../support/running-worker.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { eventRows } from '../support/worker-parts.ts';

const ours = generateCustomers({ seed: 'ours', entities: 2, accounts: 2, transactions: 20 });
const strangers = generateCustomers({ seed: 'second application', entities: 3 });
const eventsOf = (customers: typeof ours, seed: string) =>
  planDeliveries({ customers, count: 24, duplicateRate: 0.25, seed });
const timeoutMs = 60_000;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part.close();
});

/** With Lean's certificate and no signature, as Lean delivers to whoever has registered the address. */
async function deliver(receiver: RunningReceiver, { pki }: ReceiverSettings, bodies: readonly string[]) {
  const { origin, pathname } = new URL(receiver.url);
  const { secret: _unsigned, ...sending } = fromLean({ url: origin }, pki, { path: pathname });
  for (const body of bodies) expect(await send({ ...sending, body })).toMatchObject({ status: 200 });
}

/** The tables of customers' data and of what is to be done, with how many rows each has; empty ones left out. */
async function filledTables({ test }: WorkerWorld): Promise<Record<string, number>> {
  const names = await sql<{ name: string }>`
    select distinct table_name as name from information_schema.columns
    where table_schema = ${test.schema} and column_name in ('entity_id', 'customer_id', 'sync_id')
      and table_name in (select table_name from information_schema.tables
        where table_schema = ${test.schema} and table_type = 'BASE TABLE')
  `.execute(test.database.db);
  const filled: Record<string, number> = {};
  for (const { name } of names.rows) {
    const counted = await sql<{ rows: number }>`
      select count(*)::int as rows from ${sql.table(`${test.schema}.${name}`)}
    `.execute(test.database.db);
    const rows = counted.rows[0]?.rows ?? 0;
    if (rows > 0) filled[name] = rows;
  }
  return filled;
}

it(
  "a second application's events by Lean's own certificate are ignored and write nothing; our own go on",
  async () => {
    const world = await createWorkerWorld({ customers: ours });
    open.push(world);
    await world.start();
    const { REDIS_URL = '', QUEUE_PREFIX = '', PAYLOAD_KEYS = '' } = world.env;
    const settings = await receiverSettings({
      VERIFY: 'certificate',
      REDIS_URL,
      QUEUE_PREFIX,
      PAYLOAD_KEYS,
      REDIS_DEADLINE_MS: '2000',
    });
    open.push({ close: () => settings.remove() });
    const config = loadConfig('receiver', settings.env);
    expect(config.warnings).toMatchObject([{ code: 'ADDRESSEE_UNPROVEN' }]);
    const metrics = createMetrics({ processMetrics: false });
    const readiness = createReadiness();
    const receiver = await startReceiver({ config, logger: silentLogger, metrics, readiness });
    open.push({ close: () => receiver.close({ delayMs: 0 }) });

    const foreign = eventsOf(strangers, 'second application');
    await deliver(
      receiver,
      settings,
      foreign.map(({ body }) => body),
    );
    const { database } = world.test;
    const foreignIds = [...new Set(foreign.map(({ eventId }) => eventId))].toSorted();
    await eventually(
      async () => {
        const rows = await eventRows(database);
        expect(rows.map(({ event_key }) => event_key).toSorted()).toEqual(foreignIds);
        expect(rows.filter(({ state }) => state !== 'ignored')).toEqual([]);
      },
      { timeoutMs },
    );
    const rows = await eventRows(database);
    const aboutEntities = rows.filter(({ entity_id: entityId }) => entityId !== null);
    expect(aboutEntities.length).toBeGreaterThanOrEqual(12);
    for (const row of aboutEntities)
      expect(row).toMatchObject({ proof: 'certificate', failure_code: 'ENTITY_NOT_OURS' });
    // Lean was asked about every one of the entities, with our token, and said 404; beside the sweeps over what is ours
    // and over the banks it was asked for nothing else.
    const sweeps = new Set(['/events/v1', '/customers/v1/entities', '/banks/v1']);
    const asked = world.lean.calls.filter(({ path }) => !sweeps.has(path));
    expect(new Set(asked.map(({ httpStatus }) => httpStatus))).toEqual(new Set([404]));
    expect(new Set(asked.map(({ path }) => path))).toEqual(
      new Set(
        strangers.entities.map(
          ({ customerId, entityId }) => `/customers/v1/${customerId}/entities/${entityId}`,
        ),
      ),
    );
    expect(await filledTables(world)).toEqual({ webhook_events: foreignIds.length });

    await deliver(
      receiver,
      settings,
      eventsOf(ours, 'ours').map(({ body }) => body),
    );
    const expected = expectedTables(ours);
    await eventually(async () => expect(await world.tables()).toEqual(expected), { timeoutMs });
    const entityIds = new Set(strangers.entities.map(({ entityId }) => entityId));
    const concluded = (await eventRows(database)).filter(({ entity_id: id }) => entityIds.has(id ?? ''));
    expect(new Set(concluded.map(({ state }) => state))).toEqual(new Set(['ignored']));
  },
  2 * timeoutMs,
);
