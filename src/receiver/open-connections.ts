// The connections of the public socket: which are open, since when, and whose peer was verified under the trust in
// force. Never counts a handshake as verified that began under former anchors.
import type http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';

export interface OpenConnections {
  /** False for one that was verified under former trust, or longer ago than the greatest age. */
  isCurrent(socket: Socket): boolean;
  /** Ends handshakes under way and idle connections; those with a request lose nothing but `isCurrent`. */
  forgetTrust(): void;
  destroyAll(): void;
}

export function trackConnections(server: http.Server, { maxAgeMs }: { maxAgeMs: number }): OpenConnections {
  const secure = server instanceof https.Server;
  /** Every connection below TLS, so that half a handshake cannot keep the process from ending. */
  const sockets = new Set<Socket>();
  /** Below TLS too. node:tls does not say which of them a finished handshake was on, but the sender's address does. */
  const handshakes = new Map<string, Socket>();
  /** performance.now() of when the peer was verified; without TLS, of when it connected. */
  let currentSinceMs = new WeakMap<Socket, number>();

  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (secure) trackHandshake(socket);
    else currentSinceMs.set(socket, performance.now());
  });

  function trackHandshake(socket: Socket): void {
    const sender = senderOf(socket);
    if (sender === null) return;
    handshakes.set(sender, socket);
    socket.once('close', () => {
      if (handshakes.get(sender) === socket) handshakes.delete(sender);
    });
  }

  // Ahead of node:http, which would read a request that came with the end of the handshake even from a dead socket.
  server.prependListener('secureConnection', (socket: Socket) => {
    const sender = senderOf(socket);
    if (sender !== null && handshakes.delete(sender)) currentSinceMs.set(socket, performance.now());
    else socket.destroy();
  });

  return {
    isCurrent(socket) {
      const sinceMs = currentSinceMs.get(socket);
      return sinceMs !== undefined && performance.now() - sinceMs <= maxAgeMs;
    },
    forgetTrust() {
      currentSinceMs = new WeakMap();
      for (const socket of handshakes.values()) socket.destroy();
      handshakes.clear();
      server.closeIdleConnections();
    },
    destroyAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Unique among the connections of one listener at a time; null when the sender has gone already. */
function senderOf({ remoteAddress, remotePort, localAddress }: Socket): string | null {
  if (remoteAddress === undefined || remotePort === undefined) return null;
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
