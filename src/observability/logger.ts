// The only way to write a log line: one JSON object per line, its message the event's name, its facts the fields
// listed for that event. Never passes anything else on, and never a raw control character.
import { pino, type DestinationStream } from 'pino';
import { isoTime } from '../core/iso-time.ts';
import { describeError } from './describe-error.ts';
import { fieldKinds, levelOf, type FieldKind, type LogEvent, type LogEvents } from './log-events.ts';
import { createStandardOutput } from './standard-output.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Logger {
  write<Event extends LogEvent>(event: Event, fields: LogEvents[Event]): void;
}

/** For whoever ends the process. */
export interface ProcessLogger extends Logger {
  /** The last thing before the process exits: waits for the reader of the lines, but never long. */
  flush(): Promise<void>;
}

interface LoggerOptions {
  readonly level: LogLevel;
  /** Which process this is: receiver, worker, all, migrate, ops. */
  readonly role: string;
  /** Standard output when left out. One that is handed in is flushed by its owner. */
  readonly destination?: DestinationStream;
}

export function createLogger({ level, role, destination }: LoggerOptions): ProcessLogger {
  const output = destination === undefined ? createStandardOutput() : null;
  const lines = pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    output ?? destination,
  );
  function write<Event extends LogEvent>(event: Event, fields: LogEvents[Event]): void {
    const facts = pickFields(event, fields);
    lines[levelOf(event, facts)](facts, event);
  }
  return {
    write(event, fields) {
      const dropped = output?.takeDropped() ?? 0;
      if (dropped > 0) write('lines_dropped', { lines: dropped });
      write(event, fields);
    },
    flush: async () => output?.flush(),
  };
}

function pickFields(event: LogEvent, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  const { error } = fields;
  if (error !== undefined) {
    for (const [name, value] of Object.entries(describeError(error)))
      facts[name] = typeof value === 'string' ? cleanText(value) : value;
  }
  for (const [name, kind] of fieldKinds(event)) {
    const value = cleanValue(fields[name], kind);
    if (value !== undefined) facts[name] = value;
  }
  return facts;
}

function cleanValue(value: unknown, kind: FieldKind): unknown {
  if (value === undefined) return undefined;
  switch (kind) {
    case 'text':
    case 'text?':
      return typeof value === 'string' ? cleanText(value) : undefined;
    case 'line':
    case 'line?':
      return typeof value === 'string' ? cleanText(value, 2000) : undefined;
    case 'number':
    case 'number?':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'flag':
    case 'flag?':
      return typeof value === 'boolean' ? value : undefined;
  }
}

/** Control, format (bidi, zero-width), private-use and lone surrogate characters, and line separators. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Nearly all that is logged: nothing in it needs spelling out. */
const plainText = /^[\x20-\x7e]*$/;

/** Makes text safe to show on any terminal: what could move the cursor or turn the line around is spelled out. */
export function cleanText(text: string, limit = 200): string {
  if (text.length <= limit && plainText.test(text)) return text;
  const spelled = text
    .slice(0, limit)
    .replace(unprintable, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
  return spelled.length > limit ? spelled.slice(0, limit) : spelled;
}
