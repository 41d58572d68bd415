// Starts concluded events over, or gives quarantined ones up. What they had come to is kept beside them, with who did it,
// in the same transaction. Never opens an event whose body is gone: there would be nothing to act on.
import { sql, type RawBuilder } from 'kysely';
import type { FailureCode } from '../core/failure-codes.ts';
import type { Database, TablesTransaction } from './database.ts';
import { matchesFilter, type EventFilter } from './event-list-store.ts';
import type { OpenEvent } from './intake-store.ts';
import { extendOperatorLog, writeOperatorLog } from './operator-log-store.ts';

/** What was set aside so as not to be acted on, by age, by erasure or for saying something else under a known id. */
const forcedCodes: readonly FailureCode[] = ['EVENT_TOO_OLD', 'CUSTOMER_ERASED', 'EVENT_BODY_CONFLICT'];

export interface EventChange {
  readonly kind: 'replay' | 'discard';
  readonly filter: EventFilter;
  /** Also those of `forcedCodes`. */
  readonly force: boolean;
}

/** `ready`: will be changed. The others are left as they are: not concluded yet, body gone, or set aside. */
export type EventVerdict = 'ready' | 'open' | 'body_gone' | 'needs_force' | 'not_in_quarantine';

export interface EventGroup {
  readonly verdict: EventVerdict;
  readonly type: string | null;
  readonly state: string;
  readonly failureCode: string | null;
  readonly events: number;
}

/** What the change would do, and what it would leave, in groups; the largest first. */
export async function previewChange(database: Database, change: EventChange): Promise<EventGroup[]> {
  const verdict = verdictOf(change);
  const rows = await database.db
    .selectFrom('webhook_events')
    .select([verdict.as('verdict'), 'type', 'state', 'failure_code', sql<number>`count(*)::int`.as('events')])
    .where(matchesFilter(change.filter))
    .groupBy([sql`1`, 'type', 'state', 'failure_code'])
    .orderBy('events', 'desc')
    .execute();
  return rows.map(({ verdict: given, type, state, failure_code: failureCode, events }) => {
    return { verdict: given, type, state, failureCode, events };
  });
}

function verdictOf({ kind, force }: EventChange) {
  const setAside = sql.join(forcedCodes.map((code) => sql.lit(code)));
  const own: RawBuilder<unknown> =
    kind === 'discard'
      ? sql`when state not in ('quarantined', 'failed') then 'not_in_quarantine'`
      : sql`when body is null then 'body_gone'
            when failure_code in (${setAside}) and not ${sql.lit(force)} then 'needs_force'`;
  return sql<EventVerdict>`case when concluded_at is null then 'open' ${own} else 'ready' end`;
}

/** Where the next page begins. */
export interface ChangeCursor {
  readonly receivedAt: string;
  readonly eventKey: string;
}

export interface ChangePage {
  readonly change: EventChange;
  readonly limit: number;
  readonly after: ChangeCursor | null;
  readonly operator: string;
  readonly command: string;
  /** What was asked for, for the log; no personal data. */
  readonly details: Readonly<Record<string, unknown>>;
  /** The entry of an earlier page of the same command. */
  readonly logId: bigint | null;
}

export interface ChangedPage {
  /** As they are now. */
  readonly events: readonly OpenEvent[];
  /** Null when nothing is left. */
  readonly next: ChangeCursor | null;
  readonly logId: bigint | null;
}

/** The next events that are ready, oldest first, changed and logged in one transaction. */
export async function changePage(database: Database, page: ChangePage): Promise<ChangedPage> {
  return database.transaction(async (transaction) => {
    const found = await findReady(transaction, page);
    const last = found.at(-1);
    if (last === undefined) return { events: [], next: null, logId: page.logId };
    const next = { receivedAt: last.received_at, eventKey: last.event_key };
    const keys = await lockReady(
      transaction,
      page.change,
      found.map((row) => row.event_key),
    );
    if (keys.length === 0) return { events: [], next, logId: page.logId };
    const logId = await log(transaction, page, keys.length);
    await keepHistory(transaction, keys, logId);
    const events = await (page.change.kind === 'replay' ? startOver : discard)(transaction, keys);
    return { events, next, logId };
  });
}

function findReady(transaction: TablesTransaction, { change, limit, after }: ChangePage) {
  const beyond =
    after === null
      ? sql<boolean>`true`
      : sql<boolean>`(received_at, event_key) > (${after.receivedAt}::timestamptz, ${after.eventKey})`;
  return transaction
    .selectFrom('webhook_events')
    .select(['event_key', sql<string>`received_at::text`.as('received_at')])
    .where(matchesFilter(change.filter))
    .where(sql<boolean>`${verdictOf(change)} = 'ready'`)
    .where(beyond)
    .orderBy(sql`webhook_events.received_at`)
    .orderBy('event_key')
    .limit(limit)
    .execute();
}

/** In the order of keys, as every transaction here locks events. */
async function lockReady(
  transaction: TablesTransaction,
  change: EventChange,
  keys: readonly string[],
): Promise<string[]> {
  const rows = await transaction
    .selectFrom('webhook_events')
    .select('event_key')
    .where('event_key', 'in', keys)
    .where(sql<boolean>`${verdictOf(change)} = 'ready'`)
    .orderBy('event_key')
    .forUpdate()
    .execute();
  return rows.map((row) => row.event_key);
}

async function log(
  transaction: TablesTransaction,
  { operator, command, details, logId }: ChangePage,
  affected: number,
): Promise<bigint> {
  if (logId === null) return writeOperatorLog(transaction, { operator, command, affected, details });
  await extendOperatorLog(transaction, { logId, affected });
  return logId;
}

async function keepHistory(
  transaction: TablesTransaction,
  keys: readonly string[],
  logId: bigint,
): Promise<void> {
  await transaction
    .insertInto('event_history')
    .columns(['event_key', 'replay_count', 'state', 'failure_code', 'tries', 'concluded_at', 'log_id'])
    .expression((build) =>
      build
        .selectFrom('webhook_events')
        .select(['event_key', 'replay_count', 'state', 'failure_code', 'tries'])
        .select([sql<string>`concluded_at`.as('concluded_at'), sql<bigint>`${logId}::bigint`.as('log_id')])
        .where('event_key', 'in', keys),
    )
    .execute();
}

async function startOver(transaction: TablesTransaction, keys: readonly string[]): Promise<OpenEvent[]> {
  const rows = await transaction
    .updateTable('webhook_events')
    .set((build) => ({
      state: 'received',
      failure_code: null,
      concluded_at: null,
      tries: 0,
      first_tried_at: null,
      replay_count: build('replay_count', '+', 1),
      updated_at: sql`now()`,
    }))
    .where('event_key', 'in', keys)
    .returning(['event_key', 'replay_count'])
    .execute();
  return rows.map((row) => ({ eventKey: row.event_key, replayCount: row.replay_count }));
}

/** The key stays, so that the same event is known when it comes again. */
async function discard(transaction: TablesTransaction, keys: readonly string[]): Promise<OpenEvent[]> {
  const rows = await transaction
    .updateTable('webhook_events')
    .set({
      state: 'ignored',
      failure_code: 'EVENT_DISCARDED',
      body: null,
      concluded_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where('event_key', 'in', keys)
    .returning(['event_key', 'replay_count'])
    .execute();
  return rows.map((row) => ({ eventKey: row.event_key, replayCount: row.replay_count }));
}
