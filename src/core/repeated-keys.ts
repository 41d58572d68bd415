// Whether a JSON text says one key twice in one object. The parser keeps the last value without a word; whoever reads
// the result should know. Works only on text that was parsed before (parseLossless): it does not judge JSON.
import { stringEnd } from './json-string-end.ts';

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** In one pass; keys count as equal when they read the same, however they are escaped. */
export function repeatsKey(json: string): boolean {
  /** The keys met in each object that is open here; null for a list. */
  const open: (Set<string> | null)[] = [];
  let atKey = false;
  for (let index = 0; index < json.length; index += 1) {
    const unit = json.charCodeAt(index);
    if (unit === quote) {
      const end = stringEnd(json, index);
      const keys = atKey ? open.at(-1) : null;
      if (keys) {
        const key = readKey(json.slice(index, end));
        if (keys.has(key)) return true;
        keys.add(key);
      }
      atKey = false;
      index = end - 1;
    } else if (unit === openBrace || unit === openBracket) {
      atKey = unit === openBrace;
      open.push(atKey ? new Set() : null);
    } else if (unit === closeBrace || unit === closeBracket) {
      open.pop();
      atKey = false;
    } else if (unit === comma) {
      atKey = open.at(-1) !== null;
    }
  }
  return false;
}

function readKey(source: string): string {
  return source.includes('\\') ? String(JSON.parse(source)) : source.slice(1, -1);
}
