// How Postgres' text becomes a value, the same for pg and for the embedded database: no date is moved
// through a time zone and no 64-bit or decimal number passes through a JavaScript number.

const oidOf = { int8: 20, date: 1082, numeric: 1700 } as const;

export const columnParsers: Readonly<Record<number, (text: string) => unknown>> = {
  [oidOf.int8]: (text) => BigInt(text),
  [oidOf.date]: (text) => text,
  [oidOf.numeric]: (text) => text,
};
