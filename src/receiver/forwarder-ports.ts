// What the forwarder needs of its two neighbours, and what it tells about its work.
import type { BatchBounds, JournalBatch } from '../core/delivery.ts';
import type { BatchState } from '../queue/intake-queue.ts';
import type { QueueFailureReason } from '../queue/queue-failures.ts';

export interface ForwarderJournal {
  cutBatch(): Promise<JournalBatch | null>;
  openBatches(): Promise<BatchBounds[]>;
  readBatch(bounds: BatchBounds): Promise<JournalBatch>;
  deleteBatch(bounds: BatchBounds): Promise<void>;
  onAppended(listener: () => void): void;
  stats(): { readonly rows: number };
  readInstallation(): Promise<string | null>;
  writeInstallation(id: string): Promise<void>;
}

export interface ForwarderQueue {
  addBatch(batch: JournalBatch): Promise<void>;
  states(jobIds: readonly string[]): Promise<Map<string, BatchState>>;
  retry(jobId: string): Promise<void>;
  onSettled(listener: (jobId: string) => void): void;
  readInstallation(): Promise<string | null>;
}

interface BatchFacts {
  readonly jobId: string;
  readonly deliveries: number;
  /** `added`: the add alone. `stored`: since the batch was cut, or since the start. */
  readonly durationMs: number;
}

export type ForwarderEvent =
  | ({ readonly kind: 'added' } & BatchFacts)
  | ({ readonly kind: 'stored' } & BatchFacts)
  /** Redis does not know the job any more; it is added again. */
  | { readonly kind: 'lost'; readonly jobId: string }
  /** BATCH_FAILED: the workers gave the batch up; it was put back. */
  | { readonly kind: 'failed'; readonly jobId: string; readonly retries: number }
  /** BATCH_FAILED: putting it back failed too; it is tried again, ever more slowly. */
  | {
      readonly kind: 'retry_refused';
      readonly jobId: string;
      readonly retries: number;
      readonly error: unknown;
    }
  /** Redis did not take a batch, or said nothing; at every try. */
  | { readonly kind: 'add_failed'; readonly reason: QueueFailureReason }
  /** QUEUE_UNAVAILABLE, once per outage. */
  | { readonly kind: 'queue_lost'; readonly error: unknown }
  | { readonly kind: 'queue_back'; readonly outageMs: number }
  /** WRONG_INSTALLATION, once until it changes. */
  | { readonly kind: 'wrong_installation'; readonly expected: string; readonly found: string }
  /** Once per outage. */
  | { readonly kind: 'journal_failed'; readonly error: unknown }
  | { readonly kind: 'journal_back'; readonly outageMs: number };

export type ForwarderListener = (event: ForwarderEvent) => void;
