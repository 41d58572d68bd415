// From Lean's times to what the tables hold: instants within the range of every column, and the bank's local day.
// A date is never moved except by a zone the source itself names, and never replaced by the clock.
import { parseInstant, type Instant } from './instant.ts';

/** Nanoseconds since 1970 fit a 64-bit column from 1678 to 2261; a year beyond is a bank's placeholder, not a time. */
const earliestYear = 1678;
const latestYear = 2261;

/** As `parseInstant`, and null outside 1678 to 2261. */
export function readInstant(text: string | null): Instant | null {
  const instant = text === null ? null : parseInstant(text);
  if (!instant) return null;
  const year = Number(instant.at.slice(0, 4));
  return year >= earliestYear && year <= latestYear ? instant : null;
}

/** As `readInstant`; a day without a time is its midnight in UTC, so that it still shows the day that was written. */
export function readMoment(text: string | null): Instant | null {
  const instant = readInstant(text);
  if (instant || text === null || !isDayAlone(text)) return instant;
  const midnight = readInstant(`${text}T00:00:00Z`);
  return midnight && { ...midnight, text };
}

/** Whether the text is a day without a time. */
export function isDayAlone(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text);
}

/**
 * `date` where a source that knows only the day would write the same: a day alone, or midnight as written or in
 * `zone`. What happened exactly at midnight cannot be told from it.
 */
export function precisionOf(instant: Instant, zone: string | null): 'date' | 'instant' {
  const { text } = instant;
  if (isDayAlone(text) || /^\S{10}[T ]00:00:00(?:\.0+)?(?!\.?\d)/.test(text)) return 'date';
  return zone !== null && startsDay(instant, zone) ? 'date' : 'instant';
}

function startsDay(instant: Instant, zone: string): boolean {
  if (instant.ns % 1_000_000n !== 0n) return false;
  const justBefore = { ...instant, at: new Date(Date.parse(instant.at) - 1).toISOString() };
  return localDate(instant, zone) !== localDate(justBefore, zone);
}

/** A calendar day `YYYY-MM-DD` that exists, else null. Takes the leading day of a longer text. */
export function readDate(text: string | null): string | null {
  const day = /^\d{4}-\d{2}-\d{2}(?!\d)/.exec(text ?? '')?.[0];
  return day !== undefined && readInstant(`${day}T00:00:00Z`) ? day : null;
}

/**
 * The day it was at `instant` in `zone`: an offset (`UTC+04:00`, `+03:00`, `GMT+3`, `UTC`) or an IANA name.
 * Null where the zone is neither.
 */
export function localDate(instant: Instant, zone: string): string | null {
  const offsetMinutes = readOffset(zone);
  if (offsetMinutes !== null) return shiftedDay(instant, offsetMinutes);
  const formatter = formatterFor(zone);
  // The Swedish form of a date is ISO 8601.
  return formatter && formatter.format(Date.parse(instant.at));
}

function shiftedDay(instant: Instant, offsetMinutes: number): string {
  return new Date(Date.parse(instant.at) + offsetMinutes * 60_000).toISOString().slice(0, 10);
}

/** Minutes east of Greenwich; ISO 8601 allows up to 14 hours. */
function readOffset(zone: string): number | null {
  const match = /^(?:UTC|GMT|Z)?(?:([+-])(\d{1,2})(?::?(\d{2}))?)?$/i.exec(zone);
  if (!match || zone === '') return null;
  const [, sign, hours = '0', minutes = '0'] = match;
  const total = Number(hours) * 60 + Number(minutes);
  if (total > 14 * 60 || Number(minutes) > 59) return null;
  return sign === '-' ? -total : total;
}

const formatters = new Map<string, Intl.DateTimeFormat | null>();
/** The world has about 600 zone names; the rest is noise and need not be remembered. */
const formatterLimit = 1000;

function formatterFor(zone: string): Intl.DateTimeFormat | null {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  const made = makeFormatter(zone);
  if (formatters.size < formatterLimit) formatters.set(zone, made);
  return made;
}

function makeFormatter(zone: string): Intl.DateTimeFormat | null {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return null;
  try {
    return new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
  } catch {
    return null;
  }
}
