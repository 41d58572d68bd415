// Opens a sealed body, and tells a missing key, which an operator can still bring, from bytes that nobody will ever
// read again. Never lets the second kind hold up anything else.
import { AppError } from '../core/app-error.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { open, type SealedRecord } from '../sealing/seal.ts';

export type OpenedBody =
  | { readonly kind: 'opened'; readonly rawBody: Uint8Array }
  | { readonly kind: 'key_missing' }
  | { readonly kind: 'unreadable' };

/** Between two looks whether the key is there: it may be added while a worker runs elsewhere. */
export const keyMissingDelayMs = 30_000;

export function openBody(keyRing: KeyRing | null, record: SealedRecord, sealed: Uint8Array): OpenedBody {
  try {
    return { kind: 'opened', rawBody: open(keyRing, record, sealed) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { kind: error.code === 'PAYLOAD_KEY_MISSING' ? 'key_missing' : 'unreadable' };
  }
}
