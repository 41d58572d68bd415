// Rows put together from reports that come in any order, each saying some of the fields. Every field remembers which
// report gave its value, the greatest by (time, key) holds, and null gives nothing: so any order ends in the same rows.
import { sql, type RawBuilder } from 'kysely';
import type { Database, Executor } from './database.ts';
import { orderText, type FactOrder } from './entity-store.ts';
import { addCounts, nothingStored, type StoredCounts } from './stored-counts.ts';
import { writeTolerantly } from './tolerant-write.ts';

type FieldType = 'text' | 'text[]' | 'timestamptz' | 'boolean' | 'integer' | 'bytea';

/** A sealed value is bytes; everything else is as JSON has it, an instant as ISO text. */
type FieldValue = string | number | boolean | readonly string[] | Uint8Array | null;

export interface FactTable {
  readonly name: 'consents' | 'banks';
  readonly key: string;
  /** Postgres' types, and the groups of fields that always come from one report: the first of each decides. */
  readonly registers: readonly Readonly<Record<string, FieldType>>[];
  /** Fields whose new value is no change worth telling of. */
  readonly silent: readonly string[];
}

export interface ReportedRow {
  readonly key: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** Of groups, by the first field, that have a time of their own; the others stand where the report does. */
  readonly ownNs?: Readonly<Record<string, bigint | null>>;
}

export interface ApplyReport {
  readonly table: FactTable;
  /** Where all of them stand in time. */
  readonly order: FactOrder;
  readonly rows: readonly ReportedRow[];
}

/** In one statement, but for rows that the database refuses. Of several rows with one key the last counts. */
export async function applyReport(
  database: Database,
  transaction: Executor,
  { table, order, rows }: ApplyReport,
): Promise<StoredCounts> {
  const distinct = [...new Map(rows.map((row) => [row.key, row])).values()].toSorted((left, right) =>
    left.key < right.key ? -1 : 1,
  );
  const { results, refused } = await writeTolerantly(transaction, {
    rows: distinct,
    write: (chunk) => writeRows(database, transaction, { table, order, rows: chunk }),
  });
  return addCounts([...results, { ...nothingStored, refused: refused.length }]);
}

async function writeRows(
  database: Database,
  transaction: Executor,
  { table, order, rows }: ApplyReport,
): Promise<StoredCounts> {
  const key = sql.ref(table.key);
  const target = database.table(table.name);
  const types = new Map(table.registers.flatMap((register) => Object.entries(register)));
  const names = [...types.keys()];
  const records = rows.map((row) => recordOf(table, row, order));
  const definitions = names.map((name) => sql`${sql.ref(name)} ${sql.raw(travelling(types.get(name)))}`);
  const values = names.map((name) =>
    types.get(name) === 'bytea' ? sql`decode(${sql.ref(`item.${name}`)}, 'base64')` : sql.ref(`item.${name}`),
  );
  // The join makes Postgres look at a former row before it is written: afterwards it could not be locked any more.
  const { rows: counts } = await sql<StoredCounts>`
    with item as (
      select * from json_to_recordset(${JSON.stringify(records)}::json)
        as item (${key} text, field_orders jsonb, ${sql.join(definitions)})
    ), former as (
      select * from ${target} where ${key} in (select ${key} from item) order by ${key} for update
    ), written as (
      insert into ${target} as stored (${key}, field_orders, ${sql.join(names.map((name) => sql.ref(name)))})
      select ${key}, item.field_orders, ${sql.join(values)} from item left join former using (${key})
      on conflict (${key}) do update set
        ${sql.join(table.registers.flatMap((register) => newestOf(Object.keys(register))))},
        field_orders = ${mergedOrders(table)}, updated_at = now()
      returning stored.${key}, stored.xmax = 0 as inserted, ${contentOf('stored', table)} as content
    )
    select count(*) filter (where inserted)::int as inserted,
      count(*) filter (where not inserted and content is distinct from ${contentOf('former', table)})::int as changed,
      count(*) filter (where not inserted and content is not distinct from ${contentOf('former', table)})::int
        as unchanged,
      0 as refused
    from written left join former using (${key})
  `.execute(transaction);
  return counts[0] ?? nothingStored;
}

/** Bytes travel as base64. */
function travelling(type: FieldType | undefined): string {
  return type === undefined || type === 'bytea' ? 'text' : type;
}

function recordOf(
  table: FactTable,
  { key, fields, ownNs }: ReportedRow,
  order: FactOrder,
): Record<string, unknown> {
  const given = table.registers
    .map((register) => leadOf(register))
    .filter((lead) => fields[lead] !== null && fields[lead] !== undefined);
  return {
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, asJson(value)])),
    [table.key]: key,
    field_orders: Object.fromEntries(
      given.map((lead) => [lead, orderText({ ...order, ns: ownNs?.[lead] ?? order.ns })]),
    ),
  };
}

function asJson(value: FieldValue): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}

function leadOf(register: FactTable['registers'][number]): string {
  return Object.keys(register)[0] ?? '';
}

function orderOf(row: 'stored' | 'excluded', lead: string): RawBuilder<unknown> {
  return sql`(coalesce(${sql.ref(`${row}.field_orders`)} ->> ${sql.lit(lead)}, '') collate "C")`;
}

function newestOf(columns: readonly string[]): RawBuilder<unknown>[] {
  const lead = columns[0] ?? '';
  return columns.map(
    (column) => sql`${sql.ref(column)} = case when ${orderOf('excluded', lead)} > ${orderOf('stored', lead)}
      then ${sql.ref(`excluded.${column}`)} else ${sql.ref(`stored.${column}`)} end`,
  );
}

function mergedOrders({ registers }: FactTable): RawBuilder<unknown> {
  const merged = registers
    .map(leadOf)
    .map(
      (lead) =>
        sql`${sql.lit(lead)}, nullif(greatest(${orderOf('excluded', lead)}, ${orderOf('stored', lead)}), '')`,
    );
  return sql`jsonb_strip_nulls(jsonb_build_object(${sql.join(merged)}))`;
}

function contentOf(row: 'stored' | 'former', { silent }: FactTable): RawBuilder<unknown> {
  const left = ['field_orders', 'created_at', 'updated_at', ...silent];
  return sql`to_jsonb(${sql.ref(row)}) - array[${sql.join(left.map((name) => sql.lit(name)))}]`;
}
