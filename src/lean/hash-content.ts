// One hash for equal content, whatever spelling it came in. For comparing only: nothing is read back from it.
import { canonicalJson } from '../core/canonical-json.ts';
import { sha256Hex } from '../core/event-key.ts';
import { isJsonObject, LosslessNumber } from '../core/lossless-json.ts';

/** Hex SHA-256. Members called `amount` count by value, so `10.0` is `10`; instants by the moment, not their text. */
export function hashContent(content: Readonly<Record<string, unknown>>): string {
  return sha256Hex(canonicalJson(counted(content)));
}

/** `fp_` and the hash: the key of an item that Lean gives none. */
export function fingerprintOf(content: Readonly<Record<string, unknown>>): string {
  return `fp_${hashContent(content)}`;
}

function counted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(counted);
  if (!isJsonObject(value)) return value;
  if (typeof value['ns'] === 'bigint') return value['ns'].toString();
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === 'amount' && typeof member === 'string' ? new LosslessNumber(member) : counted(member),
    ]),
  );
}
