// Cuts pieces out of a JSON text exactly as they are spelled, so that what is kept as `raw` is Lean's own text.
// Works only on text that was parsed before (parseLossless): it does not judge JSON.
import { stringEnd } from './json-string-end.ts';

/** The source text of each item of the list under `path`, in order; empty where there is no list. */
export function sliceItems(text: string, path: readonly string[]): string[] {
  const bounds = locate(text, path);
  if (!bounds || text[bounds.start] !== '[') return [];
  const items: string[] = [];
  let at = skipBlanks(text, bounds.start + 1);
  while (at < bounds.end - 1) {
    const end = valueEnd(text, at);
    items.push(text.slice(at, end));
    at = skipSeparator(text, end);
  }
  return items;
}

/** The source text of the value under `path`; null where there is none. */
export function sliceValue(text: string, path: readonly string[]): string | null {
  const bounds = locate(text, path);
  return bounds && text.slice(bounds.start, bounds.end);
}

interface Bounds {
  readonly start: number;
  readonly end: number;
}

function locate(text: string, path: readonly string[]): Bounds | null {
  let start = skipBlanks(text, 0);
  for (const key of path) {
    const found = findMember(text, start, key);
    if (found === null) return null;
    start = found;
  }
  return { start, end: valueEnd(text, start) };
}

/** Where the value of `key` starts in the object at `start`; the last one wins, as in JSON.parse. */
function findMember(text: string, start: number, key: string): number | null {
  if (text[start] !== '{') return null;
  let found: number | null = null;
  let at = skipBlanks(text, start + 1);
  while (at < text.length && text[at] !== '}') {
    const keyEnd = stringEnd(text, at);
    const colon = skipBlanks(text, keyEnd);
    const value = skipBlanks(text, colon + 1);
    // Keys may be spelled with escapes, so they are read, not compared as text.
    if (JSON.parse(text.slice(at, keyEnd)) === key) found = value;
    at = skipSeparator(text, valueEnd(text, value));
  }
  return found;
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
  return at;
}

function skipSeparator(text: string, end: number): number {
  const at = skipBlanks(text, end);
  return text[at] === ',' ? skipBlanks(text, at + 1) : at;
}

function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return stringEnd(text, start);
  if (first !== '{' && first !== '[') return scalarEnd(text, start);
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const unit = text[at];
    if (unit === '"') {
      at = stringEnd(text, at);
      continue;
    }
    if (unit === '{' || unit === '[') depth += 1;
    if (unit === '}' || unit === ']') depth -= 1;
    at += 1;
    if (depth === 0) break;
  }
  return at;
}

function scalarEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && !',]} \t\r\n'.includes(text.charAt(at))) at += 1;
  return at;
}
