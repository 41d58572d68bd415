// The keys that seal payloads at rest: the first one seals, every one opens. Keys are held as KeyObjects,
// so that neither a log line nor an error can ever print one.
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { AppError } from '../core/app-error.ts';

const keyBytes = 32;
const keyIdBytes = 8;

/** Survives a structured clone, so it can be handed to a worker thread. */
export interface KeyRing {
  /** The id of the key that seals: 16 hex digits, the first 8 bytes of the key's SHA-256. Null: it only opens. */
  readonly sealingKeyId: string | null;
  /** Every key by its id. */
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/**
 * Reads base64 keys of 32 bytes; the first seals. Rotation: put the new key first and keep the old one behind it
 * until nothing sealed with it is left.
 * Throws PAYLOAD_KEY_INVALID naming the position of every unfit key, never a character of it.
 */
export function parseKeyRing(keysBase64: readonly string[]): KeyRing {
  const keys = new Map<string, KeyObject>();
  const problems: string[] = [];
  for (const [index, text] of keysBase64.entries()) {
    const bytes = Buffer.from(text, 'base64');
    // Buffer.from skips what it cannot read, so only a text that encodes back to itself is the key that was meant.
    if (bytes.length !== keyBytes || bytes.toString('base64') !== text) {
      problems.push(`key ${index + 1} is not the base64 text of ${keyBytes} bytes`);
      continue;
    }
    const id = keyIdOf(bytes);
    if (keys.has(id)) problems.push(`key ${index + 1} was given before`);
    keys.set(id, createSecretKey(bytes));
  }
  const [sealingKeyId] = keys.keys();
  if (problems.length === 0 && sealingKeyId === undefined) problems.push('no key was given');
  if (problems.length > 0 || sealingKeyId === undefined) {
    throw new AppError('PAYLOAD_KEY_INVALID', problems.join('; '));
  }
  return { sealingKeyId, keys };
}

export interface SealingSettings {
  readonly keysBase64: readonly string[] | undefined;
  /** `off` seals nothing from now on; what was sealed before still opens. */
  readonly sealing: 'on' | 'off';
}

/** The ring of a process, null without keys. Throws PAYLOAD_KEY_INVALID. */
export function readKeyRing({ keysBase64, sealing }: SealingSettings): KeyRing | null {
  if (keysBase64 === undefined) return null;
  const ring = parseKeyRing(keysBase64);
  return sealing === 'on' ? ring : { ...ring, sealingKeyId: null };
}

function keyIdOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest().subarray(0, keyIdBytes).toString('hex');
}
