// What each statement of walk 1 means to the model's tables. Only the meaning that this walk leans on: unique keys,
// `on conflict`, `where state = 'received'`, counting. That Postgres gives these statements that meaning is proved
// against Postgres, by the integration tests.
import { z } from 'zod';
import type { ModelTables, ModelTransaction, Row } from './model-tables.ts';

export interface Outcome {
  readonly rows: readonly Row[];
  readonly affected: number;
}

interface Statement {
  readonly tables: ModelTables;
  readonly transaction: ModelTransaction;
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly now: Date;
}

const events = 'webhook_events';

const meanings: readonly [pattern: RegExp, run: (statement: Statement) => Outcome][] = [
  [/^insert into "sim"\."intake_batches"/, insertBatch],
  [/^insert into "sim"\."webhook_events"/, upsertEvents],
  [/^insert into "sim"\."entities"/, upsertEntity],
  [/^insert into "sim"\."changes"/, insertChanges],
  [/^update "sim"\."webhook_events" set "state"/, conclude],
  [/^select pg_try_advisory_xact_lock/, tryLock],
  [/^select pg_advisory_xact_lock\(/, takeLock],
  [/^select event_key, replay_count, received_at::text/, selectOpenPage],
  [/^select .*"proof".* from "sim"\."webhook_events" where "event_key" in /, selectEvents],
  [/^select .* from "sim"\."webhook_events" where "event_key" in /, selectOpenAmong],
  [/^select .* from "sim"\."webhook_events" where "event_key" = \$1$/, selectEvent],
  [/^select .* from "sim"\."entities" where/, selectEntities],
  // Nothing was ever erased, and no sync runs in this world.
  [/^select .*"sim"\."(erasures|installation|sync_steps|sync_runs)"/, nothing],
  [/^select pg_advisory_xact_lock_shared/, nothing],
  [/^select set_config/, nothing],
];

export function runStatement(statement: Statement): Outcome {
  const sql = statement.sql.replaceAll(/\s+/g, ' ').trim();
  const meaning = meanings.find(([pattern]) => pattern.test(sql));
  if (meaning === undefined) throw new UnknownStatement(sql);
  return meaning[1]({ ...statement, sql });
}

/** The model has to be taught. */
export class UnknownStatement extends Error {
  override readonly name = 'UnknownStatement';
}

function nothing(): Outcome {
  return { rows: [], affected: 0 };
}

function insertBatch({ tables, transaction, parameters }: Statement): Outcome {
  const [jobId, deliveries] = z.tuple([z.string(), z.int()]).parse(parameters);
  tables.lock(transaction, `intake_batches:${jobId}`);
  if (tables.get(transaction, 'intake_batches', jobId) !== undefined) return nothing();
  tables.put(transaction, { table: 'intake_batches', key: jobId, row: { job_id: jobId, deliveries } });
  return { rows: [], affected: 1 };
}

const rowSchema = z.looseObject({
  event_key: z.string(),
  body: z.string().nullable(),
  state: z.string(),
  delivery_count: z.int(),
  payload_hash: z.string(),
  received_at: z.string(),
});

const storedSchema = z.looseObject({
  event_key: z.string(),
  payload_hash: z.string(),
  delivery_count: z.int(),
  replay_count: z.int(),
  concluded_at: z.date().nullable(),
  updated_at: z.date(),
  received_at: z.date(),
});

function upsertEvents({ tables, transaction, parameters, now }: Statement): Outcome {
  const text = parameters.find((parameter) => typeof parameter === 'string' && parameter.startsWith('[{'));
  const given = z.array(rowSchema).parse(JSON.parse(z.string().parse(text)));
  // One lock after the other, in the order of the statement.
  for (const { event_key: key } of given) tables.lock(transaction, `${events}:${key}`);
  const rows = given.flatMap((row) => {
    const found = tables.get(transaction, events, row.event_key);
    const known = found && storedSchema.parse(found);
    if (known !== undefined && known.payload_hash !== row.payload_hash) return [];
    const stored =
      known === undefined
        ? newEvent(row, now)
        : { ...known, delivery_count: known.delivery_count + row.delivery_count, updated_at: now };
    tables.put(transaction, { table: events, key: row.event_key, row: stored });
    return [{ ...stored, open: stored.concluded_at === null, inserted: known === undefined }];
  });
  return { rows, affected: rows.length };
}

function newEvent(row: z.output<typeof rowSchema>, now: Date) {
  return {
    ...row,
    body: row.body === null ? null : Buffer.from(row.body, 'base64'),
    received_at: new Date(row.received_at),
    occurred_at_ns: null,
    ownership_proven_at: null,
    replay_count: 0,
    concluded_at: row.state === 'received' ? null : now,
    updated_at: now,
  };
}

function upsertEntity({ tables, transaction, parameters }: Statement): Outcome {
  const text = parameters.find((parameter) => typeof parameter === 'string' && parameter.startsWith('[{"'));
  const given = entityRowsSchema.parse(JSON.parse(z.string().parse(text)));
  const rows = given.map((row) => {
    const key = row.entity_id;
    tables.lock(transaction, `entities:${key}`);
    const inserted = tables.get(transaction, 'entities', key) === undefined;
    tables.put(transaction, { table: 'entities', key, row });
    return { entityId: key, inserted, state: 'active', stateOrder: row.field_orders.state ?? null };
  });
  return { rows, affected: rows.length };
}

const entityRowsSchema = z.array(
  z.looseObject({ entity_id: z.string(), field_orders: z.looseObject({ state: z.string().optional() }) }),
);

function insertChanges({ tables, transaction, sql, parameters }: Statement): Outcome {
  const names = z.string().parse(/\(([^)]*)\) values/.exec(sql)?.[1]);
  const columns = names.split(', ').map((name) => name.replaceAll('"', ''));
  for (let from = 0; from < parameters.length; from += columns.length) {
    const row = Object.fromEntries(columns.map((column, index) => [column, parameters[from + index]]));
    // Numbered as a sequence does it: never the same twice.
    const key = String(tables.nextNumber());
    tables.put(transaction, { table: 'changes', key, row });
  }
  return { rows: [], affected: parameters.length / columns.length };
}

/** `update … set "state" = $1, "failure_code" = $2, … where "event_key" = $n and state = 'received'`. */
function conclude(statement: Statement): Outcome {
  if (!/ where "event_key" in \(/.test(statement.sql)) return concludeOne(statement);
  const [state, failureCode, ...keys] = statement.parameters;
  const sql = ` where "event_key" = $3 and state = 'received'`;
  const rows = keys.flatMap((key) => {
    const { affected } = concludeOne({ ...statement, sql, parameters: [state, failureCode, key] });
    return affected === 1 ? [{ event_key: key }] : [];
  });
  return { rows, affected: rows.length };
}

function concludeOne({ tables, transaction, sql, parameters, now }: Statement): Outcome {
  const key = z.string().parse(parameters.at(-1));
  tables.lock(transaction, `${events}:${key}`);
  const found = tables.get(transaction, events, key);
  if (found === undefined) return nothing();
  const guarded = / where "event_key" = \$\d+ and state = 'received'$/.test(sql);
  if (guarded && found['concluded_at'] !== null) return nothing();
  const [state, failureCode] = parameters;
  const row = { ...found, state, failure_code: failureCode, concluded_at: now, updated_at: now };
  tables.put(transaction, { table: events, key, row });
  return { rows: [], affected: 1 };
}

function tryLock({ tables, transaction, parameters }: Statement): Outcome {
  const locked = tables.tryLock(transaction, `advisory:${String(parameters[0])}`);
  return { rows: [{ locked }], affected: 1 };
}

function takeLock({ tables, transaction, parameters }: Statement): Outcome {
  const [name, listed] = parameters;
  const ids = Array.isArray(listed) ? listed.map(String).toSorted() : [''];
  for (const id of ids) tables.lock(transaction, `advisory:${String(name)}${id}`);
  return { rows: [], affected: 1 };
}

function selectOpenPage({ tables, transaction, parameters, now }: Statement): Outcome {
  const seconds = z.number().parse(parameters[0]);
  const limit = z.int().parse(parameters.at(-1));
  const rows = tables
    .all(transaction, events)
    .map((row) => storedSchema.parse(row))
    .filter((row) => row.concluded_at === null && row.updated_at.getTime() <= now.getTime() - seconds * 1000)
    .slice(0, limit)
    .map((row) => Object.assign({}, row, { received_at: row.received_at.toISOString() }));
  return { rows, affected: rows.length };
}

function selectOpenAmong({ tables, transaction, parameters }: Statement): Outcome {
  const rows = tables
    .all(transaction, events)
    .filter((row) => parameters.includes(row['event_key']) && row['concluded_at'] === null);
  return { rows, affected: rows.length };
}

function selectEvents({ tables, transaction, parameters }: Statement): Outcome {
  const rows = tables.all(transaction, events).filter((row) => parameters.includes(row['event_key']));
  return { rows, affected: rows.length };
}

function selectEvent({ tables, transaction, parameters }: Statement): Outcome {
  const row = tables.get(transaction, events, z.string().parse(parameters[0]));
  return row === undefined ? nothing() : { rows: [row], affected: 1 };
}

function selectEntities({ tables, transaction, sql, parameters }: Statement): Outcome {
  const rows = tables.all(transaction, 'entities').filter((row) => parameters.includes(row['entity_id']));
  if (sql.endsWith(' for update')) {
    for (const row of rows) tables.lock(transaction, `entities:${String(row['entity_id'])}`);
  }
  return { rows: rows.map((row) => ({ ...row, entityId: row['entity_id'] })), affected: rows.length };
}
