// The only way to write a log line: one JSON object per line, its message the event's name, its facts the fields
// listed for that event. Never passes anything else on, and never a raw control character.
import { pino, type DestinationStream } from 'pino';
import { describeError } from './describe-error.ts';
import { fieldKinds, levelOf, type FieldKind, type LogEvent, type LogEvents } from './log-events.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Logger {
  write<Event extends LogEvent>(event: Event, fields: LogEvents[Event]): void;
}

/** With this much unread, further lines are dropped. */
const unreadLimitBytes = 8 * 1024 * 1024;

interface LoggerOptions {
  readonly level: LogLevel;
  /** Which process this is: receiver, worker, all, migrate, ops. */
  readonly role: string;
  /** Standard output when left out; the last lines are written when the process exits. */
  readonly destination?: DestinationStream;
}

export function createLogger({ level, role, destination }: LoggerOptions): Logger {
  const lines = pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? standardOutput(),
  );
  return {
    write(event, fields) {
      const facts = pickFields(event, fields);
      lines[levelOf(event, facts)](facts, event);
    },
  };
}

/** Never waits for whoever reads the lines: a stalled log collector must not hold back an acknowledgement. */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false, maxLength: unreadLimitBytes });
  process.once('exit', () => output.flushSync());
  return output;
}

function pickFields(event: LogEvent, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  const { error } = fields;
  if (error !== undefined) Object.assign(facts, describeError(error));
  for (const [name, kind] of Object.entries(fieldKinds(event))) {
    const value = cleanValue(fields[name], kind);
    if (value !== undefined) facts[name] = value;
  }
  for (const [name, value] of Object.entries(facts)) {
    if (typeof value === 'string')
      facts[name] = cleanText(value, fieldKinds(event)[name]?.startsWith('line') ? 2000 : 200);
  }
  return facts;
}

function cleanValue(value: unknown, kind: FieldKind): unknown {
  if (kind.startsWith('text') || kind.startsWith('line'))
    return typeof value === 'string' ? value : undefined;
  if (kind.startsWith('number'))
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  return typeof value === 'boolean' ? value : undefined;
}

/** Control, format (bidi, zero-width), private-use and lone surrogate characters, and line separators. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Makes text safe to show on any terminal: what could move the cursor or turn the line around is spelled out. */
export function cleanText(text: string, limit = 200): string {
  const spelled = text
    .slice(0, limit)
    .replace(unprintable, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
  return spelled.length > limit ? spelled.slice(0, limit) : spelled;
}
