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
  const open = new Set<ServerResponse>();
  const bySocket = new WeakMap<Socket, Set<ServerResponse>>();
  const waiting: (() => void)[] = [];

  server.on('request', ({ socket }, response) => {
    open.add(response);
    answersOn(socket).add(response);
    const timer = setTimeout(() => socket.destroy(), exchangeTimeoutMs).unref();
    response.once('close', () => {
      clearTimeout(timer);
      answersOn(socket).delete(response);
      open.delete(response);
      if (open.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
  });

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
