// Hears that somebody has asked for something in our schema, on one connection of its own. Never waits without a bound,
// and never takes silence for peace: what it says of itself comes from notifications that it has sent to itself.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Client } from 'pg';
import { machineClock, type Clock } from '../core/clock.ts';
import type { Database } from './database.ts';

/** Where the functions of the schema notify, with the schema's name. */
const channel = 'lean_requests';

export type ListeningState =
  | 'listening'
  /** The connection broke or could not be made; another one follows. */
  | 'lost'
  /** What is sent does not arrive, as through a pooler that lends a session for one transaction. Tried again, rarely. */
  | 'unheard';

export interface RequestListenerOptions {
  readonly url: string;
  /** Its schema is listened for; its pool sends what must arrive. */
  readonly database: Database;
  /** Somebody has asked, or may have while nobody listened. */
  readonly onAsked: () => void;
  /** Told once of each change. */
  readonly onState: (state: ListeningState, error?: unknown) => void;
  /** Milliseconds; for tests. */
  readonly bounds?: Partial<ListenerBounds>;
  /** The machine's when left out. */
  readonly clock?: Clock;
  /** From 0 to 1, for the pauses. */
  readonly random?: () => number;
}

export interface ListenerBounds {
  /** For a connection, an answer, and a notification to oneself. */
  readonly answerMs: number;
  /** Between two notifications to oneself. */
  readonly checkEveryMs: number;
  /** The pause before another connection; doubled each time up to the longest. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** The pause where nothing arrives although the connection stands. */
  readonly unheardPauseMs: number;
}

const defaultBounds: ListenerBounds = {
  answerMs: 5_000,
  checkEveryMs: 60_000,
  firstPauseMs: 500,
  longestPauseMs: 30_000,
  unheardPauseMs: 600_000,
};
/** A connection that cannot be ended in this time ends with the process. */
const closeMs = 1_000;
/** The system's own first look at a silent connection comes after two hours. */
const keepAliveAfterMs = 10_000;

export interface RequestListener {
  close(): Promise<void>;
}

export function openRequestListener(options: RequestListenerOptions): RequestListener {
  const { onState, clock = machineClock, random = Math.random } = options;
  const bounds = { ...defaultBounds, ...options.bounds };
  const closing = new AbortController();
  let state: ListeningState | null = null;

  const turn = (next: ListeningState, error?: unknown) => {
    if (next !== state && !closing.signal.aborted) onState(next, error);
    state = next;
  };
  async function repeat(): Promise<void> {
    let pauseMs = bounds.firstPauseMs;
    while (!closing.signal.aborted) {
      const ended = await listenOnce(options, {
        bounds,
        clock,
        stop: closing.signal,
        onHeard() {
          turn('listening');
          pauseMs = bounds.firstPauseMs;
          // Whatever was asked for before this is not told of.
          options.onAsked();
        },
      });
      turn(ended.state, ended.error);
      const thisMs = ended.state === 'unheard' ? bounds.unheardPauseMs : pauseMs;
      await settledWithin([], { clock, ms: thisMs * (0.75 + random() / 2), stop: closing.signal });
      pauseMs = Math.min(pauseMs * 2, bounds.longestPauseMs);
    }
  }
  const repeating = repeat();
  return {
    async close() {
      closing.abort();
      await settledWithin([repeating], { clock, ms: closeMs, stop: null });
    },
  };
}

interface Ended {
  readonly state: 'lost' | 'unheard';
  readonly error?: unknown;
}

interface Listening {
  readonly bounds: ListenerBounds;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  /** For the first time on this connection. */
  readonly onHeard: () => void;
}

/** Until the connection breaks, or nothing arrives on it. Never throws. */
async function listenOnce(options: RequestListenerOptions, listening: Listening): Promise<Ended> {
  const { answerMs } = listening.bounds;
  try {
    // Reads the files of certificates that the URL names, and one of them may be missing just now.
    const client = new Client({
      connectionString: options.url,
      application_name: 'lean-worker-listen',
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveAfterMs,
    });
    return await listenOn(options, { ...listening, client });
  } catch (error) {
    return { state: 'lost', error };
  }
}

async function listenOn(
  { database, onAsked }: RequestListenerOptions,
  {
    client,
    bounds: { answerMs, checkEveryMs },
    clock,
    stop,
    onHeard,
  }: Listening & { readonly client: Client },
): Promise<Ended> {
  // Not a promise: what is waited for again and again, for weeks, would keep everybody who ever waited.
  const broken = new AbortController();
  const ends: Ended[] = [];
  const lose = (end: Ended) => {
    ends.push(end);
    broken.abort();
  };
  client.on('error', (error) => lose({ state: 'lost', error }));
  client.on('end', () => lose({ state: 'lost' }));
  const early = AbortSignal.any([stop, broken.signal]);
  const within = async (ms: number, others: readonly Promise<'heard'>[]) =>
    (await settledWithin(others, { clock, ms, stop: early })) ?? ends[0] ?? null;
  let expected = '';
  let arrived = Promise.withResolvers<'heard'>();
  client.on('notification', ({ payload }) => {
    if (payload === database.schema) onAsked();
    if (payload === expected) arrived.resolve('heard');
  });
  try {
    await client.connect();
    await client.query(`listen ${channel}`);
    for (let isFirst = true; !stop.aborted; isFirst = false) {
      expected = `${database.schema}:${randomUUID()}`;
      arrived = Promise.withResolvers();
      // From another connection: to the one that listens, a pooler may hand back what it has just sent itself.
      await sql`select pg_notify(${channel}, ${expected})`.execute(database.db);
      const answer = await within(answerMs, [arrived.promise]);
      // Who has been heard here before is behind something that broke without a word.
      if (answer !== 'heard') return answer ?? { state: isFirst ? 'unheard' : 'lost' };
      if (isFirst) onHeard();
      const end = await within(checkEveryMs, []);
      if (end !== null && end !== 'heard') return end;
    }
    return { state: 'lost' };
  } catch (error) {
    return { state: 'lost', error };
  } finally {
    await settledWithin([client.end().then(ignored, ignored)], { clock, ms: answerMs, stop: null });
  }
}

const ignored = () => undefined;

interface Waiting {
  readonly clock: Clock;
  readonly ms: number;
  /** Ends the wait early. */
  readonly stop: AbortSignal | null;
}

/** The first of them; null when time is up, or the wait was ended. None of them may reject. */
function settledWithin<Value>(
  promises: readonly Promise<Value>[],
  { clock, ms, stop }: Waiting,
): Promise<Value | null> {
  return new Promise((resolve) => {
    const finish = (value: Value | null) => {
      cancel();
      stop?.removeEventListener('abort', end);
      resolve(value);
    };
    const end = () => finish(null);
    const cancel = clock.after(ms, end);
    if (stop?.aborted === true) end();
    else stop?.addEventListener('abort', end, { once: true });
    for (const promise of promises) void promise.then(finish);
  });
}
