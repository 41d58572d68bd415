// Batches as a journal would hand them out, for tests of the queue and of the forwarder.
import type { JournalBatch } from '../../src/core/delivery.ts';

interface BatchWish {
  readonly journalId: string;
  readonly first: number;
  readonly last: number;
}

/** Deliveries `first` to `last`, each with a body of its own. */
export function makeBatch({ journalId, first, last }: BatchWish): JournalBatch {
  const sequences = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return {
    journalId,
    first,
    last,
    deliveries: sequences.map((sequence) => ({
      sequence,
      receivedAt: '2026-11-20T08:00:00.000Z',
      proof: 'signature',
      sealed: Buffer.from(`\u0000{"sequence":${sequence}}`),
    })),
  };
}
