// Reads JSON that other people wrote: numbers keep the digits of the source, nesting is bounded before the
// parser runs, and `__proto__` is dropped. Errors never quote the text, which is a customer's data.
import { AppError } from './app-error.ts';

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
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Deepest nesting of objects and lists in `json`, in one pass without parsing; text that is not JSON gets some number.
 * Throws PAYLOAD_TOO_DEEP as soon as `limit` is passed.
 */
export function scanDepth(json: Uint8Array | string, limit = depthLimit): number {
  const unitAt =
    typeof json === 'string'
      ? (index: number) => json.charCodeAt(index)
      : (index: number) => json[index] ?? 0;
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const unit = unitAt(index);
    if (inString) {
      if (unit === backslash) index += 1;
      else if (unit === quote) inString = false;
    } else if (unit === quote) {
      inString = true;
    } else if (unit === openBrace || unit === openBracket) {
      depth += 1;
      if (depth > limit) throw new AppError('PAYLOAD_TOO_DEEP', `nested deeper than ${limit} levels`);
      if (depth > deepest) deepest = depth;
    } else if (unit === closeBrace || unit === closeBracket) {
      depth -= 1;
    }
  }
  return deepest;
}

/**
 * JSON text to plain values, with a `LosslessNumber` for every number. Of a repeated key the last value counts.
 * Throws PAYLOAD_TOO_DEEP or PAYLOAD_NOT_JSON.
 */
export function parseLossless(text: string): unknown {
  scanDepth(text);
  try {
    return JSON.parse(text, keepDigits);
  } catch {
    // No cause: the parser's message quotes the text around the error.
    throw new AppError('PAYLOAD_NOT_JSON', `not JSON (${text.length} characters)`);
  }
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
