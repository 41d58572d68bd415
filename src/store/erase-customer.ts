// Erases a customer: first it is written down who was erased, so that nothing of theirs is let in again; then their
// rows go, in small transactions. Repeating it, also after a crash between two of them, ends in the same tables.
import { sql, type RawBuilder } from 'kysely';
import { AppError } from '../core/app-error.ts';
import { connectingEvents, readConnectedSince } from './connected-since.ts';
import type { Database, Executor, TablesTransaction } from './database.ts';
import { lockEntity } from './entity-lock.ts';
import { beginErasure, readDigest, recordErasures, type Subject } from './erasure-store.ts';
import { extendOperatorLog, writeOperatorLog } from './operator-log-store.ts';

export interface EraseCustomer {
  readonly customerId: string;
  /** When it was wished. What is dated before this, or at it, stays erased; a connection made since then stays. */
  readonly now: Date;
  /** Of one transaction; 2,000 when left out. */
  readonly rowsPerTransaction?: number;
  /** Who asked for it, for the operators' log, which then gets an entry; the customer is in it as an HMAC only. */
  readonly operator?: string;
  /** Of the application that asked for it; goes into the log's entry. */
  readonly requestId?: string;
  /** Told of the rows deleted so far, after each transaction; what it throws ends the erasure there, to be repeated. */
  readonly onProgress?: (rows: number) => void | Promise<void>;
}

export interface ErasedCustomer {
  readonly entities: number;
  /** Rows deleted, by table. */
  readonly rows: Readonly<Record<string, number>>;
}

const defaultRowsPerTransaction = 2_000;
/** Far beyond what one customer may have; nothing adds rows meanwhile, so this only stops a fault of ours. */
const transactionsLimit = 1_000_000;

/** Every table with rows of a customer, in the order in which they go; an entity's own row is what is found by, so it goes last. */
export const erasedTables = [
  // First: whatever is being done for an event right now can then not be committed.
  'webhook_events',
  'sync_steps',
  'sync_runs',
  'pending_results',
  'transaction_versions',
  'transactions',
  'balances',
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
  'consents',
  'accounts',
  'requests',
  'changes',
  'entities',
] as const;

/** Throws SCHEMA_OUTDATED on a database that `migrate` has not stamped, or what the database throws. */
export async function eraseCustomer(database: Database, options: EraseCustomer): Promise<ErasedCustomer> {
  const {
    customerId,
    rowsPerTransaction = defaultRowsPerTransaction,
    onProgress = () => undefined,
  } = options;
  const recorded = await recordWho(database, options);
  const { lifting, logId } = recorded;
  const rows = new Map<string, number>();
  const count = (table: string, deleted: number) => rows.set(table, (rows.get(table) ?? 0) + deleted);
  const tell = () => onProgress([...rows.values()].reduce((sum, deleted) => sum + deleted, 0));
  const erase = async ({ table, condition }: Deletion, turn: Turn | null) => {
    const deletion = { table, turn, condition, logId, limit: rowsPerTransaction };
    await deleteAll(database, deletion, async (deleted) => {
      count(table, deleted);
      await tell();
    });
  };
  const entityIds: string[] = [];
  for (const entityId of recorded.entityIds) {
    const turn = { entityId, lifting };
    if (!(await endRuns(database, turn))) continue;
    const deletions = ofEntity(database, entityId);
    for (const deletion of deletions) if (deletion.table !== 'entities') await erase(deletion, turn);
    if (await deleteRest(database, { turn, deletions, logId }, count)) entityIds.push(entityId);
    await tell();
  }
  for (const deletion of ofCustomer(database, customerId, { entityIds, lifting }))
    await erase(deletion, null);
  return { entities: entityIds.length, rows: Object.fromEntries(rows) };
}

/** What eraseCustomer would delete, by table, for whoever has to agree to it. Changes nothing. */
export async function previewErasure(database: Database, customerId: string): Promise<ErasedCustomer> {
  const entityIds = await entitiesOf(database, database.db, customerId);
  const deletions = [
    ...entityIds.flatMap((entityId) => ofEntity(database, entityId)),
    ...ofCustomer(database, customerId, { entityIds, lifting: null }),
  ];
  const rows: Record<string, number> = {};
  for (const table of erasedTables) {
    const conditions = deletions.filter((deletion) => deletion.table === table);
    // A row that several of them meet goes once. The tables that name entities alone have nothing without one.
    const anyOf = sql.join(
      [sql`false`, ...conditions.map(({ condition }) => sql`(${condition})`)],
      sql` or `,
    );
    const counted = await sql<{ count: number }>`
      select count(*)::int as count from ${database.table(table)} where ${anyOf}
    `.execute(database.db);
    rows[table] = counted.rows[0]?.count ?? 0;
  }
  return { entities: entityIds.length, rows };
}

interface Recorded {
  readonly entityIds: readonly string[];
  readonly lifting: Lifting;
  readonly logId: bigint | null;
}

/** By what the time is found at which a new connection was first heard of. */
interface Lifting {
  readonly customerHmac: string;
  readonly wishedAt: Date;
}

/** From its commit on, whatever arrives for them is dropped. */
async function recordWho(
  database: Database,
  { customerId, now, operator, requestId }: EraseCustomer,
): Promise<Recorded> {
  return database.transaction(async (transaction) => {
    await beginErasure(database, transaction);
    const digest = await readDigest(transaction);
    if (digest === null) {
      throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} was migrated but not stamped`);
    }
    const customerHmac = digest('customer', customerId);
    const known = await entitiesOf(database, transaction, customerId);
    const candidates = { entityIds: known, wishedAt: now, customerHmac };
    const anew = await readConnectedSince(database, transaction, candidates);
    const entityIds = known.filter((id) => !anew.entityIds.has(id));
    const lifting = { customerHmac, wishedAt: now };
    const results = await transaction
      .selectFrom('pending_results')
      .select('results_id')
      .where((build) =>
        build.or([
          build.and([
            build('customer_id', '=', customerId),
            build('entity_id', 'is', null),
            // As with the rows themselves: what came with a new connection is let in.
            ...(anew.heardAt === null ? [] : [build('created_at', '<', anew.heardAt)]),
          ]),
          ...(entityIds.length > 0 ? [build('entity_id', 'in', entityIds)] : []),
        ]),
      )
      .execute();
    const subjects: Subject[] = [
      { kind: 'customer', id: customerId, liftedAt: anew.heardAt },
      ...entityIds.map((id) => ({ kind: 'entity', id }) as const),
      ...results.map(({ results_id: id }) => ({ kind: 'results', id }) as const),
    ];
    await recordErasures(transaction, { subjects, digest, now });
    if (operator === undefined) return { entityIds, lifting, logId: null };
    const details = {
      entities: entityIds.length,
      customer_hmac: customerHmac,
      ...(requestId !== undefined && { requestId }),
    };
    const logId = await writeOperatorLog(transaction, { operator, command: 'erase', affected: 0, details });
    return { entityIds, lifting, logId };
  });
}

/** Wherever a row says whose it is: an event may have come before its entity was heard of. */
async function entitiesOf(database: Database, transaction: Executor, customerId: string): Promise<string[]> {
  const tables = [
    'entities',
    'webhook_events',
    'accounts',
    'identities',
    'consents',
    'requests',
    'sync_runs',
    'pending_results',
    'changes',
  ];
  const parts = tables.map(
    (table) => sql`select entity_id from ${database.table(table)}
      where customer_id = ${customerId} and entity_id is not null`,
  );
  const { rows } = await sql<{ entity_id: string }>`
    ${sql.join(parts, sql` union `)} order by entity_id
  `.execute(transaction);
  return rows.map((row) => row.entity_id);
}

interface Turn {
  readonly entityId: string;
  readonly lifting: Lifting;
}

/**
 * Takes the entity's lock. False where it turns out to be a new connection, of which other events had come first: its
 * `entity.created` is let in while the erasure runs.
 */
async function takeTurn(
  database: Database,
  transaction: TablesTransaction,
  { entityId, lifting }: Turn,
): Promise<boolean> {
  await lockEntity(database, transaction, entityId);
  const anew = await readConnectedSince(database, transaction, { entityIds: [entityId], ...lifting });
  return !anew.entityIds.has(entityId);
}

/** No call to Lean that is under way can store its reply afterwards, nor add a step. False: it stays. */
async function endRuns(database: Database, turn: Turn): Promise<boolean> {
  return database.transaction(async (transaction) => {
    if (!(await takeTurn(database, transaction, turn))) return false;
    await transaction
      .updateTable('sync_runs')
      .set({
        state: 'failed',
        failure_code: 'CUSTOMER_ERASED',
        finished_at: sql<string>`now()`,
        updated_at: sql`now()`,
      })
      .where('entity_id', '=', turn.entityId)
      .where('state', 'in', ['waiting', 'running'])
      .execute();
    return true;
  });
}

interface Deletion {
  readonly table: string;
  readonly condition: RawBuilder<unknown>;
}

function ofEntity(database: Database, entityId: string): Deletion[] {
  const isOfEntity = sql`entity_id = ${entityId}`;
  const among = (table: string, column: string) =>
    sql`select ${sql.ref(column)} from ${database.table(table)} where ${isOfEntity}`;
  // Announcements of results name neither entity nor customer.
  const announced: Deletion = {
    table: 'webhook_events',
    condition: sql`event_key in (${among('pending_results', 'event_key')})`,
  };
  return [
    announced,
    ...erasedTables.map((table) => ({
      table,
      condition: table === 'sync_steps' ? sql`sync_id in (${among('sync_runs', 'sync_id')})` : isOfEntity,
    })),
  ];
}

/**
 * What names the customer and no entity, unless it came with a new connection; and what was written for one of their
 * entities while that was erased. The wish to be erased is what an interrupted erasure goes on by.
 */
function ofCustomer(
  database: Database,
  customerId: string,
  {
    entityIds,
    // Null: no new connection counts.
    lifting,
  }: { readonly entityIds: readonly string[]; readonly lifting: Lifting | null },
): Deletion[] {
  const tables = ['webhook_events', 'pending_results', 'consents', 'requests', 'changes'];
  return tables.map((table) => {
    const isNamed = sql`customer_id = ${customerId} and entity_id is null`;
    const isOld = lifting === null ? sql`true` : cameBefore(database, table, lifting);
    const isTheirs = sql`entity_id = any(${entityIds}::text[])`;
    const isStill = lifting === null ? sql`true` : isNotAnew(database, entityIds, lifting);
    const condition = sql`((${isTheirs} and ${isStill}) or (${isNamed} and ${isOld}))`;
    return { table, condition: table === 'requests' ? sql`${condition} and kind <> 'erase'` : condition };
  });
}

/** Nobody may have told of the connection before its turn was over. */
function isNotAnew(database: Database, entityIds: readonly string[], { wishedAt }: Lifting) {
  return sql`entity_id not in (
    select event.entity_id from ${connectingEvents(database, wishedAt)} and event.entity_id = any(${entityIds}::text[])
  )`;
}

function cameBefore(database: Database, table: string, { customerHmac, wishedAt }: Lifting) {
  const liftedAt = sql`select lifted_at from ${database.table('erasures')} where subject_hmac = ${customerHmac}`;
  const isBefore = sql`created_at < coalesce((${liftedAt}), 'infinity')`;
  if (table !== 'webhook_events') return isBefore;
  return sql`(${isBefore} or occurred_at <= ${wishedAt.toISOString()}::timestamptz)`;
}

interface DeleteRest {
  readonly turn: Turn;
  readonly deletions: readonly Deletion[];
  readonly logId: bigint | null;
}

/**
 * The entity's own row, and in the same transaction the little that was written while the other tables were gone through:
 * whoever writes for an entity has its lock, and writes nothing where it has no row. False: it stays.
 */
async function deleteRest(
  database: Database,
  { turn, deletions, logId }: DeleteRest,
  onDeleted: (table: string, rows: number) => void,
): Promise<boolean> {
  const deleted = await database.transaction(async (transaction) => {
    if (!(await takeTurn(database, transaction, turn))) return null;
    const counts: [table: string, rows: number][] = [];
    for (const { table, condition } of deletions) {
      counts.push([table, await deleteRows(transaction, sql`${database.table(table)} where ${condition}`)]);
    }
    const affected = counts.reduce((sum, [, rows]) => sum + rows, 0);
    if (logId !== null && affected > 0) await extendOperatorLog(transaction, { logId, affected });
    return counts;
  });
  for (const [table, rows] of deleted ?? []) onDeleted(table, rows);
  return deleted !== null;
}

async function deleteRows(transaction: TablesTransaction, which: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows = 0n } = await sql`delete from ${which}`.execute(transaction);
  return Number(numAffectedRows);
}

interface DeleteAll extends Deletion {
  readonly logId: bigint | null;
  /** Taken for each transaction, against a step that is being stored. */
  readonly turn: Turn | null;
  readonly limit: number;
}

async function deleteAll(
  database: Database,
  { table, condition, turn, limit, logId }: DeleteAll,
  onDeleted: (rows: number) => Promise<void>,
): Promise<void> {
  for (let transactions = 0; transactions < transactionsLimit; transactions += 1) {
    const rows = await database.transaction(async (transaction) => {
      if (turn !== null && !(await takeTurn(database, transaction, turn))) return 0;
      const some = sql`select ctid from ${database.table(table)} where ${condition} limit ${limit}`;
      const which = sql`${database.table(table)} where ctid = any (array(${some}))`;
      const affected = await deleteRows(transaction, which);
      if (logId !== null && affected > 0) await extendOperatorLog(transaction, { logId, affected });
      return affected;
    });
    await onDeleted(rows);
    if (rows < limit) return;
  }
}
