// Points in time as Lean writes them. The text is the record; a missing or odd one stays missing, never "now".
import { z } from 'zod';

/** `text` as it came, `at` ISO 8601 UTC cut to milliseconds, `ns` nanoseconds since 1970 in UTC. */
export const instantSchema = z.strictObject({ text: z.string(), at: z.string(), ns: z.bigint() });
export type Instant = z.infer<typeof instantSchema>;

const pattern = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})$/;

/** Reads ISO 8601 with 0 to 9 fraction digits and an offset; anything else, an impossible date included, is null. */
export function parseInstant(text: string): Instant | null {
  const match = pattern.exec(text);
  if (!match) return null;
  const [, date = '', time = '', fraction = '', zone = 'Z'] = match;
  const offset = zone === 'Z' || zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  const wholeSecondMs = Date.parse(`${date}T${time}${offset}`);
  if (Number.isNaN(wholeSecondMs) || !isRealDay(date)) return null;
  const fractionNs = BigInt(fraction.padEnd(9, '0'));
  const ns = BigInt(wholeSecondMs) * 1_000_000n + fractionNs;
  const at = new Date(wholeSecondMs + Number(fractionNs / 1_000_000n)).toISOString();
  return { text, at, ns };
}

/** `Date` rolls 30 February over into March; a day that moves is not a day. */
function isRealDay(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}
