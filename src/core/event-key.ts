// The names things get so that a repeat meets itself: an event's key, the key of a conflicting body, job ids.
// Pure functions of their input; a random or clock value in here would break every repeat.
import { createHash } from 'node:crypto';

/** Printable ASCII without blanks: safe in a log line, a URL and a primary key. */
const eventIdPattern = /^[\x21-\x7e]{1,200}$/;

/** Lower-case hex, 64 characters. A string is hashed as UTF-8. */
export function sha256Hex(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Lean's `event_id` where it is one a key may be made of, else `sha256:` and the hash of the raw body. */
export function eventKey(eventId: string | null, rawBody: Uint8Array): string {
  if (eventId !== null && eventIdPattern.test(eventId)) return eventId;
  return `sha256:${sha256Hex(rawBody)}`;
}

/** The key under which a second, different body of one event id is kept. */
export function conflictKey(key: string, rawBody: Uint8Array): string {
  return `${key}#${sha256Hex(rawBody)}`;
}

/** Hashed because an event key may hold a `:`, which BullMQ refuses; a replay gets a job of its own. */
export function eventJobId(key: string, replayCount: number): string {
  return `ev_${sha256Hex(key)}_${replayCount}`;
}
