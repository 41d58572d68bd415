// What the columns of the tables are in TypeScript. Money comes and goes as decimal text, 64-bit numbers as bigint,
// instants go in as ISO text and come out as Date.
import type { ColumnType, Generated } from 'kysely';

export type Instant = ColumnType<Date, string, string>;
export type OptionalInstant = ColumnType<Date | null, string | null | undefined, string | null>;
/** Inserted as JSON text, so that nothing on the way may touch a number in it. */
export type Json = ColumnType<unknown, string, string>;
export type OptionalJson = ColumnType<unknown, string | null | undefined, string | null>;
export type Decimal = string;

export interface Stamped {
  created_at: Generated<Date>;
  updated_at: ColumnType<Date, never, unknown>;
}
