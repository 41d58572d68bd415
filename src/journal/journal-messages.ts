// What the journal's two sides say to each other. Bodies travel packed into one buffer that is transferred,
// because cloning a small Buffer would copy the whole pool behind it.
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Proof } from '../core/delivery.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { KeyRing } from '../sealing/key-ring.ts';

/** Handed to the thread when it starts. */
export interface JournalThreadData {
  readonly dir: string;
  readonly limitBytes: number;
  readonly keyRing: KeyRing | null;
}

export interface PackedBytes {
  readonly bytes: ArrayBuffer;
  readonly lengths: readonly number[];
}

export interface PackedDeliveries {
  readonly bodies: PackedBytes;
  readonly receivedAt: readonly string[];
  readonly proofs: readonly Proof[];
}

export interface PackedBatch {
  readonly first: number;
  readonly last: number;
  readonly sequences: readonly number[];
  readonly receivedAt: readonly string[];
  readonly proofs: readonly Proof[];
  readonly sealed: PackedBytes;
}

export interface Bounds {
  readonly first: number;
  readonly last: number;
}

export type Question =
  | { readonly kind: 'append'; readonly deliveries: PackedDeliveries }
  | { readonly kind: 'cut' }
  | { readonly kind: 'openBatches' }
  | { readonly kind: 'read'; readonly bounds: Bounds }
  | { readonly kind: 'delete'; readonly bounds: Bounds }
  | { readonly kind: 'readInstallation' }
  | { readonly kind: 'writeInstallation'; readonly installation: string }
  | { readonly kind: 'close' };

/** Every question gets exactly one answer with its number. */
export interface Request {
  readonly number: number;
  readonly question: Question;
}

export type AnswerBody =
  /** The deliveries of the question have the sequences `first`, `first + 1`, and so on. */
  | { readonly kind: 'appended'; readonly first: number }
  | { readonly kind: 'batch'; readonly batch: PackedBatch | null }
  | { readonly kind: 'bounds'; readonly bounds: readonly Bounds[] }
  | { readonly kind: 'installation'; readonly installation: string | null }
  | { readonly kind: 'done' }
  | Failed;

export interface Answer {
  readonly number: number;
  readonly body: AnswerBody;
}

export interface Failed {
  readonly kind: 'failed';
  readonly code: FailureCode;
  readonly message: string;
}

/** The journal as of the last answer. */
export interface JournalFacts {
  readonly rows: number;
  /** Pages in use plus the write-ahead log, bytes. */
  readonly bytes: number;
  /** ISO 8601 of the oldest delivery still held, null when empty. */
  readonly oldestReceivedAt: string | null;
  /** Transactions that wrote something since the thread started. */
  readonly commits: number;
  /** Null while the last commit succeeded. */
  readonly failure: FailureCode | null;
}

export type ThreadMessage =
  | { readonly kind: 'opened'; readonly journalId: string; readonly facts: JournalFacts }
  | { readonly kind: 'refused'; readonly code: FailureCode; readonly message: string }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[]; readonly facts: JournalFacts }
  | { readonly kind: 'facts'; readonly facts: JournalFacts };

/*
 * The trusted boundary: both ends of the port are this folder's own code of one version, and a check of every
 * body on the hot path would cost more than the message. These two functions give the port its message type.
 */
export function onRequest(port: MessagePort, listener: (request: Request) => void): void {
  port.on('message', listener);
}

export function onThreadMessage(worker: Worker, listener: (message: ThreadMessage) => void): void {
  worker.on('message', listener);
}

/** Of the deliveries that it brings. */
export function bodyBytes({ question }: Request): number {
  return question.kind === 'append' ? question.deliveries.bodies.bytes.byteLength : 0;
}

export function packBytes(parts: readonly Uint8Array[]): PackedBytes {
  const lengths = parts.map((part) => part.length);
  const packed = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    packed.set(part, offset);
    offset += part.length;
  }
  return { bytes: packed.buffer, lengths };
}

export function unpackBytes({ bytes, lengths }: PackedBytes): Uint8Array[] {
  let offset = 0;
  return lengths.map((length) => {
    const part = new Uint8Array(bytes, offset, length);
    offset += length;
    return part;
  });
}
