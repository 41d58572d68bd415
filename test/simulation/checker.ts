// What must hold whatever happened: nothing answered 200 is lost, every event has one effect, no row left a journal
// before its batch was stored. It watches the models' durable state and believes no word of the code under test.
import { open } from '../../src/sealing/seal.ts';
import type { Acknowledged, EventGroup } from './model-lean.ts';
import { covers, type ReleasedRow } from './model-journal.ts';
import type { ModelPostgres } from './model-postgres.ts';
import type { Committed, Row } from './model-tables.ts';

export interface Checker {
  onCommitted(change: Committed): void;
  onReleased(row: ReleasedRow): void;
  onAcknowledged(acknowledged: Acknowledged): void;
  /** When all is healed and drained. */
  checkEnd(groups: readonly EventGroup[], postgres: ModelPostgres): void;
}

interface StoredBatch {
  readonly journalId: string;
  readonly first: number;
  readonly last: number;
}

export function createChecker(violate: (what: string) => void): Checker {
  const batches: StoredBatch[] = [];
  const released = new Map<string, ReleasedRow>();
  const acknowledged: { readonly id: string; readonly name: string }[] = [];
  const conclusions = new Map<unknown, number>();
  const effects = new Map<unknown, number>();

  const isStored = (journalId: string, sequence: number) =>
    batches.some((batch) => batch.journalId === journalId && covers(batch, sequence));

  return {
    onCommitted({ table, key, before, after }) {
      if (table === 'intake_batches') batches.push(readJobId(key));
      if (table === 'changes') count(effects, after['event_key']);
      if (table !== 'webhook_events') return;
      const was = before?.['concluded_at'] ?? null;
      const is = after['concluded_at'] ?? null;
      if (is !== null && was !== is) count(conclusions, key);
      if (is === null && was !== null) violate(`${key} was concluded and is open again`);
    },
    onReleased(row) {
      released.set(idOf(row.journalId, row.sequence), row);
      if (!isStored(row.journalId, row.sequence))
        violate(`row ${row.sequence} was deleted before it was stored`);
    },
    onAcknowledged({ group, receiver, sequence }) {
      const { journalId } = receiver.disk;
      const id = idOf(journalId, sequence);
      acknowledged.push({ id, name: group.name });
      const isKept = receiver.disk.synced().rows.some((row) => row.sequence === sequence);
      if (!isKept && !released.has(id)) violate(`${group.name} was answered 200 before it was durable`);
      if (receiver.waitsForStore && !isStored(journalId, sequence))
        violate(`${group.name} was answered 200 before it was stored`);
    },
    checkEnd(groups, postgres) {
      for (const { id, name } of acknowledged) {
        if (!released.has(id)) violate(`${name} was answered 200 and is lost`);
      }
      const rows = postgres.committed('webhook_events');
      const durable = [...released.values()].map(({ body }) => Buffer.from(body));
      for (const group of groups) {
        const deliveries = durable.filter((body) => isOf(group, body)).length;
        const found = rows.filter((row) => isOf(group, bodyOf(row)));
        checkGroup(group, { deliveries, found });
      }
    },
  };

  function checkGroup(
    { name, state, effects: wanted }: EventGroup,
    { deliveries, found }: { deliveries: number; found: readonly Row[] },
  ): void {
    const [row] = found;
    if (deliveries === 0 && row === undefined) return;
    if (row === undefined || found.length > 1) {
      violate(`${name} has ${found.length} rows after ${deliveries} durable deliveries`);
      return;
    }
    const key = String(row['event_key']);
    const isConflict = key.includes('#');
    const expected = { state: isConflict ? 'quarantined' : state, effects: isConflict ? 0 : wanted };
    const told = (what: string, is: unknown, should: unknown) => {
      if (is !== should) violate(`${name} has ${String(is)} as ${what}, not ${String(should)}`);
    };
    told('delivery_count', row['delivery_count'], deliveries);
    told('state', row['state'], expected.state);
    told('number of conclusions', conclusions.get(key) ?? 0, 1);
    told('number of effects', effects.get(key) ?? 0, expected.effects);
  }
}

function idOf(journalId: string, sequence: number): string {
  return `${journalId}:${sequence}`;
}

function count(counts: Map<unknown, number>, key: unknown): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** `in_<journalId>_<first>-<last>`. */
function readJobId(jobId: string): StoredBatch {
  const [, journalId = '', bounds = ''] = jobId.split('_');
  const [first, last] = bounds.split('-').map(Number);
  return { journalId, first: first ?? 0, last: last ?? 0 };
}

function isOf({ bodies }: EventGroup, body: Buffer | null): boolean {
  return body !== null && bodies.some((one) => body.equals(one));
}

function bodyOf(row: Row): Buffer | null {
  const { event_key: key, body } = row;
  if (!(body instanceof Uint8Array)) return null;
  return Buffer.from(open(null, { purpose: 'event', recordId: String(key) }, body));
}
