// Puts a batch of deliveries into Postgres, all of it or nothing, any number of times with the same result.
// Never drops bytes: what cannot be a proper row becomes a quarantined one.
import { sql, type RawBuilder } from 'kysely';
import { toldWord } from '../core/change-schemas.ts';
import { sha256Hex } from '../core/event-key.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { seal } from '../sealing/seal.ts';
import { judgeArrivals } from './arrival-rules.ts';
import { appendChanges } from './change-store.ts';
import { databaseFailure } from './database-failures.ts';
import type { Database, TablesTransaction } from './database.ts';
import { isOpen } from './event-store.ts';
import { fixedStatement } from './fixed-statement.ts';
import {
  asConflicts,
  groupDeliveries,
  isErased,
  strongestProof,
  type DeliveryGroup,
  type IntakeDelivery,
} from './intake-groups.ts';

export interface StoreBatchOptions {
  readonly jobId: string;
  readonly deliveries: readonly IntakeDelivery[];
  /** Seals each kept body for the purpose `event` and its key. */
  readonly keyRing: KeyRing | null;
  /** EVENT_KEY_KEEP_DAYS: an event older than that is set aside. Left out: none is too old. */
  readonly eventKeyKeepDays?: number | undefined;
}

export interface OpenEvent {
  readonly eventKey: string;
  readonly replayCount: number;
}

export interface StoredBatch {
  /** The job had been stored before; nothing was written now. */
  readonly alreadyStored: boolean;
  /** Events of this batch that are not concluded and need a job. */
  readonly openEvents: readonly OpenEvent[];
  /** Events that are new and were concluded on arrival, for the counters. */
  readonly concluded: readonly { readonly state: string; readonly failureCode: string | null }[];
}

/** Throws what the database throws, but for data errors: those cost the one event its columns, not the batch. */
export async function storeBatch(database: Database, options: StoreBatchOptions): Promise<StoredBatch> {
  try {
    return await storeOnce(database, options, storeTogether);
  } catch (error) {
    if (databaseFailure(error) !== 'data') throw error;
    return storeOnce(database, options, storeOneByOne);
  }
}

interface Storing {
  readonly database: Database;
  readonly transaction: TablesTransaction;
  readonly keyRing: KeyRing | null;
}
type StoreGroups = (storing: Storing, groups: readonly DeliveryGroup[]) => Promise<StoredRow[]>;

function storeOnce(
  database: Database,
  { jobId, deliveries, keyRing, eventKeyKeepDays }: StoreBatchOptions,
  store: StoreGroups,
): Promise<StoredBatch> {
  return database.transaction(async (transaction) => {
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto('intake_batches')
      .values({ job_id: jobId, deliveries: deliveries.length })
      .onConflict((conflict) => conflict.column('job_id').doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n) {
      const keys = deliveries.map(({ eventKey }) => eventKey);
      return { alreadyStored: true, openEvents: await openAmong(transaction, keys), concluded: [] };
    }
    const judged = await judgeArrivals(database, transaction, { deliveries, eventKeyKeepDays });
    const rounds = groupDeliveries(judged);
    const storing = { database, transaction, keyRing };
    const rows: StoredRow[] = [];
    const refused: DeliveryGroup[] = [];
    for (const groups of rounds) {
      const stored = await store(storing, groups);
      // The statement leaves out the events whose stored body says something else.
      const kept = new Set(stored.map((row) => row.event_key));
      refused.push(...groups.filter(({ key }) => !kept.has(key)));
      rows.push(...stored);
    }
    rows.push(...(await store(storing, asConflicts(refused))));
    await recordIgnored(transaction, rows);
    return { alreadyStored: false, openEvents: openOf(rows), concluded: concludedOf(rows) };
  });
}

function openOf(rows: readonly StoredRow[]): OpenEvent[] {
  const open = new Map(rows.filter((row) => row.open).map((row) => [row.event_key, row.replay_count]));
  return Array.from(open, ([eventKey, replayCount]) => ({ eventKey, replayCount }));
}

function concludedOf(rows: readonly StoredRow[]): StoredBatch['concluded'] {
  return rows
    .filter((row) => row.inserted && !row.open)
    .map((row) => ({ state: row.state, failureCode: row.failure_code }));
}

async function openAmong(transaction: TablesTransaction, keys: readonly string[]): Promise<OpenEvent[]> {
  if (keys.length === 0) return [];
  const rows = await transaction
    .selectFrom('webhook_events')
    .select(['event_key', 'replay_count'])
    .where('event_key', 'in', keys)
    .where(isOpen)
    .execute();
  return rows.map((row) => ({ eventKey: row.event_key, replayCount: row.replay_count }));
}

/** An event that nobody handles is told to the application, unless it might be meant for somebody else. */
async function recordIgnored(transaction: TablesTransaction, rows: readonly StoredRow[]): Promise<void> {
  // Of an erased customer nothing is told.
  const ignored = rows.filter((row) => row.inserted && row.state === 'ignored' && row.failure_code === null);
  const asked = ignored.flatMap((row) => (row.entity_id === null ? [] : [row.entity_id]));
  const known = await knownEntities(transaction, asked);
  await appendChanges(
    transaction,
    ignored
      .filter((row) => row.proof === 'signature' || known.has(row.entity_id ?? ''))
      .map((row) => ({
        change: 'event.recorded',
        entityId: row.entity_id,
        customerId: row.customer_id,
        eventKey: row.event_key,
        details: { type: toldWord(row.type) },
      })),
  );
}

async function knownEntities(
  transaction: TablesTransaction,
  entityIds: readonly string[],
): Promise<Set<string>> {
  if (entityIds.length === 0) return new Set();
  const rows = await transaction
    .selectFrom('entities')
    .select('entity_id')
    .where('entity_id', 'in', entityIds)
    .execute();
  return new Set(rows.map((row) => row.entity_id));
}

interface StoredRow {
  readonly event_key: string;
  readonly type: string | null;
  readonly entity_id: string | null;
  readonly customer_id: string | null;
  readonly proof: string;
  readonly state: string;
  readonly failure_code: string | null;
  readonly replay_count: number;
  readonly open: boolean;
  readonly inserted: boolean;
}

function storeTogether({ database, transaction, keyRing }: Storing, groups: readonly DeliveryGroup[]) {
  return upsertEvents(
    database,
    transaction,
    groups.map((group) => toRow(group, keyRing)),
  );
}

async function storeOneByOne(
  { database, transaction, keyRing }: Storing,
  groups: readonly DeliveryGroup[],
): Promise<StoredRow[]> {
  const stored: StoredRow[] = [];
  for (const group of groups) {
    const row = toRow(group, keyRing);
    await sql`savepoint one_event`.execute(transaction);
    try {
      stored.push(...(await upsertEvents(database, transaction, [row])));
    } catch (error) {
      if (databaseFailure(error) !== 'data') throw error;
      await sql`rollback to savepoint one_event`.execute(transaction);
      stored.push(...(await upsertEvents(database, transaction, [bytesOnly(row)])));
    }
    await sql`release savepoint one_event`.execute(transaction);
  }
  return stored;
}

/** Postgres' type of each column that travels in the statement; the body travels as base64. */
const columns = {
  event_key: 'text',
  event_id: 'text',
  type: 'text',
  entity_id: 'text',
  customer_id: 'text',
  occurred_at: 'timestamptz',
  occurred_at_ns: 'bigint',
  occurred_at_text: 'text',
  received_at: 'timestamptz',
  proof: 'text',
  state: 'text',
  delivery_count: 'integer',
  body: 'text',
  body_sha256: 'text',
  payload_hash: 'text',
  failure_code: 'text',
  warnings: 'text[]',
} as const;
type Column = keyof typeof columns;
type EventRow = Readonly<Record<Column, string | number | readonly string[] | null>>;

function toRow({ key, first, count, proof }: DeliveryGroup, keyRing: KeyRing | null): EventRow {
  const body = isErased(first) ? null : seal(keyRing, { purpose: 'event', recordId: key }, first.rawBody);
  return {
    event_key: key,
    event_id: first.eventId,
    type: first.type,
    entity_id: first.entityId,
    customer_id: first.customerId,
    occurred_at: first.occurredAt?.at ?? null,
    occurred_at_ns: first.occurredAt?.ns.toString() ?? null,
    occurred_at_text: first.occurredAtText,
    received_at: first.receivedAt,
    proof,
    state: first.state,
    delivery_count: count,
    body: body && Buffer.from(body).toString('base64'),
    body_sha256: sha256Hex(first.rawBody),
    payload_hash: first.payloadHash,
    failure_code: first.failureCode,
    warnings: first.warnings ?? [],
  };
}

function bytesOnly(row: EventRow): EventRow {
  const nothing = { event_id: null, type: null, entity_id: null, customer_id: null };
  const noTime = { occurred_at: null, occurred_at_ns: null, occurred_at_text: null };
  return { ...row, ...nothing, ...noTime, state: 'quarantined', failure_code: 'EVENT_NOT_STORABLE' };
}

const columnNames = Object.keys(columns).filter((name): name is Column => Object.hasOwn(columns, name));
/** What a pushed body brings with it when it takes the place of a swept one. */
const replacedColumns = columnNames.filter(
  (name) => !['event_key', 'proof', 'state', 'failure_code', 'delivery_count'].includes(name),
);
const isSwept = sql`event.source = 'sweep'`;
const isOtherBody = sql`event.payload_hash is distinct from excluded.payload_hash`;
/** Lean listed the event to us with another body: whose the pushed one is, that does not prove. */
const isOverruled = sql`${isSwept} and ${isOtherBody}`;
/** A swept event whose pushed body says something else, or one that was refused for want of a proof it now has. */
const isReopened = sql`(${isOverruled})
  or (event.failure_code = 'ENTITY_NOT_OURS' and excluded.proof = 'signature')`;

/** Returns the rows it inserted or counted; a key is missing where the stored body says something else. */
async function upsertEvents(
  database: Database,
  transaction: TablesTransaction,
  rows: readonly EventRow[],
): Promise<StoredRow[]> {
  return rows.length === 0 ? [] : upsert({ database, executor: transaction, values: rows });
}

const upsert = fixedStatement<StoredRow>((database, json) => {
  const names = sql.join(columnNames.map((name) => sql.ref(name)));
  const definitions = sql.join(columnNames.map((name) => sql`${sql.ref(name)} ${sql.raw(columns[name])}`));
  const values = sql.join(
    columnNames.map((name) => (name === 'body' ? sql`decode(body, 'base64')` : sql.ref(name))),
  );
  const replaced = replacedColumns.map((name) => setWhen(isSwept, name));
  const reopened = [setWhen(isReopened, 'state'), setWhen(isReopened, 'failure_code')];
  return sql<StoredRow>`
    insert into ${database.table('webhook_events')} as event (${names}, source, concluded_at)
    select ${values}, 'webhook', case when state = 'received' then null else now() end
    from json_to_recordset(${json}::json) as delivery (${definitions})
    on conflict (event_key) do update set
      ${sql.join([...replaced, ...reopened])},
      concluded_at = case when ${isReopened} then excluded.concluded_at else event.concluded_at end,
      replay_count = event.replay_count + case when ${isReopened} then 1 else 0 end,
      tries = case when ${isReopened} then 0 else event.tries end,
      first_tried_at = case when ${isReopened} then null else event.first_tried_at end,
      ownership_proven_at = case when ${isOverruled} then null else event.ownership_proven_at end,
      delivery_count = excluded.delivery_count + case when ${isSwept} then 0 else event.delivery_count end,
      proof = ${strongestProof('event.proof', 'excluded.proof')},
      source = 'webhook',
      updated_at = now()
    where not (${isOtherBody}) or ${isSwept}
    returning event.event_key, event.type, event.entity_id, event.customer_id, event.proof, event.state,
      event.failure_code, event.replay_count, event.concluded_at is null as open, event.xmax = 0 as inserted
  `;
});

function setWhen(condition: RawBuilder<unknown>, column: Column): RawBuilder<unknown> {
  return sql`${sql.ref(column)} = case when ${condition}
    then ${sql.ref(`excluded.${column}`)} else ${sql.ref(`event.${column}`)} end`;
}
