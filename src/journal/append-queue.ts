// Collects what is appended in one turn of the event loop into few messages to the journal's thread.
// Never makes a message that the disk's reserve does not cover, and never lets a disk that hangs fill the memory.
import { AppError } from '../core/app-error.ts';
import type { Delivery } from '../core/delivery.ts';
import type { JournalLink } from './journal-link.ts';
import { packBytes } from './journal-messages.ts';

/** Bodies in one message; a larger body goes alone. */
const messageBytes = 1024 * 1024;
/** Deliveries the thread has not answered yet; the largest BODY_LIMIT_BYTES is as much. */
const waitingLimitBytes = 64 * 1024 * 1024;
/** What a waiting delivery is counted as beside its body, so that small ones have a bound too. */
const overheadBytes = 1024;

interface Asker {
  resolve(sequence: number): void;
  reject(error: unknown): void;
}

interface QueuedDelivery {
  readonly delivery: Delivery;
  readonly asker: Asker;
}

export interface AppendQueue {
  /** Resolves with the sequence after the fsync. Rejects with NOT_DURABLE, at once when too much waits already. */
  add(delivery: Delivery): Promise<number>;
  /** Sends what was collected without waiting for the end of the turn. */
  flush(): void;
}

/** `atEndOfTurn` runs what it is given once whatever is ready now has run. */
export function createAppendQueue(
  link: Pick<JournalLink, 'ask'>,
  atEndOfTurn: (run: () => void) => unknown = setImmediate,
): AppendQueue {
  let queued: QueuedDelivery[] = [];
  let waitingBytes = 0;

  function flush(): void {
    const deliveries = queued;
    queued = [];
    for (const group of splitByBytes(deliveries)) send(group);
  }

  function send(group: readonly QueuedDelivery[]): void {
    // The bodies leave with the message; whoever asked must not hold a second copy of them meanwhile.
    const askers = group.map(({ asker }) => asker);
    const costBytes = group.reduce((sum, { delivery }) => sum + cost(delivery), 0);
    const bodies = packBytes(group.map(({ delivery }) => delivery.body));
    const receivedAt = group.map(({ delivery }) => delivery.receivedAt);
    const proofs = group.map(({ delivery }) => delivery.proof);
    link
      .ask(
        { kind: 'append', deliveries: { bodies, receivedAt, proofs } },
        (body) => {
          if (body.kind !== 'appended') throw new Error(`the journal thread answered with ${body.kind}`);
          for (const [index, asker] of askers.entries()) asker.resolve(body.first + index);
        },
        [bodies.bytes],
      )
      .catch((error: unknown) => {
        for (const asker of askers) asker.reject(error);
      })
      .finally(() => {
        waitingBytes -= costBytes;
      });
  }

  return {
    flush,
    add(delivery) {
      const wouldWait = waitingBytes + cost(delivery);
      if (waitingBytes > 0 && wouldWait > waitingLimitBytes) {
        const message = `the disk does not answer: ${waitingBytes} bytes of deliveries wait for it`;
        return Promise.reject(new AppError('NOT_DURABLE', message));
      }
      waitingBytes = wouldWait;
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      // The check phase follows the poll phase in which requests complete, so all of those share one message.
      if (queued.length === 0) atEndOfTurn(flush);
      queued.push({ delivery, asker: { resolve, reject } });
      return promise;
    },
  };
}

function cost({ body }: Delivery): number {
  return body.byteLength + overheadBytes;
}

function splitByBytes(deliveries: readonly QueuedDelivery[]): QueuedDelivery[][] {
  const groups: QueuedDelivery[][] = [];
  let bytes = 0;
  for (const queued of deliveries) {
    const size = queued.delivery.body.byteLength;
    const group = groups.at(-1);
    if (group === undefined || bytes + size > messageBytes) {
      groups.push([queued]);
      bytes = size;
    } else {
      group.push(queued);
      bytes += size;
    }
  }
  return groups;
}
