// Waits for the PROXY header at the beginning of a connection and hands over the connection behind it.
// Never answers with a byte, never takes a connection without a header for one, and believes trusted peers only.
import type { Socket } from 'node:net';
import { readProxyHeader, type ProxiedSource } from '../tls/proxy-protocol.ts';

export interface ProxyProtocol {
  /** Whether a peer of TCP may speak for others. */
  isTrusted(address: string | undefined): boolean;
}

export type ProxyRefusal = 'PROXY_NOT_TRUSTED' | 'PROXY_HEADER_INVALID' | 'PROXY_HEADER_TIMEOUT';

export interface ProxyHeaderOptions {
  readonly proxyProtocol: ProxyProtocol;
  /** From the connection to the last byte of the header. */
  readonly timeoutMs: number;
  /** What came behind the header can be read from the socket again. */
  readonly received: (header: { bytes: number; source: ProxiedSource | null }) => void;
  /** The socket is destroyed by the caller. */
  readonly refused: (reason: ProxyRefusal) => void;
}

/** A connection that goes without a byte, as a balancer's health check does, ends in silence. */
export function awaitProxyHeader(socket: Socket, options: ProxyHeaderOptions): void {
  const { proxyProtocol, timeoutMs, received, refused } = options;
  // Reset before it was accepted: nobody is there to be refused.
  if (socket.remoteAddress === undefined) return void socket.destroy();
  const isTrusted = proxyProtocol.isTrusted(socket.remoteAddress);
  let bytes: Buffer = Buffer.alloc(0);

  const timer = setTimeout(() => refuse('PROXY_HEADER_TIMEOUT'), timeoutMs);
  socket.on('readable', read).on('end', ended).on('error', ended).on('close', letGo);

  function read(): void {
    const chunk: unknown = socket.read();
    if (!(chunk instanceof Buffer)) return;
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (!isTrusted) return refuse('PROXY_NOT_TRUSTED');
    const reading = readProxyHeader(bytes);
    if (reading.kind === 'incomplete') return;
    if (reading.kind === 'invalid') return refuse('PROXY_HEADER_INVALID');
    letGo();
    const { length, source } = reading;
    if (bytes.length > length) socket.unshift(bytes.subarray(length));
    received({ bytes: length, source });
  }

  function refuse(reason: ProxyRefusal): void {
    letGo();
    socket.on('error', ignore);
    refused(isTrusted ? reason : 'PROXY_NOT_TRUSTED');
  }

  function ended(): void {
    if (bytes.length > 0) return refuse('PROXY_HEADER_INVALID');
    letGo();
    socket.on('error', ignore).destroy();
  }

  function letGo(): void {
    clearTimeout(timer);
    socket.off('readable', read).off('end', ended).off('error', ended).off('close', letGo);
  }
}

/** It is closed already, and how it broke says nothing more. */
function ignore(): void {}
