// Asks Redis for a sign of life on a connection of its own, so that a worker whose other connections are
// silently dead still learns whether Redis is there.
import { openProducerConnection, whenConnected } from './connections.ts';
import { installationKey } from './queue-names.ts';

interface QueueProbeOptions {
  readonly url: string;
  readonly prefix: string;
  /** Pause between two questions, milliseconds. */
  readonly everyMs: number;
  /** How long an answer may take, milliseconds. */
  readonly deadlineMs: number;
  readonly onError: (error: Error) => void;
  /** After every question. */
  readonly onProbed: () => void;
}

export interface QueueProbe {
  /** False before the first answer and after two questions in a row without one. */
  answers(): boolean;
  close(): void;
}

/** One lost answer may be a hiccup; two are an outage. */
const unansweredLimit = 2;

export function openQueueProbe({
  url,
  prefix,
  everyMs,
  deadlineMs,
  onError,
  onProbed,
}: QueueProbeOptions): QueueProbe {
  const client = openProducerConnection({ url, deadlineMs });
  client.on('error', onError);
  let unanswered = unansweredLimit;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  async function probe(): Promise<void> {
    try {
      await whenConnected(client, deadlineMs);
      // Of a Cluster the node with our keys has to answer, and no other.
      await client.exists(installationKey(prefix));
      unanswered = 0;
    } catch {
      unanswered += 1;
    }
    if (closed) return;
    onProbed();
    timer = setTimeout(() => void probe(), everyMs);
  }
  void probe();

  return {
    answers: () => unanswered < unansweredLimit,
    close() {
      closed = true;
      clearTimeout(timer);
      client.disconnect();
    },
  };
}
