// Entities, put together from events and replies in whatever order they come. Every field remembers which of them
// gave its value, the greatest by (time, key) holds, and null gives nothing: so any order ends in the same row.
import { sql, type RawBuilder } from 'kysely';
import type { Database, Executor } from './database.ts';
import { gathered } from './gathered.ts';

/** Where something stands in time. Without a time it comes before everything that has one. */
export interface FactOrder {
  /** Nanoseconds since 1970, UTC. */
  readonly ns: bigint | null;
  /** The event's key; or another name that is the same at every repeat. */
  readonly key: string;
  /** Left out: an event. A reply of Lean orders what it says, and leaves no mark as the last event. */
  readonly source?: 'reply';
}

export interface EntityFacts {
  readonly entityId: string;
  readonly customerId?: string | null;
  readonly appUserId?: string | null;
  readonly bankIdentifier?: string | null;
  readonly bankName?: string | null;
  /** Sorted, without repeats; null where the source does not speak of them. */
  readonly permissions?: readonly string[] | null;
  readonly reconnectId?: string | null;
  /** Until when Lean takes it, ISO 8601; counts only together with the id. */
  readonly reconnectExpiresAt?: string | null;
  /** Left out by a source that does not speak of it. */
  readonly state?: EntityState | null;
}

export interface EntityState {
  readonly state: 'active' | 'action_required' | 'ended';
  readonly reason: string | null;
}

export interface AppliedFacts {
  /** This was the first that was heard of the entity. */
  readonly inserted: boolean;
  readonly state: 'active' | 'action_required' | 'ended';
  /** The state and its reason are the ones given now; false where something later had decided them, or none were given. */
  readonly stateWritten: boolean;
}

interface SaidFacts {
  readonly facts: EntityFacts;
  readonly order: FactOrder;
}

/** Applies what an event or a reply of Lean says of one entity, in one statement. */
export async function applyEntityFacts(
  database: Database,
  executor: Executor,
  said: SaidFacts,
): Promise<AppliedFacts> {
  return applyTogether(executor, { ...said, database });
}

/** Of several entities; of one twice it would be refused, and nobody says two things of one at a time. */
const applyTogether = gathered(
  async (executor: Executor, all: readonly (SaidFacts & { readonly database: Database })[]) => {
    const applied = new Map<string, AppliedRow>();
    for (const [database, said] of Map.groupBy(all, (one) => one.database)) {
      for (const row of await upsertFacts(database, executor, said)) applied.set(row.entityId, row);
    }
    return all.map(({ facts, order }): AppliedFacts => {
      const row = applied.get(facts.entityId);
      if (row === undefined) throw new Error('an upsert of an entity gave no row');
      const { inserted, state, stateOrder } = row;
      const isGiven = facts.state !== null && facts.state !== undefined;
      return { inserted, state, stateWritten: isGiven && stateOrder === orderText(order) };
    });
  },
);

interface AppliedRow extends Pick<AppliedFacts, 'inserted' | 'state'> {
  readonly entityId: string;
  /** Of the event or reply that gave the state. */
  readonly stateOrder: string | null;
}

async function upsertFacts(
  database: Database,
  executor: Executor,
  said: readonly SaidFacts[],
): Promise<AppliedRow[]> {
  const values = said.map(valuesOf);
  const names = Object.keys(values[0] ?? {}).filter((name) => name !== 'permissions');
  const { rows } = await sql<AppliedRow>`
    insert into ${database.table('entities')} as entity (${sql.join(names.map((name) => sql.ref(name)))}, permissions)
    select ${sql.join(names.map((name) => sql.ref(name)))}, ${permissionsFrom('fact.permissions')}
    from json_to_recordset(${JSON.stringify(values)}::json) as fact (
      entity_id text, customer_id text, app_user_id text, bank_identifier text, bank_name text, reconnect_id text,
      reconnect_expires_at timestamptz, state text, state_reason text, last_event_ns bigint, last_event_key text, profile_event_ns bigint,
      profile_event_key text, state_event_ns bigint, field_orders jsonb, permissions json
    )
    on conflict (entity_id) do update set
      ${sql.join(registers.flatMap(({ register, columns }) => columns.map((column) => newest(register, column))))},
      ${sql.join([...latestPair('last_event_ns', 'last_event_key'), ...latestPair('profile_event_ns', 'profile_event_key')])},
      field_orders = ${mergedOrders()},
      updated_at = now()
    returning entity.entity_id as "entityId", entity.xmax = 0 as inserted, entity.state,
      entity.field_orders ->> 'state' as "stateOrder"
  `.execute(executor);
  return rows;
}

function valuesOf({ facts, order }: SaidFacts) {
  return {
    entity_id: facts.entityId,
    customer_id: facts.customerId ?? null,
    app_user_id: facts.appUserId ?? null,
    bank_identifier: facts.bankIdentifier ?? null,
    bank_name: facts.bankName ?? null,
    reconnect_id: facts.reconnectId ?? null,
    reconnect_expires_at: facts.reconnectExpiresAt ?? null,
    state: facts.state?.state ?? 'active',
    state_reason: facts.state?.reason ?? null,
    ...eventOrders(facts, order),
    state_event_ns: facts.state ? (order.ns?.toString() ?? null) : null,
    field_orders: fieldOrders(facts, order),
    permissions: facts.permissions ?? null,
  };
}

export async function entityExists(executor: Executor, entityId: string): Promise<boolean> {
  const row = await executor
    .selectFrom('entities')
    .select('entity_id')
    .where('entity_id', '=', entityId)
    .executeTakeFirst();
  return row !== undefined;
}

/** What moves together: `state` and its reason are of one source, every other field is its own. */
const registers = [
  { register: 'customer_id', columns: ['customer_id'] },
  { register: 'app_user_id', columns: ['app_user_id'] },
  { register: 'bank_identifier', columns: ['bank_identifier'] },
  { register: 'bank_name', columns: ['bank_name'] },
  { register: 'permissions', columns: ['permissions'] },
  { register: 'reconnect_id', columns: ['reconnect_id', 'reconnect_expires_at'] },
  { register: 'state', columns: ['state', 'state_reason', 'state_event_ns'] },
] as const;

function fieldOrders(facts: EntityFacts, order: FactOrder): Record<string, string> {
  const given = {
    customer_id: facts.customerId,
    app_user_id: facts.appUserId,
    bank_identifier: facts.bankIdentifier,
    bank_name: facts.bankName,
    permissions: facts.permissions,
    reconnect_id: facts.reconnectId,
    state: facts.state,
  };
  const text = orderText(order);
  const orders: Record<string, string> = {};
  for (const [register, value] of Object.entries(given)) {
    if (value !== null && value !== undefined) orders[register] = text;
  }
  return orders;
}

/** Sorts by bytes as (time, key): the time is shifted so that years before 1970 sort too, and written to one width. */
export function orderText({ ns, key }: FactOrder): string {
  return ns === null ? `0:${key}` : `1:${String(ns + shiftNs).padStart(20, '0')}:${key}`;
}
const shiftNs = 2n ** 63n;

/** Whether one report gave both; each of its groups of fields may have a time of its own. */
export function isOfSameReport(left: string, right: string | undefined): boolean {
  return keyIn(left) === keyIn(right ?? '');
}

function keyIn(order: string): string {
  return order.replace(/^(?:0|1:\d{20}):/, '');
}

/** When Lean gave the reply that such a text names; the keys of replies begin with `reply:`. */
export function replyNsOf(order: string | null): bigint | null {
  const shifted = /^1:(\d{20}):reply:/.exec(order ?? '')?.[1];
  return shifted === undefined ? null : BigInt(shifted) - shiftNs;
}

/** Which events came last: what has no time, or is no event, gives no mark and takes none away. */
function eventOrders({ permissions }: EntityFacts, { ns, key, source }: FactOrder) {
  const isEvent = ns !== null && source === undefined;
  const isProfile = isEvent && permissions !== null && permissions !== undefined;
  return {
    last_event_ns: isEvent ? ns.toString() : null,
    last_event_key: isEvent ? key : null,
    profile_event_ns: isProfile ? ns.toString() : null,
    profile_event_key: isProfile ? key : null,
  };
}

function permissionsFrom(column: string): RawBuilder<unknown> {
  return sql`case when json_typeof(${sql.ref(column)}) = 'array'
    then array(select json_array_elements_text(${sql.ref(column)})) end`;
}

function orderOf(row: 'entity' | 'excluded', register: string): RawBuilder<unknown> {
  return sql`(coalesce(${sql.ref(`${row}.field_orders`)} ->> ${sql.lit(register)}, '') collate "C")`;
}

function newest(register: string, column: string): RawBuilder<unknown> {
  return sql`${sql.ref(column)} = case
    when ${orderOf('excluded', register)} > ${orderOf('entity', register)}
    then ${sql.ref(`excluded.${column}`)} else ${sql.ref(`entity.${column}`)} end`;
}

function mergedOrders(): RawBuilder<unknown> {
  const merged = registers.map(
    ({ register }) =>
      sql`${sql.lit(register)}, nullif(greatest(${orderOf('excluded', register)}, ${orderOf('entity', register)}), '')`,
  );
  return sql`jsonb_strip_nulls(jsonb_build_object(${sql.join(merged)}))`;
}

/** The later of two (time, key) pairs, column by column; a pair without a time never wins. */
function latestPair(ns: string, key: string): RawBuilder<unknown>[] {
  const isLater = sql`coalesce(
    (${sql.ref(`excluded.${ns}`)}, ${sql.ref(`excluded.${key}`)} collate "C")
      > (${sql.ref(`entity.${ns}`)}, ${sql.ref(`entity.${key}`)} collate "C"),
    ${sql.ref(`entity.${ns}`)} is null)`;
  return [ns, key].map(
    (column) => sql`${sql.ref(column)} = case when ${isLater}
      then ${sql.ref(`excluded.${column}`)} else ${sql.ref(`entity.${column}`)} end`,
  );
}
