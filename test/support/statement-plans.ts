// What Postgres would do for a statement, and whether any of it reads a growing table from end to end. Runs nothing.
import { sql, type RawBuilder } from 'kysely';
import { z } from 'zod';
import type { Executor } from '../../src/store/database.ts';

/** Hold a row or a few, whatever arrives: one a bank, a sweep, a key. */
const smallTables: ReadonlySet<string> = new Set([
  'installation',
  'schema_migrations',
  'banks',
  'sweep_progress',
  'change_feed_state',
  'payload_keys',
]);

const planSchema = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Index Cond': z.string().optional(),
  'Subplan Name': z.string().optional(),
  get Plans() {
    return planSchema.array().optional();
  },
});
export type StatementPlan = z.infer<typeof planSchema>;
const explainedSchema = z.tuple([z.object({ 'QUERY PLAN': z.tuple([z.object({ Plan: planSchema })]) })]);

export async function explain(executor: Executor, statement: RawBuilder<unknown>): Promise<StatementPlan> {
  const { rows } = await sql`explain (format json, costs off) ${statement}`.execute(executor);
  return readPlan(rows);
}

/** The rows of an EXPLAIN in JSON. */
export function readPlan(rows: readonly unknown[]): StatementPlan {
  return explainedSchema.parse(rows)[0]['QUERY PLAN'][0].Plan;
}

interface Around {
  readonly table: string;
  /** It ends after so many rows, or at the first one: `exists` is a plan of its own that comes first. */
  readonly isLimited: boolean;
}

/** Every part of the plan that goes through a growing table, or an index of one, from end to end. */
export function wholeReads(plan: StatementPlan, around: Around = { table: '', isLimited: false }): string[] {
  const { 'Node Type': node, 'Relation Name': table = around.table, 'Index Name': index } = plan;
  const isFirst = index !== undefined && plan['Subplan Name']?.startsWith('InitPlan') === true;
  const isLimited = around.isLimited || node === 'Limit' || isFirst;
  const parts = (plan.Plans ?? []).map((part) => wholeReads(part, { table, isLimited }));
  // What one index has found is looked up in another one only where that costs little.
  const below = node === 'BitmapAnd' && parts.some((reads) => reads.length === 0) ? [] : parts.flat();
  const isWhole =
    node === 'Seq Scan' || (index !== undefined && plan['Index Cond'] === undefined && !isLimited);
  return isWhole && !smallTables.has(table) ? [`${node} ${index ?? ''} of ${table}`, ...below] : below;
}
