// The public socket alone, without deliveries behind it: every whole request is answered 200 and may prove its sender.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createConnectionErrors } from '../../src/receiver/connection-errors.ts';
import { beginRecord } from '../../src/receiver/delivery-record.ts';
import { createListener, type Listener, type ListenerOptions } from '../../src/receiver/listener.ts';
import type { Pki } from './pki.ts';
import { collectLines, tlsMaterialOf } from './receiver-server.ts';

export interface ListenerServer {
  readonly listener: Listener;
  readonly url: string;
  readonly port: number;
  readonly lines: Record<string, unknown>[];
  /** Where each request came from, as a log line would have it. */
  readonly sources: (string | undefined)[];
  /** What the log says of connections that were refused, in order. */
  reasons(): unknown[];
  /** The metric, by reason. */
  refused(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

interface ListenerServerOptions extends Partial<Pick<ListenerOptions, 'limits' | 'maxConnections'>> {
  /** null speaks plain HTTP. */
  readonly pki: Pki | null;
  /** Which peers of TCP may send a PROXY header, and have to; nobody is asked for one when left out. */
  readonly trusted?: (address: string | undefined) => boolean;
  /** What a request comes to when it is read; a word of 200 when left out. */
  readonly answers?: (response: ServerResponse) => void;
  /** Requests for /proven only prove their sender when left out. */
  readonly proves?: (request: IncomingMessage) => boolean;
}

export async function startListener(options: ListenerServerOptions): Promise<ListenerServer> {
  const { pki, trusted, limits = {}, maxConnections = 256 } = options;
  const { proves = ({ url }) => url === '/proven' } = options;
  const { answers = (response: ServerResponse) => response.end('ok') } = options;
  const { logger, lines } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const sources: (string | undefined)[] = [];
  const errors = createConnectionErrors({ logger, metrics });
  const listener = createListener({
    tls: pki && tlsMaterialOf(pki, 'certificate'),
    judgePeer: null,
    proxyProtocol: trusted ? { isTrusted: trusted } : null,
    maxConnections,
    limits,
    errors,
    handle(request, response) {
      // What the receiver's server does for each request, so that unreadable bytes behind it wait for its answer.
      errors.opened(request, beginRecord(undefined));
      response.once('close', () => errors.settled(request));
      sources.push(listener.sourceOf(request.socket));
      request.resume().once('end', () => {
        if (proves(request)) listener.markProven(request.socket);
        answers(response);
      });
    },
  });
  listener.server.on('clientError', errors.answer);
  const port = await listener.listen({ host: '127.0.0.1', port: 0 });
  return {
    listener,
    url: `${pki ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    lines,
    sources,
    reasons: () => lines.filter(({ msg }) => msg === 'connection_refused').map(({ reason }) => reason),
    async refused() {
      const { values } = await metrics.connectionsRefused.get();
      return Object.fromEntries(values.map(({ labels, value }) => [String(labels['reason']), value]));
    },
    close: () => listener.drain({ timeoutMs: 2_000 }),
  };
}
