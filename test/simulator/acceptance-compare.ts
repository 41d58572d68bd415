// Lean's side of an acceptance run against a deployment's tables, field by field. Reads rows of the run's own customers
// and events and nothing else; amounts are compared as exact decimal text.
import { sql } from 'kysely';
import type { Database } from '../../src/store/database.ts';
import type { SimulatedCustomers } from './customers.ts';
import { expectedFurtherTables, furtherTablesSql, type FurtherTable } from './expected-further-tables.ts';
import { comparedTables, comparedTablesSql, expectedTables, type ExpectedRow } from './expected-tables.ts';

/** SYNC_DATA's further kinds, and the tables they fill. */
export const furtherKinds = {
  identity: 'identities',
  beneficiaries: 'beneficiaries',
  direct_debits: 'direct_debits',
  standing_orders: 'standing_orders',
  scheduled_payments: 'scheduled_payments',
} as const satisfies Readonly<Record<string, FurtherTable>>;
export type FurtherKind = keyof typeof furtherKinds;

export interface Difference {
  /** `table.field`, or the table alone where a whole row is missing or too many. */
  readonly field: string;
  readonly key: string;
  readonly held: string | null;
  readonly expected: string | null;
}

export interface ComparedTable {
  readonly table: string;
  /** Rows Lean's world has. */
  readonly rows: number;
  readonly fields: number;
  readonly differences: readonly Difference[];
}

export type RowsByTable = Readonly<Record<string, readonly ExpectedRow[]>>;

const keys: Readonly<Record<string, readonly string[]>> = {
  entities: ['entity_id'],
  accounts: ['entity_id', 'account_id'],
  balances: ['entity_id', 'account_id', 'balance_type', 'currency', 'reported_at'],
  transactions: ['entity_id', 'account_id', 'transaction_id'],
  // Those that were taken back are left out: an event that says so need not have the entity read again.
  consents: ['consent_id'],
  identities: ['entity_id', 'account_id', 'party_key'],
  beneficiaries: ['entity_id', 'account_id', 'beneficiary_id'],
  direct_debits: ['entity_id', 'account_id', 'direct_debit_id'],
  standing_orders: ['entity_id', 'account_id', 'standing_order_id'],
  scheduled_payments: ['entity_id', 'account_id', 'scheduled_payment_id'],
  webhook_events: ['event_id'],
  'changes (event.recorded)': ['event_key'],
};

/** What the tables must hold. Balances of earlier readings stay beside the newest: `before` is a former answer. */
export function expectedRows(
  customers: SimulatedCustomers,
  { kinds, before }: { readonly kinds: readonly FurtherKind[]; readonly before?: RowsByTable },
): RowsByTable {
  const { entities, accounts, balances, transactions } = expectedTables(customers);
  const further = expectedFurtherTables(customers);
  const revokedIds = revokedAmong(entities);
  const newest = new Set(balances.map((row) => keyOf('balances', row)));
  const earlier = (before?.['balances'] ?? []).filter((row) => !newest.has(keyOf('balances', row)));
  return {
    entities: entities.map((row) => (isRevoked(row) ? asRevoked(row) : row)),
    accounts,
    balances: [...balances, ...earlier],
    transactions,
    consents: further.consents.filter((row) => !revokedIds.has(row['entity_id'])),
    ...Object.fromEntries(kinds.map((kind) => [furtherKinds[kind], further[furtherKinds[kind]]])),
  };
}

const isRevoked = ({ permissions }: ExpectedRow): boolean => permissions === '';
const asRevoked = (row: ExpectedRow): ExpectedRow => ({ ...row, state: 'action_required' });
const revokedAmong = (entities: readonly ExpectedRow[]) =>
  new Set(entities.filter(isRevoked).map((row) => row['entity_id']));

/** The rows of these entities, by table. */
export async function heldRows(
  database: Database,
  { entityIds, kinds }: { readonly entityIds: readonly string[]; readonly kinds: readonly FurtherKind[] },
): Promise<RowsByTable> {
  const { schema, db } = database;
  const [base, further] = [comparedTablesSql(schema), furtherTablesSql(schema)];
  const queries: [string, string][] = [
    ...comparedTables.map((table): [string, string] => [table, base[table]]),
    ['consents', further.consents],
    ...kinds.map((kind): [string, string] => [furtherKinds[kind], further[furtherKinds[kind]]]),
  ];
  const held: Record<string, readonly ExpectedRow[]> = {};
  for (const [table, query] of queries) {
    const { rows } = await sql<ExpectedRow>`
      select * from (${sql.raw(query)}) as compared where entity_id = any(${entityIds}::text[])`.execute(db);
    held[table] = rows;
  }
  const revokedIds = revokedAmong(held['entities'] ?? []);
  const consents = (held['consents'] ?? []).filter((row) => !revokedIds.has(row['entity_id']));
  return { ...held, consents };
}

export interface SentEvent {
  readonly eventId: string;
  readonly type: string;
  /** Null where an answer was lost, so that it may have been kept once more than was said. */
  readonly acknowledged: number | null;
}

/** Of a known type the service acts on; the others are recorded for the application. */
const isActedOn = (type: string) => type.startsWith('entity.');

export function expectedEvents(events: readonly SentEvent[]): RowsByTable {
  return {
    webhook_events: events.map(({ eventId, type, acknowledged }) => ({
      event_id: eventId,
      type,
      delivery_count: acknowledged === null ? null : String(acknowledged),
    })),
    'changes (event.recorded)': events
      .filter(({ type }) => !isActedOn(type))
      .map(({ eventId }) => ({ event_key: eventId, times: '1' })),
  };
}

/** Concluded ones only; and one that was never to be stored, should it be there. */
export async function heldEvents(
  database: Database,
  { events, forgedId }: { readonly events: readonly SentEvent[]; readonly forgedId: string },
): Promise<RowsByTable> {
  const ids = [...events.map(({ eventId }) => eventId), forgedId];
  const uncounted = new Set(
    events.filter((event) => event.acknowledged === null).map(({ eventId }) => eventId),
  );
  const { rows } = await sql<{ event_id: string; type: string | null; delivery_count: string | null }>`
    select event_id, type, delivery_count::text from ${database.table('webhook_events')}
    where event_id = any(${ids}::text[]) and state in ('processed', 'ignored')`.execute(database.db);
  const { rows: recorded } = await sql<ExpectedRow>`
    select event_key, count(*)::text as times from ${database.table('changes')}
    where change = 'event.recorded' and event_key = any(${ids}::text[]) group by event_key`.execute(
    database.db,
  );
  return {
    webhook_events: rows.map(({ event_id: id, type, delivery_count: count }) => ({
      event_id: id,
      type,
      delivery_count: uncounted.has(id) ? null : count,
    })),
    'changes (event.recorded)': recorded,
  };
}

export function compareTables(expected: RowsByTable, held: RowsByTable): ComparedTable[] {
  return Object.entries(expected).map(([table, rows]) => ({
    table,
    rows: rows.length,
    fields: rows.reduce((sum, row) => sum + Object.keys(row).length, 0),
    differences: compareRows(table, rows, held[table] ?? []),
  }));
}

function compareRows(
  table: string,
  expected: readonly ExpectedRow[],
  held: readonly ExpectedRow[],
): Difference[] {
  const differences: Difference[] = [];
  const left = byKey(table, held);
  for (const [key, rows] of byKey(table, expected)) {
    const others = left.get(key) ?? [];
    left.delete(key);
    for (const [place, row] of rows.entries()) {
      const other = others[place];
      if (other === undefined) differences.push({ field: table, key, held: 'no row', expected: 'a row' });
      else differences.push(...compareFields({ table, key, row, other }));
    }
    const more = others.slice(rows.length);
    differences.push(...more.map(() => ({ field: table, key, held: 'one row more', expected: 'none' })));
  }
  for (const key of left.keys()) differences.push({ field: table, key, held: 'a row', expected: 'none' });
  return differences;
}

function compareFields(one: {
  readonly table: string;
  readonly key: string;
  readonly row: ExpectedRow;
  readonly other: ExpectedRow;
}): Difference[] {
  const { table, key, row, other } = one;
  return Object.entries(row).flatMap(([name, expected]) => {
    const held = other[name] ?? null;
    return held === expected ? [] : [{ field: `${table}.${name}`, key, held, expected }];
  });
}

/** Rows without an id of Lean's share a key; among themselves they stand in the order of their text. */
function byKey(table: string, rows: readonly ExpectedRow[]): Map<string, ExpectedRow[]> {
  const found = new Map<string, ExpectedRow[]>();
  for (const row of rows) {
    const key = keyOf(table, row);
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  for (const [key, same] of found) if (same.length > 1) found.set(key, same.toSorted(byText));
  return found;
}

function keyOf(table: string, row: ExpectedRow): string {
  return (keys[table] ?? []).map((column) => row[column] ?? '').join(' ');
}

function byText(one: ExpectedRow, other: ExpectedRow): number {
  return textOf(one) < textOf(other) ? -1 : 1;
}

function textOf(row: ExpectedRow): string {
  const members = Object.entries(row).map(([name, value]) => `${name}=${value}`);
  return members.toSorted().join(' ');
}
