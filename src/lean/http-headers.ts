// The few response headers that matter, read so that nothing odd in them goes on into a log line or a delay.
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The first field of that name. */
function readHeader(headers: ResponseHeaders, name: string): string | null {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}

/** A trace id as Lean or Cloudflare writes them: up to 200 printable ASCII characters, else null. */
export function readTraceId(headers: ResponseHeaders, name: string): string | null {
  const value = readHeader(headers, name);
  return value !== null && /^[\x21-\x7e]{1,200}$/.test(value) ? value : null;
}

/** The `Date` header; its text is kept as the instant's text. */
export function readHttpDate(headers: ResponseHeaders): Instant | null {
  const text = readHeader(headers, 'date');
  const ms = text === null ? Number.NaN : Date.parse(text);
  const instant = Number.isNaN(ms) ? null : readInstant(new Date(ms).toISOString());
  return instant && text !== null ? { ...instant, text } : null;
}

/**
 * `Retry-After` in milliseconds, from seconds or from a date. A date counts against the reply's own `Date`, so a
 * wrong clock on either side does not matter; `nowMs` stands in where there is none. Undefined = not asked for.
 */
export function readRetryAfter(headers: ResponseHeaders, nowMs: number): number | undefined {
  const text = readHeader(headers, 'retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const untilMs = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(untilMs)) return undefined;
  const sentMs = Date.parse(readHeader(headers, 'date') ?? '');
  return Math.max(0, untilMs - (Number.isNaN(sentMs) ? nowMs : sentMs));
}
