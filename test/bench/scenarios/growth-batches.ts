// How many rows a statement should take: each batch of the service at three or four sizes, in turns, on a Postgres that
// waits for its disk. Says what was measured; which size is right stands beside the constant.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { openDatabase, postgresDialect, type Database } from '../../../src/store/database.ts';
import { publishChanges } from '../../../src/store/change-store.ts';
import { storeBatch } from '../../../src/store/intake-store.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { retentionTasks } from '../../../src/store/retention-store.ts';
import { upsertTransactions } from '../../../src/store/transaction-store.ts';
import { readDelivery } from '../../../src/worker/intake-job.ts';
import { findPostgresFolder } from '../../support/engines-binaries.ts';
import { createEngineProcesses } from '../../support/engines-processes.ts';
import { webhookBody } from '../../support/event-bodies.ts';
import { transaction } from '../../support/sync-records.ts';
import { testKeyRing } from '../../support/worker-parts.ts';
import { interleave, ratios } from '../rounds.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';

/** As a Postgres in production: a commit is on the disk. */
const durable = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on', 'max_wal_size=4GB'];

export const growthBatches: Scenario = {
  name: 'growth-batches',
  title: 'Rows per statement',
  async run(context) {
    if (findPostgresFolder() === undefined) {
      context.say('left out: Postgres is not on this machine');
      return { figures: [], ratios: [] };
    }
    const processes = createEngineProcesses();
    try {
      const { url } = await processes.startPostgres({ args: durable });
      const dialect = postgresDialect({
        url,
        poolSize: 8,
        applicationName: 'bench',
        onIdleError: () => undefined,
      });
      const database = openDatabase({ schema: 'lean', dialect });
      try {
        await migrate(database);
        return await measureAll(database, context);
      } finally {
        await database.close();
      }
    } finally {
      await processes.close();
    }
  },
};

interface Batches {
  readonly subject: string;
  /** The one in force is among them. */
  readonly sizes: readonly number[];
  readonly inForce: number;
  /** Rows of a round, a multiple of every size. */
  readonly rows: number;
  readonly prepare?: (database: Database, rows: number) => Promise<unknown>;
  readonly run: (
    database: Database,
    work: { readonly size: number; readonly rows: number },
  ) => Promise<unknown>;
}

async function measureAll(database: Database, { quick, rounds }: BenchContext): Promise<ScenarioResult> {
  const results: ScenarioResult[] = [];
  for (const batches of allBatches) {
    results.push(await measure(database, batches, { rounds, share: quick ? 4 : 1 }));
  }
  return {
    figures: results.flatMap((result) => result.figures),
    ratios: results.flatMap((result) => result.ratios),
  };
}

async function measure(
  database: Database,
  { subject, sizes, inForce, rows: wholeRows, prepare, run }: Batches,
  { rounds, share }: { readonly rounds: number; readonly share: number },
): Promise<ScenarioResult> {
  const rows = wholeRows / share;
  const measured = await interleave({
    rounds,
    subjects: sizes.map((size) => ({ name: String(size), size })),
    async measure({ size }) {
      await prepare?.(database, rows);
      const startedAt = performance.now();
      await run(database, { size, rows });
      return (rows * 1_000) / (performance.now() - startedAt);
    },
  });
  const usual = measured.get(String(inForce)) ?? [];
  const others = [...measured].filter(([size]) => size !== String(inForce));
  return {
    figures: [...measured].map(([size, perSecond]) => ({
      subject,
      what: `${size} at a time${size === String(inForce) ? ' (in force)' : ''}`,
      unit: 'rows/s',
      rounds: perSecond,
    })),
    ratios: others.map(([size, perSecond]) => ({
      what: `${subject}: ${size} at a time / ${inForce}`,
      target: null,
      rounds: ratios(perSecond, usual),
    })),
  };
}

const intakeRows = 4_096;
const intakeInFlight = 4;
const deliveries = Array.from({ length: intakeRows }, (_, index) =>
  readDelivery(
    { receivedAt: new Date().toISOString(), proof: 'signature' },
    webhookBody({
      type: 'entity.data.refresh.updated',
      payload: { entity_id: randomUUID(), customer_id: randomUUID(), index, note: 'x'.repeat(600) },
      timestamp: new Date().toISOString(),
    }),
  ),
);

const pageRows = 2_000;
const payments = Array.from({ length: pageRows }, (_, index) => ({
  ...transaction(`payment-${index}`),
  raw: JSON.stringify({ transaction_id: `payment-${index}`, note: 'x'.repeat(500) }),
}));

const allBatches: readonly Batches[] = [
  {
    subject: 'events of a batch',
    sizes: [16, 64, 256, 1_024],
    inForce: 256,
    rows: intakeRows,
    prepare: (database) => empty(database, ['webhook_events', 'intake_batches']),
    run: storeDeliveries,
  },
  {
    subject: 'transactions of a page',
    sizes: [20, 50, 100, 500],
    inForce: 100,
    rows: pageRows,
    prepare: (database) => empty(database, ['transactions']),
    run: storePages,
  },
  {
    subject: 'changes numbered at once',
    sizes: [100, 500, 1_000, 5_000],
    inForce: 1_000,
    rows: 20_000,
    prepare: addChanges,
    run: publishAll,
  },
  {
    subject: 'bodies emptied at once',
    sizes: [250, 1_000, 4_000],
    inForce: 1_000,
    rows: 16_000,
    prepare: addDueEvents,
    run: emptyAll,
  },
];

async function empty(database: Database, tables: readonly string[]): Promise<void> {
  const names = sql.join(tables.map((name) => database.table(name)));
  await sql`truncate ${names} cascade`.execute(database.db);
  // Else a checkpoint of one size's writes falls into another's time.
  await sql`checkpoint`.execute(database.db);
}

interface Work {
  readonly size: number;
  readonly rows: number;
}

/** As many batches at a time as fit into a pool beside other work. */
async function storeDeliveries(database: Database, { size, rows }: Work): Promise<void> {
  const starts = Array.from({ length: Math.ceil(rows / size) }, (_, batch) => batch * size).values();
  const store = async () => {
    for (const start of starts) {
      const batch = deliveries.slice(start, Math.min(start + size, rows));
      await storeBatch(database, { jobId: `in_${start}`, deliveries: batch, keyRing: testKeyRing });
    }
  };
  await Promise.all(Array.from({ length: intakeInFlight }, store));
}

async function storePages(database: Database, { size, rows }: Work): Promise<void> {
  const list = { entityId: 'e', accountId: 'a', customerId: 'c', syncId: 's', eventKey: null };
  for (let start = 0; start < rows; start += size) {
    const transactions = payments.slice(start, Math.min(start + size, rows));
    const page = { ...list, refreshedAt: null, keyRing: testKeyRing, transactions };
    await database.transaction((inside) => upsertTransactions(database, inside, page));
  }
}

async function addChanges(database: Database, rows: number): Promise<void> {
  await empty(database, ['changes']);
  await sql`
    insert into ${database.table('changes')} (change, entity_id, customer_id, details)
    select 'transactions.updated', 'entity-' || number % 1000, 'customer-' || number % 1000, '{"inserted": 1}'
    from generate_series(1, ${rows}::int) as number
  `.execute(database.db);
  // As autovacuum would: it is the size that is measured here, and not what Postgres makes of statistics that are old.
  await sql`vacuum analyze ${database.table('changes')}`.execute(database.db);
}

async function publishAll(database: Database, { size }: Work): Promise<void> {
  while ((await publishChanges(database, { limit: size })) === size);
}

async function addDueEvents(database: Database, rows: number): Promise<void> {
  await empty(database, ['webhook_events']);
  await sql`
    insert into ${database.table('webhook_events')}
      (event_key, received_at, concluded_at, proof, state, body, body_sha256)
    select md5(number::text)::uuid::text, at, at, 'signature', 'processed',
      convert_to(repeat(md5(number::text), 30), 'UTF8'), md5(number::text)
    from (
      select number, now() - interval '8 days' - make_interval(secs => number) as at
      from generate_series(1, ${rows}::int) as number
    ) as made
  `.execute(database.db);
  await sql`vacuum analyze ${database.table('webhook_events')}`.execute(database.db);
}

async function emptyAll(database: Database, { size }: Work): Promise<void> {
  const keepDays = { bodies: 7, quarantine: 30, eventKeys: 120, changes: 30 };
  const [bodies] = retentionTasks(database, { keepDays, limit: size });
  while ((await bodies?.run()) === size);
}
