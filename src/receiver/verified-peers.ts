// Whose peer was verified under the trust in force, and how long ago.
// Never counts a handshake as verified that began under former anchors.
import type http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { tcpSocketOf } from './sender-address.ts';

export interface VerifiedPeers {
  /** The connection speaks for itself from here on: TLS, or HTTP where there is none. */
  begin(socket: Socket): void;
  /** False for one that was verified under former trust, or longer ago than the greatest age. */
  isCurrent(socket: Socket): boolean;
  /**
   * Ends handshakes under way; connections lose nothing but `isCurrent`. An idle one is not closed: its next request may be on
   * its way, and is judged under the new trust like any other.
   */
  forgetTrust(): void;
}

export function trackVerifiedPeers(server: http.Server, { maxAgeMs }: { maxAgeMs: number }): VerifiedPeers {
  const secure = server instanceof https.Server;
  /** By the socket of TCP. */
  const handshakes = new Set<Socket>();
  /** performance.now() of when the peer was verified; without TLS, of when it began. */
  let currentSinceMs = new WeakMap<Socket, number>();

  // Ahead of node:http, which would read a request that came with the end of the handshake even from a dead socket.
  server.prependListener('secureConnection', (socket: Socket) => {
    if (handshakes.delete(tcpSocketOf(socket))) currentSinceMs.set(socket, performance.now());
    else socket.destroy();
  });

  return {
    begin(socket) {
      if (!secure) return void currentSinceMs.set(socket, performance.now());
      handshakes.add(socket);
      socket.once('close', () => handshakes.delete(socket));
    },
    isCurrent(socket) {
      const sinceMs = currentSinceMs.get(socket);
      return sinceMs !== undefined && performance.now() - sinceMs <= maxAgeMs;
    },
    forgetTrust() {
      currentSinceMs = new WeakMap();
      for (const socket of handshakes) socket.destroy();
      handshakes.clear();
    },
  };
}
