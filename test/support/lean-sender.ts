// A sender for tests of the receiver: real sockets, real TLS, any certificate, any bytes.
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import type { Identity } from './pki.ts';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Sending {
  readonly url: string;
  readonly serverCaPem?: string;
  /** Who calls; nobody when left out. */
  readonly identity?: Identity | undefined;
  readonly method?: string;
  readonly path?: string;
  /** A pair per line, repeats allowed. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array | string;
  /** True sends the body in chunks, without a Content-Length. */
  readonly chunked?: boolean;
  /** Signs the body with this secret. */
  readonly secret?: string;
  readonly agent?: https.Agent | http.Agent;
}

/** One request; rejects when the connection ends without an answer. */
export function send(sending: Sending): Promise<Reply> {
  const { url, path = '/webhooks/lean', method = 'POST', body = '', chunked = false, secret } = sending;
  const bytes = Buffer.from(body);
  const headers: string[] = ['Host', new URL(url).host, ...(sending.headers ?? []).flat()];
  if (secret !== undefined) headers.push('Lean-Signature', sign(bytes, secret));
  headers.push(...(chunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(bytes.length)]));
  const options = {
    method,
    path,
    headers,
    agent: sending.agent ?? false,
    ...(url.startsWith('https:') && clientTls(sending)),
  };
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).request(url + path, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    request.once('error', reject);
    request.end(bytes);
  });
}

export function sign(body: Uint8Array | string, secret: string): string {
  return `sha512=${createHmac('sha512', secret).update(body).digest('hex')}`;
}

interface RawConnection {
  readonly socket: net.Socket;
  /** Everything that came, once the other side has closed. */
  readonly received: Promise<string>;
}

/** A bare connection on which any bytes can be written. */
export function connectRaw(
  target: Pick<Sending, 'url' | 'serverCaPem' | 'identity'>,
): Promise<RawConnection> {
  const { hostname, port, protocol } = new URL(target.url);
  const address = { host: hostname, port: Number(port) };
  const secure = protocol === 'https:';
  const socket = secure ? tls.connect({ ...address, ...clientTls(target) }) : net.connect(address);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const received = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      // A cut connection is an outcome here, not a failure of the test.
      socket.off('error', reject).on('error', () => {});
      resolve({ socket, received });
    });
  });
}

export function clientTls({
  serverCaPem,
  identity,
}: Pick<Sending, 'serverCaPem' | 'identity'>): tls.SecureContextOptions {
  return {
    ...(serverCaPem !== undefined && { ca: serverCaPem }),
    ...(identity && { cert: identity.chainPem, key: identity.keyPem }),
  };
}
