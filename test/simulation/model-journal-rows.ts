// The journal's two tables in memory, with the meaning of journal-rows.ts: in order, cut once, deleted with their bounds.
import { AppError } from '../../src/core/app-error.ts';
import type { Proof } from '../../src/core/delivery.ts';
import { packBytes, unpackBytes } from '../../src/journal/journal-messages.ts';
import type { Bounds, PackedBatch } from '../../src/journal/journal-messages.ts';
import type { JournalRows } from '../../src/journal/journal-rows.ts';
import { seal } from '../../src/sealing/seal.ts';

interface ModelRow {
  readonly sequence: number;
  readonly receivedAt: string;
  readonly proof: Proof;
  readonly body: Uint8Array;
  readonly sealed: Uint8Array;
}

export interface JournalTables {
  readonly rows: readonly ModelRow[];
  readonly batches: readonly Bounds[];
  readonly meta: Readonly<Record<string, string>>;
  readonly nextSequence: number;
}

interface OpenTables {
  rows: ModelRow[];
  batches: Bounds[];
  meta: Record<string, string>;
  nextSequence: number;
  /** Something is to be committed. */
  isChanged: boolean;
}

/** Small, so that a handful of deliveries makes several batches. */
const batchDeliveries = 3;

export function emptyTables(): JournalTables {
  return { rows: [], batches: [], meta: {}, nextSequence: 1 };
}

export function copyTables({ rows, batches, meta, nextSequence }: JournalTables): OpenTables {
  return { rows: [...rows], batches: [...batches], meta: { ...meta }, nextSequence, isChanged: false };
}

export function rowsOn(tables: OpenTables, journalId: string): JournalRows {
  const isRecorded = ({ first, last }: Bounds) =>
    tables.batches.some((batch) => batch.first === first && batch.last === last);
  const within = ({ first, last }: Bounds) =>
    tables.rows.filter(({ sequence }) => sequence >= first && sequence <= last);

  function read(bounds: Bounds): PackedBatch {
    if (!isRecorded(bounds)) throw new AppError('JOURNAL_BATCH_UNKNOWN', 'these bounds are not recorded');
    const rows = within(bounds);
    return {
      first: bounds.first,
      last: bounds.last,
      sequences: rows.map(({ sequence }) => sequence),
      receivedAt: rows.map(({ receivedAt }) => receivedAt),
      proofs: rows.map(({ proof }) => proof),
      sealed: packBytes(rows.map(({ sealed }) => sealed)),
    };
  }

  return {
    append({ bodies, receivedAt, proofs }) {
      tables.isChanged = true;
      const first = tables.nextSequence;
      for (const [index, body] of unpackBytes(bodies).entries()) {
        const sequence = tables.nextSequence;
        const sealed = seal(null, { purpose: 'delivery', recordId: `${journalId}:${sequence}` }, body);
        const row = { sequence, receivedAt: receivedAt[index] ?? '', proof: proofs[index] ?? 'none' };
        tables.rows.push({ ...row, body: Uint8Array.from(body), sealed });
        tables.nextSequence += 1;
      }
      return first;
    },
    cut() {
      const cutThrough = Math.max(0, ...tables.batches.map(({ last }) => last));
      const uncut = tables.rows.filter(({ sequence }) => sequence > cutThrough).slice(0, batchDeliveries);
      const [head] = uncut;
      if (head === undefined) return null;
      let last = head.sequence;
      for (const { sequence } of uncut.slice(1)) {
        if (sequence !== last + 1) break;
        last = sequence;
      }
      const bounds = { first: head.sequence, last };
      tables.isChanged = true;
      tables.batches.push(bounds);
      return read(bounds);
    },
    openBatches: () => [...tables.batches],
    read,
    remove(bounds) {
      if (!isRecorded(bounds)) return;
      tables.isChanged = true;
      const gone = new Set(within(bounds));
      tables.rows = tables.rows.filter((row) => !gone.has(row));
      tables.batches = tables.batches.filter(({ first }) => first !== bounds.first);
    },
    readMeta: (key) => tables.meta[key] ?? null,
    writeMeta(key, value) {
      tables.isChanged = true;
      tables.meta[key] = value;
    },
    count: () => tables.rows.length,
    extent: () => ({ pages: 1, oldest: tables.rows[0]?.receivedAt ?? null }),
  };
}
