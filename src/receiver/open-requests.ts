// The requests that wait for their answer, and the promise that each of them ends: answered, or cut.
// Never leaves an answer open behind a connection that is gone, nor one to a sender that does not read.
import type http from 'node:http';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface OpenRequests {
  /** Resolves when nothing waits for an answer. */
  whenNone(): Promise<void>;
  any(): boolean;
}

export interface OpenRequestsOptions {
  /** From the head of a request until its answer has left. */
  readonly exchangeTimeoutMs: number;
}

export function trackRequests(server: http.Server, { exchangeTimeoutMs }: OpenRequestsOptions): OpenRequests {
  /** In order of arrival, so that the first is the first to be late. */
  const open = new Map<ServerResponse, { readonly socket: Socket; readonly lateMs: number }>();
  const bySocket = new WeakMap<Socket, Set<ServerResponse>>();
  const waiting: (() => void)[] = [];
  let timer: NodeJS.Timeout | null = null;

  server.on('request', ({ socket }, response) => {
    open.set(response, { socket, lateMs: performance.now() + exchangeTimeoutMs });
    // One for all of them: a timer for each would be set and taken back a thousand times before one ran out.
    if (timer === null) cutAfter(exchangeTimeoutMs);
    const answers = answersOn(socket).add(response);
    response.once('close', () => {
      answers.delete(response);
      open.delete(response);
      if (open.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
  });

  function cutAfter(ms: number): void {
    timer = setTimeout(cutLate, ms).unref();
  }

  function cutLate(): void {
    timer = null;
    for (const { socket, lateMs } of open.values()) {
      const leftMs = lateMs - performance.now();
      if (leftMs > 0) return cutAfter(leftMs);
      socket.destroy();
    }
  }

  function answersOn(socket: Socket): Set<ServerResponse> {
    const known = bySocket.get(socket);
    if (known) return known;
    const answers = new Set<ServerResponse>();
    bySocket.set(socket, answers);
    // node:http says nothing of answers that were not begun when it has let go of the socket before, as for CONNECT.
    socket.once('close', () => setImmediate(() => answers.forEach((response) => response.emit('close'))));
    return answers;
  }

  return {
    any: () => open.size > 0,
    whenNone: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
