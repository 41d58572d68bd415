// Tables of the model of Postgres: what is committed, what a transaction sees of it, whose row is locked. Nothing here
// takes time; model-postgres.ts decides when what happens.

export type Row = Readonly<Record<string, unknown>>;

interface Cell {
  committed: Row | undefined;
  pending: { readonly transaction: ModelTransaction; readonly row: Row } | undefined;
}

export interface ModelTransaction {
  readonly locks: Set<string>;
  readonly writes: Map<string, Cell>;
  readonly whenOver: (() => void)[];
  waitsFor: ModelTransaction | null;
  /** A statement of it failed: nothing but a rollback can follow. */
  isAborted: boolean;
  isOver: boolean;
}

/** Thrown by a statement that has to wait for another transaction; it is run again when that one is over. */
export class Blocked extends Error {
  readonly by: ModelTransaction;
  constructor(by: ModelTransaction) {
    super('waits for a lock');
    this.by = by;
  }
}

export interface Committed {
  readonly table: string;
  readonly key: string;
  readonly before: Row | undefined;
  readonly after: Row;
}

export interface ModelTables {
  /** As this transaction sees it. */
  get(transaction: ModelTransaction, table: string, key: string): Row | undefined;
  all(transaction: ModelTransaction, table: string): Row[];
  /** Takes the row's lock first; throws Blocked while another transaction has it. */
  put(
    transaction: ModelTransaction,
    at: { readonly table: string; readonly key: string; readonly row: Row },
  ): void;
  lock(transaction: ModelTransaction, name: string): void;
  tryLock(transaction: ModelTransaction, name: string): boolean;
  /** A sequence: numbers that a rollback does not give back. */
  nextNumber(): number;
}

interface TableStore {
  readonly tables: ModelTables;
  readonly end: (transaction: ModelTransaction, isCommit: boolean) => void;
  readonly committed: (table: string) => Row[];
}

export function createModelTables(onCommitted: (change: Committed) => void): TableStore {
  const cells = new Map<string, Map<string, Cell>>();
  const locks = new Map<string, ModelTransaction>();
  let lastNumber = 0;

  function cellsOf(table: string): Map<string, Cell> {
    const known = cells.get(table) ?? new Map<string, Cell>();
    cells.set(table, known);
    return known;
  }

  const tables: ModelTables = {
    get(transaction, table, key) {
      const cell = cellsOf(table).get(key);
      return cell && seen(transaction, cell);
    },
    all: (transaction, table) =>
      [...cellsOf(table).values()].map((cell) => seen(transaction, cell)).filter((row) => row !== undefined),
    put(transaction, { table, key, row }) {
      tables.lock(transaction, `${table}:${key}`);
      const cell = cellsOf(table).get(key) ?? { committed: undefined, pending: undefined };
      cellsOf(table).set(key, cell);
      cell.pending = { transaction, row };
      transaction.writes.set(`${table}:${key}`, cell);
    },
    lock(transaction, name) {
      const holder = locks.get(name);
      if (holder !== undefined && holder !== transaction) throw new Blocked(holder);
      locks.set(name, transaction);
      transaction.locks.add(name);
    },
    tryLock(transaction, name) {
      if (locks.has(name) && locks.get(name) !== transaction) return false;
      tables.lock(transaction, name);
      return true;
    },
    nextNumber: () => (lastNumber += 1),
  };

  function end(transaction: ModelTransaction, isCommit: boolean): void {
    if (transaction.isOver) return;
    transaction.isOver = true;
    for (const [name, cell] of transaction.writes) {
      const row = cell.pending?.row;
      cell.pending = undefined;
      if (!isCommit || row === undefined) continue;
      const before = cell.committed;
      cell.committed = row;
      const split = name.indexOf(':');
      onCommitted({ table: name.slice(0, split), key: name.slice(split + 1), before, after: row });
    }
    for (const name of transaction.locks) locks.delete(name);
    for (const run of transaction.whenOver) run();
  }

  return {
    tables,
    end,
    committed: (table) =>
      [...cellsOf(table).values()].map(({ committed }) => committed).filter((row) => row !== undefined),
  };
}

function seen(transaction: ModelTransaction, { committed, pending }: Cell): Row | undefined {
  return pending?.transaction === transaction ? pending.row : committed;
}

export function newTransaction(): ModelTransaction {
  return {
    locks: new Set(),
    writes: new Map(),
    whenOver: [],
    waitsFor: null,
    isAborted: false,
    isOver: false,
  };
}
