// The journal's SQL: deliveries in order of arrival and the bounds of the batches cut from them.
// Every function runs inside the caller's transaction; nothing here commits.
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { proofs } from '../core/delivery.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { seal } from '../sealing/seal.ts';
import { packBytes, unpackBytes } from './journal-messages.ts';
import type { Bounds, PackedBatch, PackedDeliveries } from './journal-messages.ts';

/** A job in Redis holds one batch, so both bounds keep it a size that one write moves quickly. */
const batchDeliveries = 256;
const batchBytes = 1024 * 1024;

export const journalSchema = `
  create table deliveries (
    sequence integer primary key autoincrement,
    received_at text not null,
    proof text not null,
    sealed blob not null
  ) strict;
  create table batches (first integer primary key, last integer not null) strict;
  create table meta (key text primary key, value text not null) strict, without rowid;
`;

const countSchema = z.object({ count: z.int() });
const metaSchema = z.object({ value: z.string() });
const boundsSchema = z.object({ first: z.int(), last: z.int() });
const sizeSchema = z.object({ sequence: z.int(), size: z.int() });
const extentSchema = z.object({ pages: z.int(), oldest: z.string().nullable() });
const deliverySchema = z.object({
  sequence: z.int(),
  received_at: z.string(),
  proof: z.enum(proofs),
  sealed: z.instanceof(Uint8Array),
});

export interface JournalRows {
  /** Gives the first sequence, which is not the one after the last of a former process; the rest follow without a gap. Sealed now, so that every read gives the same bytes. */
  append(deliveries: PackedDeliveries): number;
  /** The next deliveries in order, their bounds recorded; null when all are cut. A large delivery goes alone. */
  cut(): PackedBatch | null;
  openBatches(): Bounds[];
  /** Throws JOURNAL_BATCH_UNKNOWN when these bounds are not recorded. */
  read(bounds: Bounds): PackedBatch;
  /** Bounds that are not recorded were deleted before: nothing happens. */
  remove(bounds: Bounds): void;
  readMeta(key: string): string | null;
  writeMeta(key: string, value: string): void;
  count(): number;
  extent(): { pages: number; oldest: string | null };
}

interface JournalRowsOptions {
  readonly journalId: string;
  readonly keyRing: KeyRing | null;
  /** No delivery gets a smaller sequence than this. */
  readonly firstSequence: number;
}

export function createJournalRows(
  database: DatabaseSync,
  { journalId, keyRing, firstSequence }: JournalRowsOptions,
): JournalRows {
  const statements = prepareStatements(database);
  const lastRow = statements.lastSequence.get();
  const lastSequence = lastRow === undefined ? 0 : countSchema.parse(lastRow).count;
  let rows = countSchema.parse(statements.count.get()).count;
  let nextSequence = Math.max(lastSequence + 1, firstSequence);

  function isRecorded({ first, last }: Bounds): boolean {
    return statements.findBatch.get(first, last) !== undefined;
  }

  function read(bounds: Bounds): PackedBatch {
    if (!isRecorded(bounds)) {
      throw new AppError('JOURNAL_BATCH_UNKNOWN', `no batch ${bounds.first}-${bounds.last} in this journal`);
    }
    const deliveries = statements.readRows
      .all(bounds.first, bounds.last)
      .map((row) => deliverySchema.parse(row));
    return {
      first: bounds.first,
      last: bounds.last,
      sequences: deliveries.map(({ sequence }) => sequence),
      receivedAt: deliveries.map(({ received_at }) => received_at),
      proofs: deliveries.map(({ proof }) => proof),
      sealed: packBytes(deliveries.map(({ sealed }) => sealed)),
    };
  }

  return {
    append({ bodies, receivedAt, proofs: proven }) {
      const first = nextSequence;
      for (const [index, body] of unpackBytes(bodies).entries()) {
        const sealed = seal(keyRing, { purpose: 'delivery', recordId: `${journalId}:${nextSequence}` }, body);
        statements.insert.run(nextSequence, receivedAt[index] ?? null, proven[index] ?? null, sealed);
        nextSequence += 1;
        rows += 1;
      }
      return first;
    },
    cut() {
      const bounds = nextBounds(statements.uncut.all().map((row) => sizeSchema.parse(row)));
      if (bounds === null) return null;
      statements.recordBatch.run(bounds.first, bounds.last);
      return read(bounds);
    },
    openBatches: () => statements.batches.all().map((row) => boundsSchema.parse(row)),
    read,
    remove(bounds) {
      if (!isRecorded(bounds)) return;
      rows -= Number(statements.deleteRows.run(bounds.first, bounds.last).changes);
      statements.deleteBatch.run(bounds.first);
    },
    readMeta: (key) => readMeta(database, key),
    writeMeta: (key, value) => {
      statements.writeMeta.run(key, value);
    },
    count: () => rows,
    extent: () => extentSchema.parse(statements.extent.get()),
  };
}

export function readMeta(database: DatabaseSync, key: string): string | null {
  const row = database.prepare('select value from meta where key = ?').get(key);
  return row === undefined ? null : metaSchema.parse(row).value;
}

/** Ends at a gap, so that a batch always holds `last - first + 1` deliveries. */
function nextBounds(sizes: readonly { sequence: number; size: number }[]): Bounds | null {
  const [head] = sizes;
  if (head === undefined) return null;
  let last = head.sequence;
  let bytes = head.size;
  for (const { sequence, size } of sizes.slice(1)) {
    bytes += size;
    if (bytes > batchBytes || sequence !== last + 1) break;
    last = sequence;
  }
  return { first: head.sequence, last };
}

function prepareStatements(database: DatabaseSync) {
  return {
    insert: database.prepare(
      'insert into deliveries (sequence, received_at, proof, sealed) values (?, ?, ?, ?)',
    ),
    // A cut batch that is gone took its rows along, so whatever lies behind the last recorded one is uncut.
    uncut: database.prepare(`
      select sequence, length(sealed) as size from deliveries
      where sequence > coalesce((select max(last) from batches), 0)
      order by sequence limit ${batchDeliveries}`),
    recordBatch: database.prepare('insert into batches (first, last) values (?, ?)'),
    findBatch: database.prepare('select 1 from batches where first = ? and last = ?'),
    batches: database.prepare('select first, last from batches order by first'),
    readRows: database.prepare(`
      select sequence, received_at, proof, sealed from deliveries
      where sequence between ? and ? order by sequence`),
    deleteRows: database.prepare('delete from deliveries where sequence between ? and ?'),
    deleteBatch: database.prepare('delete from batches where first = ?'),
    writeMeta: database.prepare(
      'insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value',
    ),
    count: database.prepare('select count(*) as count from deliveries'),
    lastSequence: database.prepare("select seq as count from sqlite_sequence where name = 'deliveries'"),
    extent: database.prepare(`
      select (select page_count from pragma_page_count) - (select freelist_count from pragma_freelist_count) as pages,
        (select received_at from deliveries order by sequence limit 1) as oldest`),
  };
}
