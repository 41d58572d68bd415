// Seals a payload for one record (AES-256-GCM), so that a stolen disk, queue or table shows nothing and a sealed
// payload cannot be moved to another record. Never gives out a byte that did not authenticate.
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { AppError } from '../core/app-error.ts';
import type { KeyRing } from './key-ring.ts';

/** Where the payload lives: journal and Redis, `webhook_events`, or the `raw` column of a table. */
export type SealedPurpose = 'delivery' | 'event' | 'raw';

export interface SealedRecord {
  readonly purpose: SealedPurpose;
  /** delivery: `<journalId>:<sequence>`; event: the event key; raw: see `rawRecord`. */
  readonly recordId: string;
}

/**
 * `<table>:<primary key joined by ':'>`. A ':' within any part but the last is escaped, so that no two keys of a table
 * are one record.
 */
export function rawRecord(table: string, primaryKey: readonly string[]): SealedRecord {
  const last = primaryKey.at(-1) ?? '';
  const first = primaryKey.slice(0, -1).map((part) => part.replaceAll('%', '%25').replaceAll(':', '%3A'));
  return { purpose: 'raw', recordId: [table, ...first, last].join(':') };
}

// Layout: version(1), then for a sealed one key id(8) nonce(12) ciphertext tag(16).
const plainVersion = 0x00;
const sealedVersion = 0x01;
const algorithm = 'aes-256-gcm';
const keyIdEnd = 9;
const nonceBytes = 12;
const nonceEnd = keyIdEnd + nonceBytes;
const tagBytes = 16;
const noncesAtOnce = 1_024;

/** Seals with the ring's first key; without one that seals the payload is only put into the envelope (version 0). */
export function seal(keyRing: KeyRing | null, record: SealedRecord, plaintext: Uint8Array): Uint8Array {
  if (keyRing === null || keyRing.sealingKeyId === null) {
    const envelope = new Uint8Array(1 + plaintext.length);
    envelope[0] = plainVersion;
    envelope.set(plaintext, 1);
    return envelope;
  }
  const keyId = keyRing.sealingKeyId;
  // Random nonces are safe for 2^32 records per key (NIST SP 800-38D, section 8.3).
  const nonce = nextNonce();
  const cipher = createCipheriv(algorithm, keyOf(keyRing, keyId), nonce, { authTagLength: tagBytes });
  cipher.setAAD(boundTo(record, keyId));
  const ciphertext = cipher.update(plaintext);
  const end = cipher.final();
  const header = [Uint8Array.of(sealedVersion), Buffer.from(keyId, 'hex'), nonce];
  return Buffer.concat([...header, ciphertext, end, cipher.getAuthTag()]);
}

/**
 * Opens what `seal` made for the same record. A version 0 envelope needs no keys.
 * Throws PAYLOAD_KEY_MISSING (its key is not in the ring) or PAYLOAD_UNREADABLE (changed, cut short, or another record's).
 */
export function open(keyRing: KeyRing | null, record: SealedRecord, sealed: Uint8Array): Uint8Array {
  const version = sealed[0];
  const keyId = Buffer.from(sealed.subarray(1, keyIdEnd)).toString('hex');
  if (version === plainVersion) {
    // Versions 0 and 1 are one bit apart: a payload that "begins" with one of our key ids was sealed.
    if (keyRing?.keys.has(keyId) === true) throw unreadable(record);
    return sealed.subarray(1);
  }
  if (version !== sealedVersion || sealed.length < nonceEnd + tagBytes) throw unreadable(record);

  const tagStart = sealed.length - tagBytes;
  const decipher = createDecipheriv(algorithm, keyOf(keyRing, keyId), sealed.subarray(keyIdEnd, nonceEnd), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(boundTo(record, keyId));
  decipher.setAuthTag(sealed.subarray(tagStart));
  const plaintext = decipher.update(sealed.subarray(nonceEnd, tagStart));
  try {
    return Buffer.concat([plaintext, decipher.final()]);
  } catch (error) {
    throw unreadable(record, error);
  }
}

let nonces: Uint8Array = new Uint8Array();

/** Asking for a thousand at once costs hardly more than asking for one. Each is given out once. */
function nextNonce(): Uint8Array {
  if (nonces.length === 0) nonces = randomBytes(nonceBytes * noncesAtOnce);
  const nonce = nonces.subarray(0, nonceBytes);
  nonces = nonces.subarray(nonceBytes);
  return nonce;
}

function keyOf(keyRing: KeyRing | null, keyId: string): KeyObject {
  const key = keyRing?.keys.get(keyId);
  if (key === undefined) throw new AppError('PAYLOAD_KEY_MISSING', `no key ${keyId} in the key ring`);
  return key;
}

function boundTo({ purpose, recordId }: SealedRecord, keyId: string): Uint8Array {
  return Buffer.from(`v1|${keyId}|${purpose}|${recordId}`);
}

function unreadable({ purpose, recordId }: SealedRecord, cause?: unknown): AppError {
  return new AppError('PAYLOAD_UNREADABLE', `the payload of ${purpose} ${recordId} does not open`, { cause });
}
