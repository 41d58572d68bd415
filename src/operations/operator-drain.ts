// Empties a journal that a receiver left behind: the receiver's own forwarder carries it to Redis under its own journal
// id, and a row goes only once workers have stored its batch. Whatever ends a drain, the next one goes on from there.
import { createOpened } from '../core/opened.ts';
import { openJournal, type Journal } from '../journal/journal.ts';
import { openIntakeQueue, type IntakeQueue } from '../queue/intake-queue.ts';

/** The way out of a journal, as far as a drain needs it. */
export interface DrainForwarder {
  /** Waits until the journal is empty, at most `deadlineMs`; returns the rows that are left. */
  flush(deadlineMs: number): Promise<number>;
  state(): { readonly ok: boolean; readonly code?: string };
  close(): Promise<void>;
}

export type StartForwarder = (parts: {
  readonly journal: Journal;
  readonly queue: IntakeQueue;
}) => DrainForwarder;

export interface DrainOptions {
  readonly dir: string;
  readonly limitBytes: number;
  readonly redis: { readonly url: string; readonly prefix: string; readonly deadlineMs: number };
  readonly startForwarder: StartForwarder;
  readonly seconds: number;
  readonly stop: AbortSignal;
  /** A few times a second; `trouble` is the code of what is in the way. */
  readonly onProgress: (progress: { readonly rowsLeft: number; readonly trouble: string | null }) => void;
}

export interface Drained {
  readonly outcome: 'empty' | 'interrupted' | 'time_over' | 'wrong_installation';
  readonly rowsLeft: number;
  /** What was in the way at the end, as a code. */
  readonly trouble: string | null;
}

const lookMs = 250;

/** Throws JOURNAL_LOCKED, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE. */
export async function drainJournal(options: DrainOptions): Promise<Drained> {
  const { dir, limitBytes, redis, startForwarder, seconds, stop, onProgress } = options;
  const opened = createOpened();
  try {
    // Bodies stay sealed as they are, so no key is needed.
    const journal = await openJournal({ dir, limitBytes, keyRing: null });
    opened.add(() => journal.close());
    const queue = openIntakeQueue(redis);
    opened.add(() => queue.close());
    const forwarder = startForwarder({ journal, queue });
    opened.add(() => forwarder.close());
    const endsAt = performance.now() + seconds * 1_000;
    for (;;) {
      const rowsLeft = await forwarder.flush(lookMs);
      const { ok, code } = forwarder.state();
      const trouble = ok ? null : (code ?? 'QUEUE_UNAVAILABLE');
      onProgress({ rowsLeft, trouble });
      if (rowsLeft === 0) return { outcome: 'empty', rowsLeft, trouble: null };
      // Waiting would not make it the right one.
      if (trouble === 'WRONG_INSTALLATION') return { outcome: 'wrong_installation', rowsLeft, trouble };
      if (stop.aborted) return { outcome: 'interrupted', rowsLeft, trouble };
      if (performance.now() >= endsAt) return { outcome: 'time_over', rowsLeft, trouble };
    }
  } finally {
    await opened.closeAll();
  }
}
