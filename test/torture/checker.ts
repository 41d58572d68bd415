// The verdict at the end, when everything is healed: Lean's side of the story against the tables. Knows nothing of how
// the service works inside.
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import {
  comparedTables,
  comparedTablesSql,
  expectedTables,
  type ExpectedRow,
} from '../simulator/expected-tables.ts';
import type { LoadReport } from './load.ts';
import type { Stage } from './stage.ts';

export interface Verdict {
  /** What must be nothing; each with an example. */
  readonly violations: readonly string[];
  /** From the end of the last fault until everything was concluded and every row was there. */
  readonly settledAfterMs: number;
}

const lookEveryMs = 500;

export async function check(options: {
  stage: Stage;
  customers: SimulatedCustomers;
  load: LoadReport;
  /** How long the service may take to catch up. */
  settleMs: number;
}): Promise<Verdict> {
  const { stage, customers, load, settleMs } = options;
  const startedMs = performance.now();
  let open = await whatIsOpen(stage, customers);
  while (open.length > 0 && performance.now() - startedMs < settleMs) {
    await delay(lookEveryMs);
    open = await whatIsOpen(stage, customers);
  }
  const settledAfterMs = performance.now() - startedMs;
  const effects = await judgeEffects(stage, load);
  return { violations: [...open, ...effects], settledAfterMs };
}

/** What is still to do or still missing: empty once the service has caught up with Lean. */
async function whatIsOpen(stage: Stage, customers: SimulatedCustomers): Promise<string[]> {
  const { database } = stage;
  const { rows } = await sql<{ what: string; count: string }>`
    select 'events not concluded' as what, count(*)::text as count
      from ${database.table('webhook_events')} where concluded_at is null
    union all select 'events failed or quarantined', count(*)::text
      from ${database.table('webhook_events')} where state in ('failed', 'quarantined')
    union all select 'syncs not closed', count(*)::text
      from ${database.table('sync_runs')} where state in ('waiting', 'running')
    union all select 'changes without a number', count(*)::text
      from ${database.table('changes')} where position is null`.execute(database.db);
  const open = rows.filter(({ count }) => count !== '0').map(({ what, count }) => `${what}: ${count}`);
  return [...open, ...(await journalsLeft(stage)), ...(await tableDifferences(stage, customers))];
}

async function tableDifferences({ database }: Stage, customers: SimulatedCustomers): Promise<string[]> {
  const expected = expectedTables(customers);
  const queries = comparedTablesSql(database.schema);
  const differences = await Promise.all(
    comparedTables.map(async (table) => {
      const { rows } = await sql.raw<ExpectedRow>(queries[table]).execute(database.db);
      if (isDeepStrictEqual(rows, expected[table])) return [];
      const index = expected[table].findIndex((row, at) => !isDeepStrictEqual(row, rows[at]));
      return [
        `${table}: ${rows.length} rows where Lean has ${expected[table].length}; first difference: ` +
          `${JSON.stringify(rows[index] ?? rows.at(-1))} for ${JSON.stringify(expected[table][index])}`,
      ];
    }),
  );
  return differences.flat();
}

async function journalsLeft({ receivers }: Stage): Promise<string[]> {
  const rows = await Promise.all(
    receivers.map(async ({ name, process }) => {
      const { opsUrl } = await process().line('listening');
      const metrics = await (await fetch(`${String(opsUrl)}/metrics`)).text();
      const value = /^lean_journal_rows (\d+)$/m.exec(metrics)?.[1];
      return value === '0' ? [] : [`${name} still holds ${value ?? 'an unknown number of'} deliveries`];
    }),
  );
  return rows.flat();
}

async function judgeEffects({ database }: Stage, load: LoadReport): Promise<string[]> {
  const { rows } = await sql<{ event_key: string; source: string }>`
    select event_key, source from ${database.table('webhook_events')}`.execute(database.db);
  const stored = new Set(rows.map(({ event_key: key }) => key));
  const lost = [...load.ackedIds].filter((id) => !stored.has(id));
  const forged = [...load.forgedIds].filter((id) => stored.has(id));
  const foreign = [...stored].filter((id) => !load.ackedIds.has(id) && !load.forgedIds.has(id));
  const { rows: doubled } = await sql<{ event_key: string }>`
    select event_key from ${database.table('changes')} where change = 'event.recorded'
    group by event_key having count(*) > 1`.execute(database.db);
  return [
    ...some('acknowledged and lost', lost),
    ...some('forged and stored', forged),
    ...some('stored and never sent', foreign),
    ...some(
      'told twice',
      doubled.map(({ event_key: key }) => key),
    ),
    ...(load.forgedAccepted > 0 ? [`forged and answered 200: ${load.forgedAccepted}`] : []),
  ];
}

function some(what: string, ids: readonly string[]): string[] {
  return ids.length === 0 ? [] : [`${what}: ${ids.length}, such as ${ids[0]}`];
}
