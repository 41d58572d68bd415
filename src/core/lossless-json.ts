// Reads JSON that other people wrote: numbers keep the digits of the source, nesting is bounded before the
// parser runs, and `__proto__` is dropped. Errors never quote the text, which is a customer's data.
import { AppError } from './app-error.ts';
import { stringEnd } from './json-string-end.ts';

/** A JSON number as its source spells it (`10.0`, `1e3`). It never becomes a JavaScript number by itself. */
export class LosslessNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }

  /** A string, not a number: whoever writes it out keeps the digits. */
  toJSON(): string {
    return this.source;
  }
}

/** Far above anything Lean documents (8), far below what makes recursive code run out of stack (about 8,000). */
const depthLimit = 64;

const quote = 0x22;
const plus = 0x2b;
const minus = 0x2d;
const point = 0x2e;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Deepest nesting of objects and lists; text that is not JSON gets some number. Throws PAYLOAD_TOO_DEEP. */
export function scanDepth(json: string): number {
  return scan(json).deepest;
}

interface Scanned {
  readonly deepest: number;
  /** Where each number starts and ends, one after the other, if the text is JSON. */
  readonly numbers: readonly number[];
}

/** In one pass without parsing; ends as soon as it is too deep. */
function scan(json: string): Scanned {
  const numbers: number[] = [];
  let depth = 0;
  let deepest = 0;
  let at = 0;
  while (at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit === quote) {
      at = stringEnd(json, at);
      continue;
    }
    if (isDigit(unit) || unit === minus) {
      const end = numberEnd(json, at);
      numbers.push(at, end);
      at = end;
      continue;
    }
    if (unit === openBrace || unit === openBracket) {
      depth += 1;
      if (depth > depthLimit)
        throw new AppError('PAYLOAD_TOO_DEEP', `nested deeper than ${depthLimit} levels`);
      if (depth > deepest) deepest = depth;
    } else if (unit === closeBrace || unit === closeBracket) {
      depth -= 1;
    }
    at += 1;
  }
  return { deepest, numbers };
}

function numberEnd(json: string, start: number): number {
  let end = start + 1;
  while (end < json.length && isInNumber(json.charCodeAt(end))) end += 1;
  return end;
}

function isInNumber(unit: number): boolean {
  // Lower case, which turns E into e and leaves the others as they are.
  return isDigit(unit) || unit === point || unit === plus || unit === minus || (unit | 0x20) === 0x65;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/**
 * JSON text to plain values, with a `LosslessNumber` for every number. Of a repeated key the last value counts.
 * Throws PAYLOAD_TOO_DEEP or PAYLOAD_NOT_JSON.
 */
export function parseLossless(text: string): unknown {
  const { numbers } = scan(text);
  try {
    return needsReviver(text) ? JSON.parse(text, keepDigits) : parseQuickly(text, numbers);
  } catch {
    // No cause: the parser's message quotes the text around the error.
    throw new AppError('PAYLOAD_NOT_JSON', `not JSON (${text.length} characters)`);
  }
}

/** Begins the strings that stand for numbers; private use, so that hardly any text has it. */
const numberMark = '\uE000';
const numberMarkUnit = numberMark.charCodeAt(0);

/** Escapes may spell the mark, and the key that is to be dropped. */
function needsReviver(text: string): boolean {
  return text.includes('\\u') || text.includes('__proto__') || text.includes(numberMark);
}

/** A reviver is called for every value with a context of its own, which takes three to ten times as long. */
function parseQuickly(text: string, numbers: readonly number[]): unknown {
  // First as it stands: what is not JSON must not become JSON by the quotes below.
  const parsed: unknown = JSON.parse(text);
  if (numbers.length === 0) return parsed;
  let quoted = '';
  let done = 0;
  for (let place = 0; place < numbers.length; place += 2) {
    const [start = 0, end = 0] = [numbers[place], numbers[place + 1]];
    quoted += `${text.slice(done, start)}"${numberMark}${text.slice(start, end)}"`;
    done = end;
  }
  return unmark(JSON.parse(quoted + text.slice(done)));
}

/** Puts the numbers in their places, within the value itself. */
function unmark(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.charCodeAt(0) === numberMarkUnit ? new LosslessNumber(value.slice(1)) : value;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) value[index] = unmark(value[index]);
  } else if (isJsonObject(value)) {
    for (const key of Object.keys(value)) value[key] = unmark(value[key]);
  }
  return value;
}

function keepDigits(key: string, value: unknown, context?: { source?: string }): unknown {
  if (key === '__proto__') return undefined;
  if (typeof value === 'number') return new LosslessNumber(context?.source ?? String(value));
  return value;
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
  );
}
