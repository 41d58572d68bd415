// Asks Redis for a sign of life on a connection of its own, so that a worker whose other connections are silently dead
// still learns whether Redis is there, and tells an outage once. Never takes one lost answer, or one broken connection, for it.
import { AppError } from '../core/app-error.ts';
import { openProducerConnection, refusalOf, whenConnected } from './connections.ts';
import { queueFailureReason } from './queue-failures.ts';
import { installationKey } from './queue-names.ts';

interface QueueProbeOptions {
  readonly url: string;
  readonly prefix: string;
  /** Pause between two questions, milliseconds; during an outage a second at most. */
  readonly everyMs: number;
  /** How long an answer may take, milliseconds. */
  readonly deadlineMs: number;
  /** Each, of this connection and of those that notice. */
  readonly onError: (error: Error) => void;
  /** After every question. */
  readonly onProbed: () => void;
  /** Once per outage; `error` says why as well as anybody knows. */
  readonly onLost?: (error: AppError) => void;
  readonly onBack?: (outageMs: number) => void;
}

export interface QueueProbe {
  /** False before the first answer and after two questions in a row without one. */
  answers(): boolean;
  /** From `onLost` to `onBack`: also while Redis answers questions and refuses what the others ask of it. */
  isOutage(): boolean;
  /** What another connection to the same Redis met: trouble makes it ask at once, a refusal is an outage. */
  noticed(error: Error): void;
  close(): void;
}

/** One lost answer may be a hiccup; two are an outage, and so is one beside another connection that broke. */
const unansweredLimit = 2;
const askAgainMs = 1_000;
/** A Redis that refuses what we write (full, read-only) answers questions; a worker with nothing to do tries within 10 s. */
const refusalLastsMs = 15_000;

export function openQueueProbe(options: QueueProbeOptions): QueueProbe {
  const { url, prefix, everyMs, deadlineMs, onError, onProbed } = options;
  const client = openProducerConnection({ url, deadlineMs });
  const outage = watchOutage(options);
  let unanswered = unansweredLimit;
  let trouble: Error | null = null;
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  async function probe(): Promise<void> {
    timer = undefined;
    const error = await askOnce();
    if (closed) return;
    if (error === null) {
      unanswered = 0;
      trouble = null;
      if (performance.now() - refusedAtMs > refusalLastsMs) outage.ended();
    } else {
      unanswered += 1;
      // A question on its way when the connection broke only says that it is closed; who noticed first may know why.
      if (trouble !== null || unanswered >= unansweredLimit)
        outage.began(error instanceof AppError ? error : (trouble ?? error));
    }
    onProbed();
    timer = setTimeout(() => void probe(), outage.lasts() ? Math.min(everyMs, askAgainMs) : everyMs);
  }

  async function askOnce(): Promise<unknown> {
    try {
      await whenConnected(client, deadlineMs);
      // Of a Cluster the node with our keys has to answer, and no other.
      await client.exists(installationKey(prefix));
      return null;
    } catch (error) {
      return error;
    }
  }

  function noticed(error: Error): void {
    onError(error);
    const reason = queueFailureReason(error);
    if (reason === 'other' || closed) return;
    if (reason !== 'connection' && reason !== 'timeout') {
      refusedAtMs = performance.now();
      return outage.began(error);
    }
    const isNew = trouble === null;
    trouble = error;
    if (!isNew || timer === undefined) return;
    clearTimeout(timer);
    void probe();
  }

  client.on('error', noticed);
  void probe();

  return {
    answers: () => unanswered < unansweredLimit,
    isOutage: () => outage.lasts(),
    noticed,
    close() {
      closed = true;
      clearTimeout(timer);
      client.disconnect();
    },
  };
}

function watchOutage({ onLost, onBack }: Pick<QueueProbeOptions, 'onLost' | 'onBack'>) {
  let sinceMs: number | null = null;
  return {
    began(error: unknown) {
      if (sinceMs !== null) return;
      sinceMs = performance.now();
      onLost?.(unavailable(error));
    },
    ended() {
      if (sinceMs === null) return;
      const outageMs = Math.round(performance.now() - sinceMs);
      sinceMs = null;
      onBack?.(outageMs);
    },
    lasts: () => sinceMs !== null,
  };
}

function unavailable(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const refusal = refusalOf(error);
  const says = refusal === '' ? 'Redis does not answer' : `Redis refuses what is asked of it${refusal}`;
  return new AppError('QUEUE_UNAVAILABLE', says, { cause: error });
}
