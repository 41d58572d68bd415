// Events of different entities that are at hand at one time are applied in one transaction, their statements put together:
// what costs most is the way to Postgres and the commit. What goes wrong with one of them leaves nothing behind of any, and
// each is then applied alone: so nobody can tell whether an event had company. It never waits for whom one of them waits for.
import { NoTurnError } from '../core/turns.ts';
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
  /**
   * What came of it, committed; null: it is to be applied alone, which also tells if a commit's answer was lost. Rejects
   * with NoTurnError where the signal comes before its turn.
   */
  apply(one: ShareableEvent, signal: AbortSignal): Promise<HandlerAnswer | null>;
}

export interface EventBatchesOptions {
  readonly database: Database;
  readonly apiVersion: 'v1' | 'v2';
  readonly metrics: Pick<Metrics, 'eventBatches'>;
  readonly now: () => Date;
}

/** Each entity of a batch is locked until its end, for some 50 ms; with fewer, each event costs more statements. */
const batchLimit = 64;
/** What goes wrong in a larger one is tried in parts of so many before each event is applied alone. */
const partLimit = 16;
/** Another one beside the one under way, which may be waiting for a lock. */
const batchesAtATime = 2;
/** For each event that may be applied alone so many are in hand: with the default of 16, two full batches. */
const companyFactor = 8;
/** More would only be more bodies in memory. */
const mostInHand = 256;
const worthASecond = batchLimit / 2;
/**
 * Postgres itself ends a wait, so that nobody's locks are held any longer by a transaction that was given up here: each
 * entity that somebody holds costs its company so much, and all of them together no more than a statement may take.
 */
const waits = { lockMs: 100, statementMs: 5_000 };

interface Waiting extends ShareableEvent {
  readonly resolve: (answer: HandlerAnswer | null) => void;
}

/** How many events are taken from the queue at a time, where `aloneLimit` of them may be applied alone. */
export function eventsInHand(aloneLimit: number): number {
  return Math.max(aloneLimit, Math.min(companyFactor * aloneLimit, mostInHand));
}

export function createEventBatches(options: EventBatchesOptions): EventBatches {
  let waiting: Waiting[] = [];
  let underWay = 0;
  /** Entities of the batches under way: another batch would only wait for their locks. */
  const busy = new Set<string>();
  let isLooking = false;

  /** After what is at hand in this turn of the event loop has come. */
  function look(): void {
    if (isLooking) return;
    isLooking = true;
    setImmediate(() => {
      isLooking = false;
      while (underWay < batchesAtATime) {
        const batch = nextBatch();
        if (batch.length < (underWay === 0 ? 1 : worthASecond)) break;
        void run(batch);
      }
    });
  }

  function nextBatch(): Waiting[] {
    const batch = new Map<string, Waiting>();
    for (const one of waiting) {
      if (batch.size === batchLimit) break;
      const { entityId } = one.envelope;
      if (!busy.has(entityId) && !batch.has(entityId)) batch.set(entityId, one);
    }
    return [...batch.values()];
  }

  async function run(batch: readonly Waiting[]): Promise<void> {
    const isTaken = new Set(batch);
    waiting = waiting.filter((one) => !isTaken.has(one));
    underWay += 1;
    for (const { envelope } of batch) busy.add(envelope.entityId);
    const answers = await applyInParts(options, batch);
    for (const [place, { resolve }] of batch.entries()) resolve(answers[place] ?? null);
    for (const { envelope } of batch) busy.delete(envelope.entityId);
    underWay -= 1;
    look();
  }

  return {
    async apply(one, signal) {
      if (signal.aborted) throw new NoTurnError();
      const { promise, resolve, reject } = Promise.withResolvers<HandlerAnswer | null>();
      const mine: Waiting = { ...one, resolve };
      const leave = (): void => {
        if (!waiting.includes(mine)) return;
        waiting = waiting.filter((other) => other !== mine);
        reject(new NoTurnError());
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(mine);
      look();
      try {
        return await promise;
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}

/** Null in the place of an event that is to be applied alone. */
async function applyInParts(
  options: EventBatchesOptions,
  batch: readonly ShareableEvent[],
): Promise<readonly (HandlerAnswer | null)[]> {
  const whole = await applyAll(options, batch);
  if (whole !== null) return whole;
  const answers: (HandlerAnswer | null)[] = [];
  for (let from = 0; from < batch.length; from += partLimit) {
    const part = batch.slice(from, from + partLimit);
    const given = part.length < batch.length ? await applyAll(options, part) : null;
    answers.push(...(given ?? part.map(() => null)));
  }
  return answers;
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
