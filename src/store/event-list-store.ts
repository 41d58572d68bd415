// Finds events for an operator: by key, state, type, whose they are and when they came. Reads only.
import { sql, type ExpressionBuilder } from 'kysely';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

export const eventStates = ['received', 'processed', 'ignored', 'quarantined', 'failed'] as const;
export type EventState = (typeof eventStates)[number];

/** What is left out does not narrow the choice. */
export interface EventFilter {
  readonly keys?: readonly string[] | undefined;
  readonly states?: readonly EventState[] | undefined;
  readonly type?: string | undefined;
  readonly entityId?: string | undefined;
  readonly customerId?: string | undefined;
  /** By the time it was received: from this on. */
  readonly since?: Date | undefined;
  /** Up to this, not included. */
  readonly until?: Date | undefined;
}

export function matchesFilter(filter: EventFilter) {
  const { keys, states, type, entityId, customerId, since, until } = filter;
  return (build: ExpressionBuilder<Tables, 'webhook_events'>) =>
    build.and([
      ...(keys === undefined ? [] : [build('event_key', 'in', keys)]),
      ...(states === undefined ? [] : [build('state', 'in', states)]),
      ...(type === undefined ? [] : [build('type', '=', type)]),
      ...(entityId === undefined ? [] : [build('entity_id', '=', entityId)]),
      ...(customerId === undefined ? [] : [build('customer_id', '=', customerId)]),
      ...(since === undefined ? [] : [sql<boolean>`received_at >= ${since.toISOString()}::timestamptz`]),
      ...(until === undefined ? [] : [sql<boolean>`received_at < ${until.toISOString()}::timestamptz`]),
    ]);
}

const summaryColumns = [
  'event_key',
  'state',
  'failure_code',
  'type',
  'entity_id',
  'customer_id',
  'received_at',
  'concluded_at',
  'delivery_count',
  'replay_count',
] as const;

/** Newest first. */
export async function listEvents(
  database: Database,
  { filter, limit }: { readonly filter: EventFilter; readonly limit: number },
) {
  return database.db
    .selectFrom('webhook_events')
    .select(summaryColumns)
    .where(matchesFilter(filter))
    .orderBy('received_at', 'desc')
    .orderBy('event_key', 'desc')
    .limit(limit)
    .execute();
}

/** Everything about one event, its body still sealed; null when there is none. */
export async function readEventInFull(database: Database, eventKey: string) {
  const event = await database.db
    .selectFrom('webhook_events')
    .select(summaryColumns)
    .select(['event_id', 'occurred_at_text', 'source', 'proof', 'tries', 'warnings', 'body_sha256', 'body'])
    .where('event_key', '=', eventKey)
    .executeTakeFirst();
  return event === undefined ? null : { event, history: await readHistory(database, eventKey) };
}

/** What it had come to before, oldest first, and who started it over. */
function readHistory(database: Database, eventKey: string) {
  return database.db
    .selectFrom('event_history as former')
    .innerJoin('operator_log as log', 'log.log_id', 'former.log_id')
    .select(['former.replay_count', 'former.state', 'former.failure_code', 'former.tries'])
    .select(['former.concluded_at', 'log.at', 'log.operator', 'log.command'])
    .where('former.event_key', '=', eventKey)
    .orderBy('former.replay_count')
    .execute();
}
