// A plain caller of the simulated API, for the simulator's own tests: no rules of our service in it.
import { Agent, request } from 'undici';

export interface SimpleCall {
  method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  body?: object;
  /** Sent as it is, as a form. */
  form?: string;
  headers?: Record<string, string>;
  timeoutMs?: number;
}

export interface SimpleAnswer {
  httpStatus: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** Throws SyntaxError where the body is no JSON. */
  json(): unknown;
}

export interface SimpleClient {
  call(path: string, call?: SimpleCall): Promise<SimpleAnswer>;
  /** A bearer token of scope `api`, as the text of an authorization header. */
  bearer(secret: string): Promise<string>;
  close(): Promise<void>;
}

interface SimpleClientOptions {
  url: string;
  ca: string;
  identity?: { chainPem: string; keyPem: string };
  appToken: string;
  /** Default: the app token alone. */
  headers?: Record<string, string>;
}

export function createSimpleClient(options: SimpleClientOptions): SimpleClient {
  const { url, ca, identity, appToken } = options;
  const agent = new Agent({
    connect: { ca, ...(identity ? { cert: identity.chainPem, key: identity.keyPem } : {}) },
  });
  const usual = options.headers ?? { 'lean-app-token': appToken };

  async function call(path: string, facts: SimpleCall = {}): Promise<SimpleAnswer> {
    const { body, form, headers = usual, timeoutMs = 5000 } = facts;
    const response = await request(`${url}${path}`, {
      dispatcher: agent,
      method: facts.method ?? (body || form !== undefined ? 'POST' : 'GET'),
      headers: body ? { ...headers, 'content-type': 'application/json' } : headers,
      body: form ?? (body ? JSON.stringify(body) : null),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.body.text();
    return {
      httpStatus: response.statusCode,
      headers: response.headers,
      text,
      json: (): unknown => JSON.parse(text),
    };
  }

  return {
    call,
    async bearer(secret) {
      const form = new URLSearchParams({
        client_id: appToken,
        client_secret: secret,
        grant_type: 'client_credentials',
        scope: 'api',
      }).toString();
      const { text } = await call('/oauth2/token', { form, headers: {} });
      return `Bearer ${/"access_token":"([^"]+)"/.exec(text)?.[1] ?? ''}`;
    },
    close: () => agent.destroy(),
  };
}
