// How much waits and how much stands in quarantine, for the metrics. Every count stops at its limit, so that asking
// costs the same on a sick day as on a good one.
import { sql, type RawBuilder } from 'kysely';
import type { Database } from './database.ts';

export interface Backlog {
  /** Since the event that waits longest was received; 0 when none waits. */
  readonly oldestOpenSeconds: number;
  /** Not concluded yet; at most the limit. */
  readonly open: number;
  readonly quarantined: number;
  readonly failed: number;
}

/** One statement, by the indexes of open and of troubled events; no row's body is read. */
export async function measureBacklog(database: Database, { limit }: { limit: number }): Promise<Backlog> {
  const events = database.table('webhook_events');
  const count = (condition: RawBuilder<unknown>) =>
    sql`(select count(*)::integer from (select 1 from ${events} where ${condition} limit ${limit}) as counted)`;
  const { rows } = await sql<{ oldest: number; open: number; quarantined: number; failed: number }>`
    select
      coalesce((
        select extract(epoch from now() - received_at) from ${events}
        where concluded_at is null order by received_at limit 1
      ), 0)::float8 as oldest,
      ${count(sql`concluded_at is null`)} as open,
      ${count(sql`state = 'quarantined'`)} as quarantined,
      ${count(sql`state = 'failed'`)} as failed
  `.execute(database.db);
  const { oldest = 0, open = 0, quarantined = 0, failed = 0 } = rows[0] ?? {};
  // The receiver's clock gave the time; it may be ahead of the database's.
  return { oldestOpenSeconds: Math.max(0, oldest), open, quarantined, failed };
}
