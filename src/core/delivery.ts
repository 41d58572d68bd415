// What a receiver keeps of one POST, and how deliveries travel in batches from the journal to the workers.

/** What was proven when the delivery came in. Only Lean's signature proves that the event is meant for us. */
export const proofs = ['signature', 'certificate', 'none'] as const;
export type Proof = (typeof proofs)[number];

export interface Delivery {
  /** The raw bytes as they came. */
  readonly body: Uint8Array;
  /** ISO 8601, UTC, milliseconds. */
  readonly receivedAt: string;
  readonly proof: Proof;
}

/** A run of deliveries of one journal, both ends included. Once recorded it never changes. */
export interface BatchBounds {
  /** Random UUID made together with the journal file. */
  readonly journalId: string;
  readonly first: number;
  readonly last: number;
}

export interface SealedDelivery {
  readonly sequence: number;
  readonly receivedAt: string;
  readonly proof: Proof;
  /** The body, sealed for `<journalId>:<sequence>` under the purpose `delivery`. */
  readonly sealed: Uint8Array;
}

export interface JournalBatch extends BatchBounds {
  readonly deliveries: readonly SealedDelivery[];
}

/** The id of a batch's job: the same bounds always give the same id, so a repeated add changes nothing. */
export function batchJobId({ journalId, first, last }: BatchBounds): string {
  return `in_${journalId}_${first}-${last}`;
}
