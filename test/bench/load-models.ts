// The three ways in which deliveries come: each has the connections it wants and says when it has nothing left to send.
// Never waits for an answer before the time a delivery is due in the open model: that would hide what is measured.
import { poissonArrivals } from './arrivals.ts';
import { openLoadConnection, type LoadConnection, type LoadConnectionOptions } from './load-connection.ts';
import type { LoadJob } from './load-messages.ts';

export interface ModelOptions {
  readonly job: LoadJob;
  readonly context: LoadConnectionOptions['context'];
  /** The next one that was not sent yet. */
  readonly take: () => Buffer | undefined;
  readonly onAnswer: (taken: { sinceMs: number; nowMs: number; status: number }) => void;
  readonly onBroken: (error: Error) => void;
  /** No request is left. */
  readonly onSpent: () => void;
}

export interface RunningModel {
  /** Sends nothing more. */
  stop(): void;
  /** Since when each delivery that has no answer has been due. */
  open(): readonly number[];
  close(): void;
}

export async function startModel(options: ModelOptions): Promise<RunningModel> {
  const { model } = options.job;
  if (model.kind === 'new-connections') return startNewConnections(options, model.atOnce);
  return model.kind === 'open' ? startOpen(options, model) : startClosed(options, model.connections);
}

async function startClosed(options: ModelOptions, count: number): Promise<RunningModel> {
  const sentAt = new Map<LoadConnection, number>();
  let isStopped = false;
  const next = (connection: LoadConnection): void => {
    const request = isStopped ? undefined : options.take();
    if (request === undefined) {
      sentAt.delete(connection);
      if (!isStopped) options.onSpent();
      return;
    }
    sentAt.set(connection, performance.now());
    connection.send(request);
  };
  const connections = await openAll(options, {
    count,
    onReply(status, connection) {
      const nowMs = performance.now();
      options.onAnswer({ sinceMs: sentAt.get(connection) ?? nowMs, nowMs, status });
      next(connection);
    },
  });
  for (const connection of connections) next(connection);
  return {
    stop: () => void (isStopped = true),
    open: () => [...sentAt.values()],
    close: () => closeAll(connections),
  };
}

/** A timer of Node comes after a whole millisecond; what was due meanwhile leaves together, and its waiting counts. */
const tickMs = 1;

async function startOpen(
  options: ModelOptions,
  { connections: count, ratePerSecond }: { connections: number; ratePerSecond: number },
): Promise<RunningModel> {
  const { warmUpMs, measureMs } = options.job;
  const dueAt = poissonArrivals({ ratePerSecond, forMs: warmUpMs + measureMs, seed: 'arrivals' });
  const sentSince = new Map<LoadConnection, number>();
  /** Each in its turn, so that none is idle for as long as a server waits before it closes one. */
  const idle: LoadConnection[] = [];
  let [sent, isClosed, endsAtMs] = [0, false, Number.POSITIVE_INFINITY];
  const connections = await openAll(options, {
    count,
    onReply(status, connection) {
      const nowMs = performance.now();
      options.onAnswer({ sinceMs: sentSince.get(connection) ?? nowMs, nowMs, status });
      sentSince.delete(connection);
      idle.push(connection);
      sendDue(nowMs);
    },
  });
  idle.push(...connections);
  const startMs = performance.now();

  function sendDue(nowMs: number): void {
    for (;;) {
      const due = dueAt[sent];
      if (isClosed || due === undefined || startMs + due > Math.min(nowMs, endsAtMs)) return;
      const connection = idle.shift();
      if (connection === undefined) return;
      const request = options.take();
      if (request === undefined) return options.onSpent();
      sent += 1;
      sentSince.set(connection, startMs + due);
      connection.send(request);
    }
  }
  const timer = setInterval(() => sendDue(performance.now()), tickMs);
  return {
    // What was due before the end is sent all the same, as soon as a connection is free.
    stop: () => void (endsAtMs = performance.now()),
    open() {
      const open = [...sentSince.values()];
      // In order, and what is due after the end is never sent: there may be a hundred thousand of those.
      for (const due of dueAt.subarray(sent)) {
        if (startMs + due > endsAtMs) break;
        open.push(startMs + due);
      }
      return open;
    },
    close() {
      isClosed = true;
      clearInterval(timer);
      closeAll(connections);
    },
  };
}

function startNewConnections(options: ModelOptions, atOnce: number): RunningModel {
  const since = new Map<LoadConnection, number>();
  let isStopped = false;
  const begin = (): void => {
    if (isStopped) return;
    const request = options.take();
    if (request === undefined) return options.onSpent();
    const sinceMs = performance.now();
    const over = (): void => {
      since.delete(connection);
      begin();
    };
    const connection = openLoadConnection({
      url: options.job.target.url,
      context: options.context,
      onOpen: () => connection.send(request),
      onReply(status) {
        options.onAnswer({ sinceMs, nowMs: performance.now(), status });
        connection.close();
        over();
      },
      onBroken(error) {
        options.onBroken(error);
        over();
      },
    });
    since.set(connection, sinceMs);
  };
  for (let places = 0; places < atOnce; places += 1) begin();
  return {
    stop: () => void (isStopped = true),
    open: () => [...since.values()],
    close() {
      isStopped = true;
      closeAll(since.keys());
    },
  };
}

async function openAll(
  { job, context, onBroken }: ModelOptions,
  { count, onReply }: { count: number; onReply: LoadConnectionOptions['onReply'] },
): Promise<LoadConnection[]> {
  const opening = Array.from(
    { length: count },
    () =>
      new Promise<LoadConnection>((resolve, reject) => {
        openLoadConnection({
          url: job.target.url,
          context,
          onReply,
          onOpen: resolve,
          onBroken(error) {
            onBroken(error);
            reject(error);
          },
        });
      }),
  );
  return Promise.all(opening);
}

function closeAll(connections: Iterable<LoadConnection>): void {
  for (const connection of connections) connection.close();
}
