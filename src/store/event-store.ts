// Reads and concludes events. An event is concluded once: whoever comes second finds that nothing was changed.
import { sql } from 'kysely';
import type { Proof } from '../core/delivery.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { Database, Executor } from './database.ts';
import { gathered } from './gathered.ts';
import type { OpenEvent } from './intake-store.ts';

export interface StoredEvent {
  readonly eventKey: string;
  readonly type: string | null;
  readonly entityId: string | null;
  readonly customerId: string | null;
  readonly occurredAtNs: bigint | null;
  readonly receivedAt: Date;
  readonly proof: Proof;
  /** Whether it is proven that the event was meant for us: by Lean's signature, or by Lean's own answer. */
  readonly ownershipProven: boolean;
  readonly replayCount: number;
  readonly concluded: boolean;
  /** Sealed for the purpose `event` and the event key; null once retention has taken it. */
  readonly body: Uint8Array | null;
}

/**
 * The same as `concluded_at is null`, which the table's check guarantees, in words of which the index of open events knows
 * nothing: with statistics from before a backlog Postgres would go through all of that index instead of looking a key up.
 */
export const isOpen = sql<boolean>`state = 'received'`;

export async function readEvent(executor: Executor, eventKey: string): Promise<StoredEvent | null> {
  const row = await storedEvents(executor).where('event_key', '=', eventKey).executeTakeFirst();
  return row === undefined ? null : toEvent(row);
}

/** The same of several, in the order asked for. */
export async function readEvents(
  executor: Executor,
  eventKeys: readonly string[],
): Promise<(StoredEvent | null)[]> {
  const [eventKey = '', ...others] = eventKeys;
  if (others.length === 0) return [await readEvent(executor, eventKey)];
  const rows = await storedEvents(executor)
    .where('event_key', 'in', [...new Set(eventKeys)])
    .execute();
  const events = new Map(rows.map((row) => [row.event_key, toEvent(row)]));
  return eventKeys.map((key) => events.get(key) ?? null);
}

function storedEvents(executor: Executor) {
  return executor
    .selectFrom('webhook_events')
    .select(['event_key', 'type', 'entity_id', 'customer_id', 'occurred_at_ns', 'received_at', 'proof'])
    .select(['ownership_proven_at', 'replay_count', 'concluded_at', 'body']);
}

type EventRow = Awaited<ReturnType<ReturnType<typeof storedEvents>['executeTakeFirstOrThrow']>>;

function toEvent(row: EventRow): StoredEvent {
  return {
    eventKey: row.event_key,
    type: row.type,
    entityId: row.entity_id,
    customerId: row.customer_id,
    occurredAtNs: row.occurred_at_ns,
    receivedAt: row.received_at,
    proof: row.proof,
    ownershipProven: row.proof === 'signature' || row.ownership_proven_at !== null,
    replayCount: row.replay_count,
    concluded: row.concluded_at !== null,
    body: row.body,
  };
}

export type Conclusion =
  | { readonly state: 'processed' | 'ignored'; readonly failureCode?: FailureCode }
  | { readonly state: 'quarantined' | 'failed'; readonly failureCode: FailureCode };

/** False when the event had been concluded already: then the caller's transaction must leave nothing behind. */
export async function concludeEvent(
  executor: Executor,
  eventKey: string,
  { state, failureCode }: Conclusion,
): Promise<boolean> {
  return concludeTogether(executor, { eventKey, state, failureCode: failureCode ?? null });
}

interface Concluded {
  readonly eventKey: string;
  readonly state: Conclusion['state'];
  readonly failureCode: FailureCode | null;
}

const concludeTogether = gathered(async (executor: Executor, all: readonly Concluded[]) => {
  const [only, ...more] = all;
  if (only !== undefined && more.length === 0) return [await concludeOne(executor, only)];
  const concluded = new Set<string>();
  await lockEvents(executor, all);
  const alike = Map.groupBy(all, ({ state, failureCode }) => `${state} ${failureCode}`);
  for (const [first, ...others] of alike.values()) {
    if (first === undefined) continue;
    const { state, failureCode } = first;
    const keys = [first, ...others].map(({ eventKey }) => eventKey);
    const rows = await executor
      .updateTable('webhook_events')
      .set({ state, failure_code: failureCode, concluded_at: sql`now()`, updated_at: sql`now()` })
      .where('event_key', 'in', keys)
      .where(isOpen)
      .returning('event_key')
      .execute();
    for (const { event_key: key } of rows) concluded.add(key);
  }
  return all.map(({ eventKey }) => concluded.has(eventKey));
});

async function concludeOne(
  executor: Executor,
  { eventKey, state, failureCode }: Concluded,
): Promise<boolean> {
  const { numUpdatedRows } = await executor
    .updateTable('webhook_events')
    .set({ state, failure_code: failureCode, concluded_at: sql`now()`, updated_at: sql`now()` })
    .where('event_key', '=', eventKey)
    .where(isOpen)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** In the order in which intake locks them, so that neither waits for the other. */
async function lockEvents(
  executor: Executor,
  events: readonly { readonly eventKey: string }[],
): Promise<void> {
  await executor
    .selectFrom('webhook_events')
    .select('event_key')
    .where(
      'event_key',
      'in',
      events.map(({ eventKey }) => eventKey),
    )
    .orderBy(sql`event_key collate "C"`)
    .forUpdate()
    .execute();
}

/** Takes away what an event said and whose it is; part of the transaction that concludes it. */
export async function forgetContents(transaction: Executor, eventKey: string): Promise<void> {
  await transaction
    .updateTable('webhook_events')
    .set({ body: null, entity_id: null, customer_id: null, updated_at: sql`now()` })
    .where('event_key', '=', eventKey)
    .where(isOpen)
    .execute();
}

/** Lean, asked with our own token, knows the event's entity. */
export async function recordOwnership(executor: Executor, eventKey: string): Promise<void> {
  await executor
    .updateTable('webhook_events')
    .set({ ownership_proven_at: sql`now()`, updated_at: sql`now()` })
    .where('event_key', '=', eventKey)
    .where(isOpen)
    .execute();
}

export interface EventTries {
  /** This one included. */
  readonly tries: number;
  /** Since the first of them. */
  readonly triedForMs: number;
}

/** Counts one more try of an open event; part of the caller's transaction, if there is one. */
export async function recordTry(
  executor: Executor,
  { eventKey, now }: { readonly eventKey: string; readonly now: Date },
): Promise<EventTries> {
  const row = await executor
    .updateTable('webhook_events')
    .set({
      tries: sql`tries + 1`,
      first_tried_at: sql<string>`coalesce(first_tried_at, ${now.toISOString()}::timestamptz)`,
      updated_at: sql`now()`,
    })
    .where('event_key', '=', eventKey)
    .returning(['tries', 'first_tried_at'])
    .executeTakeFirst();
  const firstTriedAt = row?.first_tried_at ?? now;
  return { tries: row?.tries ?? 1, triedForMs: Math.max(0, now.getTime() - firstTriedAt.getTime()) };
}

/** Where the next page of open events begins. */
export interface OpenEventsCursor {
  readonly receivedAt: string;
  readonly eventKey: string;
}

export interface OpenEventsPage {
  readonly events: readonly OpenEvent[];
  /** Null after the last page. */
  readonly next: OpenEventsCursor | null;
}

export interface OpenEventsOptions {
  /** Only events that nothing has touched for so long. */
  readonly olderThanMs: number;
  readonly limit: number;
  readonly after: OpenEventsCursor | null;
}

/** Events that are not concluded, oldest first, a page at a time. */
export async function openEvents(
  database: Database,
  executor: Executor,
  { olderThanMs, limit, after }: OpenEventsOptions,
): Promise<OpenEventsPage> {
  const beyond =
    after === null
      ? sql`true`
      : sql`(received_at, event_key) > (${after.receivedAt}::timestamptz, ${after.eventKey})`;
  const { rows } = await sql<{ event_key: string; replay_count: number; received_at: string }>`
    select event_key, replay_count, received_at::text as received_at
    from ${database.table('webhook_events')}
    where concluded_at is null and updated_at <= now() - make_interval(secs => ${olderThanMs / 1000}) and ${beyond}
    order by received_at, event_key
    limit ${limit}
  `.execute(executor);
  const last = rows.at(-1);
  return {
    events: rows.map((row) => ({ eventKey: row.event_key, replayCount: row.replay_count })),
    next:
      last === undefined || rows.length < limit
        ? null
        : { receivedAt: last.received_at, eventKey: last.event_key },
  };
}
