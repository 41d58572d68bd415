// Turns an authentic delivery into one that may be answered 200: fsynced in the journal and, where the operator
// asked for it, committed to Postgres. Never waits longer than its deadlines, and never answers "durable" early.
import { machineClock, type Clock } from '../core/clock.ts';
import { withDeadline } from '../core/deadline.ts';
import type { Delivery } from '../core/delivery.ts';

/** The part of the journal that the receiver needs. */
export interface DeliveryJournal {
  append(delivery: Delivery): Promise<number>;
}

/** The part of the forwarder that ACK_AFTER=stored needs. */
export interface StoredSignal {
  /** Resolves once the delivery of this sequence is in Postgres, rejects after the deadline. */
  whenStored(sequence: number, deadlineMs: number): Promise<void>;
}

export interface Kept {
  /** False: answer NOT_DURABLE. The bytes may still be in the journal and travel on. */
  readonly durable: boolean;
  readonly sequence?: number;
  readonly error?: unknown;
}

interface KeeperOptions {
  readonly journal: DeliveryJournal;
  readonly journalDeadlineMs: number;
  /** ACK_AFTER=stored: also wait for the commit, until so long after the delivery came in. */
  readonly stored?: { readonly signal: StoredSignal; readonly ackDeadlineMs: number };
  /** The machine's when left out. */
  readonly clock?: Clock;
}

/** `ageMs`: how long ago the delivery began to arrive. Never rejects. */
export type KeepDelivery = (delivery: Delivery, ageMs: number) => Promise<Kept>;

export function createKeeper({
  journal,
  journalDeadlineMs,
  stored,
  clock = machineClock,
}: KeeperOptions): KeepDelivery {
  return async (delivery, ageMs) => {
    const startedMs = clock.nowMs();
    let sequence: number | undefined;
    try {
      const appending = journal.append(delivery);
      sequence = await withDeadline(appending, { deadlineMs: journalDeadlineMs, what: 'appending', clock });
      if (stored === undefined) return { durable: true, sequence };
      const leftMs = stored.ackDeadlineMs - ageMs - (clock.nowMs() - startedMs);
      await stored.signal.whenStored(sequence, Math.max(0, leftMs));
      return { durable: true, sequence };
    } catch (error) {
      return { durable: false, error, ...(sequence !== undefined && { sequence }) };
    }
  };
}
