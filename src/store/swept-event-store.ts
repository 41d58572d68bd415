// Events that Lean lists and nobody has delivered. Only unknown keys are stored: a delivered body always stands, and
// takes the place of a swept one when it comes later. Erased customers and old dates are judged as on arrival.
import { sql } from 'kysely';
import { toldWord } from '../core/change-schemas.ts';
import { sha256Hex } from '../core/event-key.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { seal } from '../sealing/seal.ts';
import { judgeArrivals } from './arrival-rules.ts';
import { appendChanges } from './change-store.ts';
import type { Database, TablesTransaction } from './database.ts';
import { isErased, type IntakeDelivery } from './intake-groups.ts';
import type { OpenEvent } from './intake-store.ts';
import { writeTolerantly } from './tolerant-write.ts';

export interface InsertSwept {
  /**
   * As the worker reads a delivery; `rawBody` is Lean's own text of the list's item, `receivedAt` when it was read.
   * `proof` is not looked at: Lean has listed the event under our own credentials.
   */
  readonly events: readonly IntakeDelivery[];
  readonly keyRing: KeyRing | null;
  /** EVENT_KEY_KEEP_DAYS. A sweep that reaches further back finds the forgotten ones again and again. */
  readonly eventKeyKeepDays?: number | undefined;
}

export interface SweptEvent {
  readonly eventKey: string;
  readonly type: string | null;
  readonly state: string;
  readonly failureCode: string | null;
}

export interface InsertedSwept {
  /** What was not known, in the order of keys; what belongs to somebody erased is left out. */
  readonly found: readonly SweptEvent[];
  /** Those among them that wait for their handler and need a job after the commit. */
  readonly openEvents: readonly OpenEvent[];
}

/** Part of the caller's transaction; tells the application of everything that it finds. */
export async function insertSweptEvents(
  database: Database,
  transaction: TablesTransaction,
  { events, keyRing, eventKeyKeepDays }: InsertSwept,
): Promise<InsertedSwept> {
  const judged = await judgeArrivals(database, transaction, { deliveries: events, eventKeyKeepDays });
  const distinct = new Map(judged.map((event) => [event.eventKey, event]));
  // Sorted, as every transaction that locks events does it: so two never wait for each other.
  const sorted = [...distinct.values()].toSorted((left, right) => (left.eventKey < right.eventKey ? -1 : 1));
  const rows = sorted.map((event) => sweptRow(event, keyRing));
  const { results, refused } = await writeTolerantly(transaction, {
    rows,
    write: (chunk) => insertUnknown(transaction, chunk),
  });
  const inserted = [...results.flat(), ...(await insertUnknown(transaction, refused.map(bytesOnly)))];
  const found = inserted.filter((row) => row.failure_code !== 'CUSTOMER_ERASED');
  await appendChanges(
    transaction,
    found.map((row) => ({
      change: 'event.recorded',
      entityId: row.entity_id,
      customerId: row.customer_id,
      eventKey: row.event_key,
      details: { type: toldWord(row.type), source: 'sweep' },
    })),
  );
  return {
    found: found.map((row) => ({
      eventKey: row.event_key,
      type: row.type,
      state: row.state,
      failureCode: row.failure_code,
    })),
    openEvents: found
      .filter((row) => row.state === 'received')
      .map((row) => ({ eventKey: row.event_key, replayCount: row.replay_count })),
  };
}

/** What could not be stored with its columns is kept all the same. */
function bytesOnly(row: EventRow): EventRow {
  const nothing = { event_id: null, type: null, entity_id: null, customer_id: null, warnings: [] };
  const noTime = { occurred_at: null, occurred_at_ns: null, occurred_at_text: null };
  const concluded = { concluded_at: sql<string>`now()`, failure_code: 'EVENT_NOT_STORABLE' as const };
  return { ...row, ...nothing, ...noTime, ...concluded, state: 'quarantined' };
}

type EventRow = ReturnType<typeof sweptRow>;

function sweptRow(event: IntakeDelivery, keyRing: KeyRing | null) {
  const { eventKey, state, rawBody } = event;
  return {
    event_key: eventKey,
    event_id: event.eventId,
    type: event.type,
    entity_id: event.entityId,
    customer_id: event.customerId,
    occurred_at: event.occurredAt?.at ?? null,
    occurred_at_ns: event.occurredAt?.ns ?? null,
    occurred_at_text: event.occurredAtText,
    received_at: event.receivedAt,
    source: 'sweep' as const,
    proof: 'none',
    ownership_proven_at: sql<string>`now()`,
    state,
    failure_code: event.failureCode,
    concluded_at: state === 'received' ? null : sql<string>`now()`,
    delivery_count: 0,
    body: isErased(event) ? null : seal(keyRing, { purpose: 'event', recordId: eventKey }, rawBody),
    body_sha256: sha256Hex(rawBody),
    payload_hash: event.payloadHash,
    warnings: [...(event.warnings ?? [])],
  };
}

async function insertUnknown(transaction: TablesTransaction, rows: readonly EventRow[]) {
  if (rows.length === 0) return [];
  return transaction
    .insertInto('webhook_events')
    .values([...rows])
    .onConflict((conflict) => conflict.column('event_key').doNothing())
    .returning(['event_key', 'type', 'entity_id', 'customer_id', 'state', 'failure_code', 'replay_count'])
    .execute();
}
