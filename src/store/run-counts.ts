// What a run of a sync has read and stored, by table, as the run itself counts it.
import { sql, type QueryCreator } from 'kysely';
import type { Tables } from './tables.ts';

/** Of a customer's data; the tables' names are the counters'. */
export const countedTables = [
  'accounts',
  'balances',
  'transactions',
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const;
type CountedTable = (typeof countedTables)[number];
export type RunCounts = Readonly<Record<CountedTable, number>>;

interface CountRun extends Partial<RunCounts> {
  readonly syncId: string;
  readonly calls: number;
}

/** The statement that adds to the run's counters, for another one to carry along: each is a way to Postgres and back. */
export function addToRun(creator: QueryCreator<Tables>, { syncId, calls, ...counts }: CountRun) {
  const added = countedTables.map(
    (name) => [name, sql<number>`${sql.ref(name)} + ${counts[name] ?? 0}`] as const,
  );
  return creator
    .updateTable('sync_runs')
    .set({ calls: sql`calls + ${calls}`, ...Object.fromEntries(added), updated_at: sql`now()` })
    .where('sync_id', '=', syncId);
}

export function countsOf(run: RunCounts): RunCounts {
  const { accounts, balances, transactions, identities, beneficiaries } = run;
  const { direct_debits, standing_orders, scheduled_payments } = run;
  return {
    accounts,
    balances,
    transactions,
    identities,
    beneficiaries,
    direct_debits,
    standing_orders,
    scheduled_payments,
  };
}

/** The three that every run has, and of the others what there is. */
export function withoutEmpty(run: RunCounts) {
  const { accounts, balances, transactions, ...further } = countsOf(run);
  const read = Object.entries(further).filter(([, count]) => count > 0);
  return { accounts, balances, transactions, ...Object.fromEntries(read) };
}
