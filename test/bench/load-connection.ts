// A bare TLS connection of the load generator: whole requests out, statuses in. One request at a time.
import tls from 'node:tls';
import type { LoadTarget } from './load-messages.ts';
import { createReplyReader } from './replies.ts';

export interface LoadConnection {
  send(request: Buffer): void;
  close(): void;
}

export interface LoadConnectionOptions {
  readonly url: string;
  /** Shared by all connections: what it costs to read certificates is not the subject's. */
  readonly context: tls.SecureContext;
  readonly onOpen: (connection: LoadConnection) => void;
  readonly onReply: (status: number, connection: LoadConnection) => void;
  /** It broke before it was closed from here, or said what is no answer. At most once. */
  readonly onBroken: (error: Error) => void;
}

export function createLoadContext({ caPem, certPem, keyPem }: LoadTarget): tls.SecureContext {
  return tls.createSecureContext({ ca: caPem, cert: certPem, key: keyPem, minVersion: 'TLSv1.3' });
}

/** A full handshake each time: no session is ever taken up again. */
export function openLoadConnection(options: LoadConnectionOptions): LoadConnection {
  const { hostname, port } = new URL(options.url);
  const socket = tls.connect({ host: hostname, port: Number(port), secureContext: options.context });
  socket.setNoDelay(true);
  let isOver = false;
  const breaks = (error: Error): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    options.onBroken(error);
  };
  const connection: LoadConnection = {
    send: (request) => void socket.write(request),
    close() {
      isOver = true;
      socket.destroy();
    },
  };
  const read = createReplyReader((status) => {
    if (!isOver) options.onReply(status, connection);
  });
  socket.once('secureConnect', () => options.onOpen(connection));
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      breaks(error instanceof Error ? error : new Error('not read'));
    }
  });
  socket.on('error', breaks);
  socket.once('close', () => breaks(new Error('the other side closed the connection')));
  return connection;
}
