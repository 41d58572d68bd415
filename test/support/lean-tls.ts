// Lean as one HTTPS server of a test's own: what it answers is the test's, what it was asked is kept.
import https from 'node:https';
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Pki } from './pki.ts';

export interface AskedOfLean {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface LeanTls {
  readonly url: string;
  readonly asked: AskedOfLean[];
  close(): Promise<void>;
}

export type LeanAnswer = (asked: AskedOfLean, response: ServerResponse) => void;

/** No certificate is asked of the client, as on Lean's plain sandbox and its auth host. */
export async function startLeanTls(pki: Pki, answer: LeanAnswer): Promise<LeanTls> {
  const asked: AskedOfLean[] = [];
  const { chainPem: cert, keyPem: key } = pki.leanServer;
  const keep = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers, body: await readBody(request) };
    asked.push(one);
    answer(one, response);
  };
  const server = https.createServer({ cert, key }, (request, response) => {
    void keep(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `https://127.0.0.1:${port}`,
    asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

export function sendJson(response: ServerResponse, body: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
}
