// Carries deliveries from the journal to the workers: batches in order of arrival, each repeated until Redis has
// it, each row kept until its batch is in Postgres. Never deletes a row on any other ground.
import { machineClock, type Clock } from '../core/clock.ts';
import { queueFailureReason } from '../queue/queue-failures.ts';
import { createAdder, type Adder } from './forwarder-adder.ts';
import { createForwarderHealth, jitteredDelayMs, type ForwarderHealth } from './forwarder-health.ts';
import { createInstallationGuard, type InstallationGuard } from './forwarder-installation.ts';
import { createLedger, type Ledger } from './forwarder-ledger.ts';
import type { ForwarderJournal, ForwarderListener, ForwarderQueue } from './forwarder-ports.ts';
import { createWake, type Wake } from './forwarder-wake.ts';
import { createWatcher, type Watcher } from './forwarder-watcher.ts';

export interface ForwarderOptions {
  readonly journal: ForwarderJournal;
  readonly queue: ForwarderQueue;
  /** Batches between the journal and Postgres at a time; 16 when left out. */
  readonly maxOutstanding?: number;
  /** The longest pause between two looks at outstanding batches; 1,000 ms when left out, 250 at most while `whenStored` waits. */
  readonly pollMs?: number;
  readonly onEvent?: ForwarderListener;
  /** From 0 to 1, for jitter. */
  readonly random?: () => number;
  /** The machine's when left out. */
  readonly clock?: Clock;
}

export interface ForwarderState {
  readonly ok: boolean;
  readonly code?: 'QUEUE_UNAVAILABLE' | 'WRONG_INSTALLATION';
  readonly outstanding: number;
}

export interface Forwarder {
  /** Batches cut from the journal whose rows have not left it. */
  outstanding(): number;
  /** Resolves once the delivery is in Postgres; rejects with NOT_DURABLE after the deadline. */
  whenStored(sequence: number, deadlineMs: number): Promise<void>;
  /** Waits until the journal is empty, at most `deadlineMs`; returns the rows that are left. */
  flush(deadlineMs: number): Promise<number>;
  state(): ForwarderState;
  /** Ends after the operations in hand, which are bounded. Rows stay in the journal for the next start. */
  close(): Promise<void>;
}

const defaultMaxOutstanding = 16;
const defaultPollMs = 1_000;
/** While an answer to Lean waits for Postgres, should the hints not come. */
const awaitedPollMs = 250;
const repeatBaseMs = 100;
const repeatLimitMs = 5_000;
/** Looking for rows without having been told of any, in case a bell was missed. */
const idleMs = 5_000;
const wrongInstallationPauseMs = 5_000;
const flushLookMs = 20;
/** From one batch to the next. A small one costs the receiver nearly as much as a large one, so more may gather first. */
const addPaceMs = { small: 50, large: 20 };
/** From one look to the next. Rows that leave together take one commit, and an answer waits for every commit. */
const lookPaceMs = 100;

export function startForwarder(options: ForwarderOptions): Forwarder {
  const { journal, queue, maxOutstanding = defaultMaxOutstanding, pollMs = defaultPollMs } = options;
  const { onEvent = () => {}, random = Math.random, clock = machineClock } = options;
  const closing = new AbortController();
  const addBell = createWake(clock);
  const lookBell = createWake(clock);
  const ledger = createLedger(clock);
  const health = createForwarderHealth(onEvent, clock);
  const guard = createInstallationGuard({ journal, queue, onEvent, clock });
  const adder = createAdder({ journal, queue, ledger, health, maxOutstanding, clock, onEvent });
  const onRoom = () => addBell.ring();
  const watcher = createWatcher({ journal, queue, ledger, health, random, clock, onRoom, onEvent });
  journal.onAppended(() => addBell.ring());
  const pause = createPause(clock, closing.signal);
  const { signal } = closing;
  const hurry = createHurry({ queue, ledger, lookBell, signal });
  const pace = (ms: number) => (hurry.isOn() ? Promise.resolve() : pause(ms));
  const flushing = createFlushing(clock, journal);
  /** Somebody waits for the end of all batches, or no place is left and nothing is added until one is found stored. */
  const isUrgent = (): boolean => flushing.isAwaited() || ledger.size() >= maxOutstanding;

  const loops = Promise.all([
    keepAdding({
      adder,
      guard,
      health,
      addBell,
      lookBell,
      random,
      pause,
      pace: (size) => pace(addPaceMs[size]),
      onEvent,
      signal,
    }),
    keepLooking({
      watcher,
      ledger,
      isUrgent,
      lookBell,
      pollMs,
      pause,
      pace: () => pace(lookPaceMs),
      signal,
    }),
  ]);
  return {
    outstanding: () => ledger.size(),
    whenStored(sequence, deadlineMs) {
      hurry.begin();
      return ledger.whenStored(sequence, deadlineMs);
    },
    flush(deadlineMs) {
      const flushed = flushing.within(deadlineMs);
      lookBell.ring();
      return flushed;
    },
    state() {
      const outstanding = ledger.size();
      if (guard.isWrong()) return { ok: false, code: 'WRONG_INSTALLATION', outstanding };
      if (health.queueIsLost()) return { ok: false, code: 'QUEUE_UNAVAILABLE', outstanding };
      return { ok: true, outstanding };
    },
    async close() {
      closing.abort();
      addBell.ring();
      lookBell.ring();
      await loops;
    },
  };
}

interface Hurry {
  readonly queue: Pick<ForwarderQueue, 'onSettled'>;
  readonly ledger: Pick<Ledger, 'has'>;
  readonly lookBell: Wake;
  readonly signal: AbortSignal;
}

/**
 * ACK_AFTER=stored: from the first one on, an answer to Lean may wait for any batch. Nobody else is in a hurry, and being
 * told of every job costs more than looking.
 */
function createHurry({ queue, ledger, lookBell, signal }: Hurry) {
  let isOn = false;
  return {
    isOn: () => isOn,
    begin(): void {
      if (isOn || signal.aborted) return;
      queue.onSettled((jobId) => {
        if (ledger.has(jobId)) lookBell.ring();
      });
      isOn = true;
    },
  };
}

/** Waits for an empty journal, at most so long; gives how many rows are left. */
function createFlushing(clock: Clock, journal: Pick<ForwarderJournal, 'stats'>) {
  let awaited = 0;
  return {
    isAwaited: () => awaited > 0,
    async within(deadlineMs: number): Promise<number> {
      const endsAt = clock.nowMs() + deadlineMs;
      awaited += 1;
      while (journal.stats().rows > 0 && clock.nowMs() < endsAt) await pauseFor(clock, flushLookMs);
      awaited -= 1;
      return journal.stats().rows;
    },
  };
}

interface AddLoop {
  readonly adder: Adder;
  readonly guard: InstallationGuard;
  readonly health: ForwarderHealth;
  readonly addBell: Wake;
  readonly lookBell: Wake;
  readonly random: () => number;
  readonly pause: Pause;
  /** Keeps what is worth doing from being done too often. */
  readonly pace: (size: 'small' | 'large') => Promise<void>;
  readonly onEvent: ForwarderListener;
  readonly signal: AbortSignal;
}

async function keepAdding({
  adder,
  guard,
  health,
  addBell,
  lookBell,
  random,
  pause,
  pace,
  onEvent,
  signal,
}: AddLoop): Promise<void> {
  let openIsKnown = false;
  let times = 0;
  while (!signal.aborted) {
    try {
      if (!openIsKnown) await adder.takeOpen();
      openIsKnown = true;
      if (await guard.allows()) {
        const added = await adder.addNext();
        if (added === 'none') await addBell.wait(idleMs);
        else {
          lookBell.ring();
          await pace(added);
        }
      } else await pause(wrongInstallationPauseMs);
      times = 0;
    } catch (error) {
      if (health.failed(error, 'adding') === 'queue') {
        guard.forget();
        onEvent({ kind: 'add_failed', reason: queueFailureReason(error) });
        // A cut whose answer was lost is recorded all the same: see what is open before cutting on.
      } else openIsKnown = false;
      await pause(jitteredDelayMs({ random, baseMs: repeatBaseMs, limitMs: repeatLimitMs, times }));
      times += 1;
    }
  }
}

interface LookLoop {
  readonly watcher: Watcher;
  readonly ledger: Pick<Ledger, 'isAwaited' | 'size'>;
  readonly isUrgent: () => boolean;
  readonly lookBell: Wake;
  readonly pollMs: number;
  readonly pause: Pause;
  /** Keeps what is worth doing from being done too often. */
  readonly pace: () => Promise<void>;
  readonly signal: AbortSignal;
}

async function keepLooking({
  watcher,
  ledger,
  isUrgent,
  lookBell,
  pollMs,
  pause,
  pace,
  signal,
}: LookLoop): Promise<void> {
  const longestMs = () => (ledger.isAwaited() ? Math.min(awaitedPollMs, pollMs) : pollMs);
  /** Looks since the last one that found a batch stored, or nothing to look for. */
  let inVain = 0;
  const nextLookMs = () => {
    if (ledger.size() === 0) return longestMs();
    return isUrgent() ? lookPaceMs : Math.min(inVain * lookPaceMs, longestMs());
  };
  while (!signal.aborted) {
    await lookBell.wait(nextLookMs());
    const found = await watcher.lookUp();
    inVain = found === 'stored' || ledger.size() === 0 ? 0 : inVain + 1;
    // Bells ring on while something is wrong; looking again at each of them would help nobody.
    if (found === 'failed') await pause(longestMs());
    else await pace();
  }
}

/** Ends early when the forwarder closes. */
type Pause = (ms: number) => Promise<void>;

function createPause(clock: Clock, signal: AbortSignal): Pause {
  return async (ms) => {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => resolve();
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
    await promise;
    cancel();
    signal.removeEventListener('abort', end);
  };
}

function pauseFor(clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(ms, resolve);
  return promise;
}
