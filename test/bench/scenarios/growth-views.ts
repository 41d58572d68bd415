// What the application reads, from a small installation and from one with ten times its rows, in turns: whether it stays
// as fast as it grows, and by which index. Never through the service: rows are put there as they would be.
import { sql, type RawBuilder } from 'kysely';
import { openDatabase, postgresDialect, type Database } from '../../../src/store/database.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { findPostgresFolder } from '../../support/engines-binaries.ts';
import { createEngineProcesses } from '../../support/engines-processes.ts';
import {
  grownAccount,
  growTables,
  transactionsOfAccount,
  type GrownAccount,
} from '../../support/grown-tables.ts';
import { explain, wholeReads } from '../../support/statement-plans.ts';
import { interleave, median } from '../rounds.ts';
import type { BenchContext, Figure, Scenario, ScenarioResult } from '../scenario.ts';

const largest = 200_000;
const growth = 10;
const readsOfRound = { quick: 10, whole: 100 };
/** A statement costs more where the tree of its index is one page deeper, and its pages are less often in memory. */
const flat = { atMost: 1.5 };

export const growthViews: Scenario = {
  name: 'growth-views',
  title: 'The views at 20,000 and at 200,000 transactions',
  async run(context) {
    if (findPostgresFolder() === undefined) {
      context.say('left out: Postgres is not on this machine');
      return { figures: [], ratios: [] };
    }
    const processes = createEngineProcesses();
    try {
      const { url } = await processes.startPostgres({ args: ['shared_buffers=512MB', 'max_wal_size=4GB'] });
      return await compareSizes(context, url);
    } finally {
      await processes.close();
    }
  },
};

interface Size {
  readonly transactions: number;
  readonly database: Database;
  readonly accounts: number;
}

async function compareSizes(context: BenchContext, url: string): Promise<ScenarioResult> {
  const most = context.quick ? largest / 20 : largest;
  const small = await openSize(url, most / growth);
  const large = await openSize(url, most);
  try {
    context.say(`${small.transactions} and ${large.transactions} transactions are there`);
    for (const read of applicationReads) await refuseWholeReads(large, read);
    const reads = context.quick ? readsOfRound.quick : readsOfRound.whole;
    const measured = await interleave({
      rounds: context.rounds,
      subjects: applicationReads,
      measure: async (read) => ({
        small: await timeOf(small, read, reads),
        large: await timeOf(large, read, reads),
      }),
    });
    const figures = [...measured].flatMap(([subject, rounds]): Figure[] => [
      figureOf(
        subject,
        small,
        rounds.map((ms) => ms.small),
      ),
      figureOf(
        subject,
        large,
        rounds.map((ms) => ms.large),
      ),
    ]);
    const ratios = [...measured].map(([name, rounds]) => ({
      what: `${name}: ten times the rows`,
      target: flat,
      rounds: rounds.map((ms) => ms.large / ms.small),
    }));
    return { figures, ratios };
  } finally {
    await small.database.close();
    await large.database.close();
  }
}

function figureOf(subject: string, { transactions }: Size, rounds: readonly number[]): Figure {
  return { subject, what: `median, ${transactions} transactions`, unit: 'ms', rounds };
}

async function openSize(url: string, transactions: number): Promise<Size> {
  const dialect = postgresDialect({
    url,
    poolSize: 2,
    applicationName: 'bench',
    onIdleError: () => undefined,
    statementTimeoutMs: 600_000,
  });
  const database = openDatabase({ schema: `lean_${transactions}`, dialect });
  await migrate(database);
  return { transactions, database, accounts: await growTables(database, { transactions }) };
}

export interface ApplicationRead {
  readonly name: string;
  /** Of an account that is there; `position` is about the middle of the feed. */
  readonly statement: (database: Database, of: GrownAccount, position: number) => RawBuilder<unknown>;
}

/** As the README has the application read. */
export const applicationReads: readonly ApplicationRead[] = [
  {
    name: 'the last 100 booked payments of an account',
    statement: (database, { entityId, accountId }) => sql`
      select * from ${database.table('booked_transactions')}
      where entity_id = ${entityId} and account_id = ${accountId} order by booking_date desc limit 100`,
  },
  {
    name: 'one week of an account’s booked payments',
    statement: (database, { entityId, accountId }) => sql`
      select * from ${database.table('booked_transactions')}
      where entity_id = ${entityId} and account_id = ${accountId}
        and booking_date between current_date - 14 and current_date - 7`,
  },
  {
    name: 'the balances of an account',
    statement: (database, { entityId, accountId }) => sql`
      select * from ${database.table('current_balances')}
      where entity_id = ${entityId} and account_id = ${accountId}`,
  },
  {
    name: 'the balances of a connection',
    statement: (database, { entityId }) => sql`
      select * from ${database.table('current_balances')} where entity_id = ${entityId}`,
  },
  {
    name: 'the accounts of a connection',
    statement: (database, { entityId }) => sql`
      select * from ${database.table('account_overview')} where entity_id = ${entityId}`,
  },
  {
    name: 'the accounts of a customer',
    statement: (database, { customerId }) => sql`
      select * from ${database.table('account_overview')} where customer_id = ${customerId}`,
  },
  {
    name: 'the next 100 changes',
    statement: (database, _of, position) => sql`
      select * from ${database.table('change_feed')} where position > ${position} order by position limit 100`,
  },
  {
    name: 'whether a reader was away for too long',
    statement: (database, _of, position) => sql`
      select forgotten_up_to from ${database.table('change_feed_bounds')} where forgotten_up_to > ${position}`,
  },
];

/** Throws where it could do nothing but read a table from end to end; some are too small here for that to be wrong. */
async function refuseWholeReads(
  { database, accounts }: Size,
  { name, statement }: ApplicationRead,
): Promise<void> {
  const account = await grownAccount(database.db, Math.ceil(accounts / 2));
  const plan = await database.transaction(async (inside) => {
    await sql`set local enable_seqscan = off`.execute(inside);
    return explain(inside, statement(database, account, accounts));
  });
  const reads = wholeReads(plan);
  if (reads.length > 0) throw new Error(`${name}: ${reads.join(', ')}`);
}

async function timeOf(
  { database, accounts }: Size,
  { statement }: ApplicationRead,
  reads: number,
): Promise<number> {
  const times: number[] = [];
  for (let read = 0; read < reads; read += 1) {
    // Every round the same ones, spread over all.
    const number = 1 + ((read * 7_919) % accounts);
    const account = await grownAccount(database.db, number);
    const position = (number * transactionsOfAccount) / 10;
    const asked = statement(database, account, position);
    const startedAt = performance.now();
    await asked.execute(database.db);
    times.push(performance.now() - startedAt);
  }
  return median(times);
}
