// Events of different entities that are at hand at one time are applied in one transaction, their statements put together:
// what costs most is the way to Postgres and the commit. What goes wrong with one of them leaves nothing behind of any, and
// each is then applied alone: so nobody can tell whether an event had company. It never waits for whom one of them waits for.
import type { ReadableEnvelope } from '../lean/webhook-envelope.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import { lockForSharing } from '../store/entity-lock.ts';
import { isAnyErased } from '../store/erasure-store.ts';
import { concludeEvent, type StoredEvent } from '../store/event-store.ts';
import { gatherOn } from '../store/gathered.ts';
import { limitWaits } from '../store/transaction-limit.ts';
import type { EventHandler, HandlerAnswer } from './event-handler.ts';
import { unlessRemoved } from './removed-entity.ts';

export interface ShareableEvent {
  readonly event: StoredEvent;
  readonly envelope: ReadableEnvelope & { readonly entityId: string };
  readonly handler: EventHandler;
}

export interface EventBatches {
  /** What came of it, committed; null: it is to be applied alone, which also tells if a commit's answer was lost. */
  apply(one: ShareableEvent): Promise<HandlerAnswer | null>;
}

export interface EventBatchesOptions {
  readonly database: Database;
  readonly apiVersion: 'v1' | 'v2';
  readonly metrics: Pick<Metrics, 'eventBatches'>;
  readonly now: () => Date;
}

/** Each entity of a batch is locked until its end, for some 50 ms; with fewer, each event costs more statements. */
const batchLimit = 64;
/** Another one beside the one under way, which may be waiting for a lock. */
const batchesAtATime = 2;
/** How many events are in hand for each that may be applied alone: with the default, two full batches. */
export const companyFactor = 8;
const worthASecond = batchLimit / 2;
/**
 * Postgres itself ends a wait, so that nobody's locks are held any longer by a transaction that was given up here: an
 * entity that somebody holds costs its company this much and no more.
 */
const waits = { lockMs: 100, statementMs: 5_000 };

interface Waiting extends ShareableEvent {
  readonly resolve: (answer: HandlerAnswer | null) => void;
}

export function createEventBatches(options: EventBatchesOptions): EventBatches {
  let waiting: Waiting[] = [];
  let underWay = 0;
  let isLooking = false;

  /** After what is at hand in this turn of the event loop has come. */
  function look(): void {
    if (isLooking) return;
    isLooking = true;
    setImmediate(() => {
      isLooking = false;
      while (
        waiting.length > 0 &&
        (underWay === 0 || (underWay < batchesAtATime && waiting.length >= worthASecond))
      ) {
        void run(take());
      }
    });
  }

  function take(): Waiting[] {
    const taken = new Map<string, Waiting>();
    for (const one of waiting) {
      if (taken.size === batchLimit) break;
      if (!taken.has(one.envelope.entityId)) taken.set(one.envelope.entityId, one);
    }
    const batch = [...taken.values()];
    const isTaken = new Set(batch);
    waiting = waiting.filter((one) => !isTaken.has(one));
    return batch;
  }

  async function run(batch: readonly Waiting[]): Promise<void> {
    underWay += 1;
    const answers = await applyAll(options, batch);
    for (const [place, { resolve }] of batch.entries()) resolve(answers?.[place] ?? null);
    underWay -= 1;
    look();
  }

  return {
    apply(one) {
      const { promise, resolve } = Promise.withResolvers<HandlerAnswer | null>();
      waiting.push({ ...one, resolve });
      look();
      return promise;
    },
  };
}

/** Null: each is to be applied alone. */
async function applyAll(
  options: EventBatchesOptions,
  batch: readonly ShareableEvent[],
): Promise<readonly HandlerAnswer[] | null> {
  // Alone it is as fast, and its errors are its own.
  if (batch.length === 1) return null;
  const { eventBatches } = options.metrics;
  try {
    const answers = await options.database.transaction((transaction) => applyOn(transaction, options, batch));
    eventBatches.inc({ outcome: 'shared' });
    return answers;
  } catch (error) {
    // Whatever it was, whoever has it meets it again alone, and there it is told.
    eventBatches.inc({ outcome: error instanceof Apart ? 'apart' : 'failed' });
    return null;
  }
}

async function applyOn(
  transaction: TablesTransaction,
  { database, apiVersion, now }: EventBatchesOptions,
  batch: readonly ShareableEvent[],
): Promise<readonly HandlerAnswer[]> {
  const entityIds = batch.map(({ envelope }) => envelope.entityId);
  await limitWaits(transaction, waits);
  // All of them before anything else, in one order: no two batches wait for each other.
  await lockForSharing(database, transaction, entityIds);
  // What names somebody erased is looked at by itself. Asked behind the locks, which an erasure takes too.
  if (
    await isAnyErased(
      transaction,
      batch.map(({ envelope }) => envelope),
    )
  )
    throw new Apart();
  gatherOn(transaction);
  const ran = await Promise.allSettled(
    batch.map(({ event, envelope, handler }) =>
      unlessRemoved(handler)({ database, transaction, event, envelope, now: now(), apiVersion }),
    ),
  );
  // Only when all have ended: nobody may still be at it when the transaction ends.
  const answers = ran.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  const concluded = await Promise.all(
    answers.map(async (answer, place) => {
      const { eventKey = '' } = batch[place]?.event ?? {};
      return answer.kind === 'open' || concludeEvent(transaction, eventKey, answer.conclusion);
    }),
  );
  if (concluded.includes(false)) throw new Apart();
  return answers;
}

/** Thrown to roll back where that is nobody's fault; never leaves this file. */
class Apart extends Error {}
