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

/** More than any answer here has. */
const readBytes = 4_096;

export function createLoadContext({ caPem, certPem, keyPem }: LoadTarget): tls.SecureContext {
  return tls.createSecureContext({ ca: caPem, cert: certPem, key: keyPem, minVersion: 'TLSv1.3' });
}

/** A full handshake each time: no session is ever taken up again. */
export function openLoadConnection(options: LoadConnectionOptions): LoadConnection {
  let isOver = false;
  const read = createReplyReader((status) => {
    if (!isOver) options.onReply(status, connection);
  });
  const { hostname, port } = new URL(options.url);
  const connecting = {
    host: hostname,
    port: Number(port),
    secureContext: options.context,
    // Past Node's streams: a fifth less of the processors for the load generator, which the subject has instead.
    onread: {
      buffer: Buffer.allocUnsafe(readBytes),
      callback(length: number, bytes: Uint8Array) {
        try {
          read(Buffer.from(bytes.buffer, bytes.byteOffset, length));
        } catch (error) {
          breaks(error instanceof Error ? error : new Error('not read'));
        }
        return true;
      },
    },
  };
  const socket = tls.connect(connecting);
  socket.setNoDelay(true);
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
  socket.once('secureConnect', () => options.onOpen(connection));
  socket.on('error', breaks);
  // With nobody to read it as a stream, the other side's end comes as this alone.
  socket.once('end', () => breaks(new Error('the other side closed the connection')));
  socket.once('close', () => breaks(new Error('the other side closed the connection')));
  return connection;
}
