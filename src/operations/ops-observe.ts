// `npm run ops -- certificates observe`: stands in the receiver's place for a while and shows who calls with what.
// Never lets anybody in: every answer is 503, so that Lean keeps the delivery and sends it again. Keeps nothing.
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import type { Config } from '../config/load-config.ts';
import { headerValues } from '../core/raw-headers.ts';
import { listenFailure, reachableAuthority } from '../core/listen-address.ts';
import { verifyWebhookSignature, type SignatureVerdict } from '../lean/webhook-signature.ts';
import { createObserverLines } from './observe-lines.ts';
import { openObservedSide, type ObservedSide } from './ops-observe-side.ts';
import {
  kindOfBroken,
  kindOfRequest,
  printBroken,
  printEnd,
  printRequest,
  printStart,
  wouldBeRefused,
  type ObservedRequest,
} from './ops-observe-report.ts';

export interface ObserveOptions {
  readonly config: Config;
  readonly port: number;
  /** Ends after so many requests that had lines of their own. */
  readonly count: number;
  /** Ends after so long. */
  readonly seconds: number;
  readonly json: boolean;
  readonly write: (text: string) => void;
  /** Ends when this is aborted. */
  readonly stop: AbortSignal;
}

/** The same bounds as the receiver's; a forwarded chain takes some 9 kB of the bytes that all headers share. */
const bounds = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 500,
  insecureHTTPParser: false,
} as const;
const maxHeaderBytes = { receiver: 16_384, proxy: 32_768 } as const;
const maxConnections = 256;
const retryAfterSeconds = 60;
const reply = JSON.stringify({ code: 'NOT_DURABLE' });

/**
 * The exit code: 0 everybody who came would be let in, 1 nobody came or somebody would be refused, 2 what is configured
 * cannot be observed. Throws TLS_MATERIAL_INVALID or PORT_IN_USE.
 */
export async function observeCallers(options: ObserveOptions): Promise<number> {
  const { config, port, json, write } = options;
  const side = await openObservedSide(config);
  if (side.kind === 'impossible') {
    write(json ? JSON.stringify({ kind: 'problem', message: side.problem }) : side.problem);
    return 2;
  }
  const seen = { requests: 0, broken: 0, refused: 0, shown: 0 };
  const lines = createObserverLines();
  const enough = new AbortController();
  const server = createObserver(side, {
    maxHeaderSize: maxHeaderBytes[config.TLS_TERMINATION],
    handle: answering({
      bodyLimitBytes: config.BODY_LIMIT_BYTES,
      onRequest(request, body) {
        if (seen.shown === options.count) return;
        seen.requests += 1;
        const observed = observe({ request, body, side, secrets: config.LEAN_WEBHOOK_SECRET });
        if (wouldBeRefused(observed)) seen.refused += 1;
        // Nobody can flood with signatures that are valid, and it is them who are waited for.
        const leftOut = observed.signature === 'valid' ? 0 : lines.take(kindOfRequest(observed));
        if (leftOut === null) return;
        seen.shown += 1;
        write(printRequest(observed, { json, leftOut }));
        if (seen.shown === options.count) enough.abort();
      },
    }),
    onBroken(error, socket) {
      seen.broken += 1;
      const leftOut = lines.take(kindOfBroken(error));
      if (leftOut !== null) write(printBroken({ error, socket }, { json, leftOut }));
    },
  });
  const connections = trackConnections(server);
  const taken = await listen(server, { host: config.HOST, port });
  try {
    const scheme = side.material === null ? 'http' : 'https';
    const url = `${scheme}://${reachableAuthority({ host: config.HOST, port: taken })}${config.WEBHOOK_PATH}`;
    write(printStart({ url, side, seconds: options.seconds }, options));
    await until([enough.signal, options.stop], options.seconds);
  } finally {
    await close(server, connections);
  }
  if (lines.leftOut() > 0) write(printEnd({ ...seen, leftOut: lines.leftOut() }, options));
  return seen.requests === 0 || seen.refused > 0 ? 1 : 0;
}

type Observing = Extract<ObservedSide, { kind: 'observing' }>;

function createObserver(
  { material }: Observing,
  parts: {
    maxHeaderSize: number;
    handle: RequestListener;
    onBroken: (error: NodeJS.ErrnoException, socket: Socket) => void;
  },
): http.Server {
  const parser = { ...bounds, maxHeaderSize: parts.maxHeaderSize };
  const server =
    material === null ? http.createServer(parser) : https.createServer({ ...parser, ...material });
  server.on('request', parts.handle);
  // An expectation nobody knows is answered like everything else.
  server.on('checkExpectation', parts.handle);
  server.on('tlsClientError', parts.onBroken);
  server.on('clientError', (error, socket) => {
    if (socket instanceof Socket) parts.onBroken(error, socket);
    socket.destroy();
  });
  return server;
}

/** null: larger than BODY_LIMIT_BYTES, and not read to its end. */
type Body = Uint8Array | null;

/** Reads a bounded body, hands it over, and answers 503. The next request begins with a handshake of its own. */
function answering(parts: {
  bodyLimitBytes: number;
  onRequest: (request: IncomingMessage, body: Body) => void;
}): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let done = false;
    const answer = (body: Body) => {
      if (done) return;
      done = true;
      response.writeHead(503, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': reply.length,
        'retry-after': String(retryAfterSeconds),
        connection: 'close',
      });
      response.end(reply);
      parts.onRequest(request, body);
    };
    request.on('data', (chunk: Buffer) => {
      if (done) return;
      bytes += chunk.length;
      if (bytes > parts.bodyLimitBytes) answer(null);
      else chunks.push(chunk);
    });
    request.once('end', () => answer(Buffer.concat(chunks)));
    // Cut short: there is nobody to answer, and half a request proves nothing.
    request.once('error', () => {
      done = true;
    });
  };
}

function observe(parts: {
  request: IncomingMessage;
  body: Body;
  side: Observing;
  secrets: readonly string[] | undefined;
}): ObservedRequest {
  const { request, body, side, secrets } = parts;
  const { method = '', url = '', rawHeaders, socket } = request;
  const now = new Date();
  const caller = { socket, rawHeaders };
  return {
    at: now,
    remoteAddress: socket.remoteAddress ?? '',
    method,
    path: url,
    presentation: side.source(caller),
    refusal: side.judge?.(caller, now),
    signature: judgeSignature({ body, rawHeaders, secrets }),
    forwardingHeaders: side.forwardingHeaders(rawHeaders),
  };
}

function judgeSignature(parts: {
  body: Body;
  rawHeaders: readonly string[];
  secrets: readonly string[] | undefined;
}): SignatureVerdict | 'no secret' | 'body too large' {
  const { body, rawHeaders, secrets } = parts;
  if (secrets === undefined) return 'no secret';
  if (body === null) return 'body too large';
  const signatureHeaders = headerValues(rawHeaders, 'lean-signature');
  return verifyWebhookSignature({ rawBody: body, signatureHeaders, secrets });
}

function listen(server: http.Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFailure(error, { variable: '--port', port })));
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Whatever comes first: one of the signals, or the time. */
function until(signals: readonly AbortSignal[], seconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1_000);
    const finish = () => {
      clearTimeout(timer);
      resolve();
    };
    for (const signal of signals) {
      if (signal.aborted) finish();
      else signal.addEventListener('abort', finish, { once: true });
    }
  });
}

/**
 * Those too whose handshake is not over yet, which node:http knows nothing of. The oldest gives way to a new one, so that
 * nobody holds every place without a word.
 */
function trackConnections(server: http.Server): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    const [oldest] = open;
    if (open.size >= maxConnections) oldest?.destroy();
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return open;
}

/** How long the last answer may take to leave. */
const flushMs = 250;

async function close(server: http.Server, connections: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const cut = setTimeout(() => {
    for (const socket of connections) socket.destroy();
  }, flushMs);
  await closed;
  clearTimeout(cut);
}
