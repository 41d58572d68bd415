// One rule of the source and how to take it out.

export interface Mutation {
  readonly rule: string;
  /** Below src/. */
  readonly file: string;
  /** The file of test/unit/ that is asked first; the others follow when it stays green. */
  readonly test: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export type Row = readonly [rule: string, find: string, replace: string];

/** Rows of one source file. */
export const inFile = (file: string, test: string, rows: readonly Row[]): Mutation[] =>
  rows.map(([rule, find, replace]) => ({ rule, file, test, find, replace }));
