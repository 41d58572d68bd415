// One call to Lean from request to judged reply: credentials, exchange, and one repeat where a token had ended. Knows
// no operation by name; nothing here waits for anything but Lean.
import { createLeanCredentials, type FailedToken } from './lean-credentials.ts';
import {
  createAgent,
  defaultLimits,
  exchange,
  type ExchangeResult,
  type LeanLimits,
  type LeanMaterial,
} from './lean-http.ts';
import { judgeReply, noFacts, type FailedReply, type Judgement, type LeanReply } from './lean-reply.ts';

export interface LeanCallerOptions {
  /** As `leanApiUrl` gives it. */
  readonly apiUrl: string;
  /** As `leanAuthUrl` gives it; needed with a client secret. */
  readonly authUrl?: string | undefined;
  readonly appToken: string;
  /** With it calls carry an OAuth2 token too. */
  readonly clientSecret?: string | undefined;
  readonly material: LeanMaterial;
  readonly limits?: Partial<LeanLimits> | undefined;
}

export interface CallOptions {
  /** Ends the call with LEAN_CALL_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

export interface Call<Data> extends Pick<Judgement<Data>, 'operation' | 'isEnveloped' | 'read'>, CallOptions {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: Readonly<Record<string, string | boolean | undefined>> | undefined;
}

export interface LeanCaller {
  call<Data>(request: Call<Data>): Promise<LeanReply<Data>>;
  /** New calls use it; calls under way end on the old. Throws LEAN_MATERIAL_INVALID and then keeps the old. */
  replaceMaterial(material: LeanMaterial): void;
  /** Without effect where there was none at the start. */
  replaceClientSecret(clientSecret: string): void;
  close(): Promise<void>;
}

/** Throws LEAN_MATERIAL_INVALID. */
export function createLeanCaller(options: LeanCallerOptions): LeanCaller {
  const limits = { ...defaultLimits, ...options.limits };
  let agent = createAgent(options.material, limits);
  const closing = new Set<Promise<void>>();
  const credentials = createLeanCredentials({
    appToken: options.appToken,
    clientSecret: options.clientSecret ?? null,
    requestToken: async (form, signal) =>
      exchange({
        agent,
        url: `${options.authUrl ?? ''}/oauth2/token`,
        headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
        body: form,
        callTimeoutMs: Math.min(tokenTimeoutMs, limits.callTimeoutMs),
        signal,
      }),
  });

  /** At most twice: the second time only with another token than the one Lean has refused. */
  async function send(request: Call<unknown>, isRepeat: boolean): Promise<ExchangeResult | FailedToken> {
    const { path, query = {}, body, signal } = request;
    const shown = await credentials.headers(signal);
    if (shown.kind === 'failed') return shown;
    const posted = body === undefined ? {} : { 'content-type': 'application/json' };
    const result = await exchange({
      agent,
      url: `${options.apiUrl}${path}${queryString(query)}`,
      headers: { ...shown.headers, ...posted, accept: 'application/json' },
      body: body && JSON.stringify(body),
      callTimeoutMs: limits.callTimeoutMs,
      signal,
    });
    const isRenewed =
      !isRepeat && shown.token !== null && isTokenRefused(result) && credentials.refuse(shown.token);
    return isRenewed ? send(request, true) : result;
  }

  return {
    async call(request) {
      const { operation, isEnveloped, read } = request;
      const startedMs = performance.now();
      const result = await send(request, false);
      const durationMs = Math.round(performance.now() - startedMs);
      if (result.kind === 'failed') return withoutToken(result, { operation, durationMs });
      return judgeReply({ operation, result, durationMs, nowMs: Date.now(), isEnveloped, read });
    },
    replaceMaterial(material) {
      const replacement = createAgent(material, limits);
      const old = agent;
      agent = replacement;
      const forget = () => void closing.delete(closed);
      const closed: Promise<void> = old.close().then(forget, forget);
      closing.add(closed);
    },
    replaceClientSecret: (clientSecret) => credentials.replaceClientSecret(clientSecret),
    async close() {
      credentials.close();
      await Promise.all([agent.close(), ...closing]);
    },
  };
}

/** No bank is asked for a token, so it takes no 50 seconds. */
const tokenTimeoutMs = 30_000;

/** Lean's answer to a token that has ended is not documented; a wrong certificate is not mended by another token. */
function isTokenRefused(result: ExchangeResult): boolean {
  return (
    result.kind === 'reply' &&
    result.httpStatus === 401 &&
    !result.bodyText.includes('CERTIFICATE_TOKEN_MISMATCH')
  );
}

function withoutToken(
  { failure, httpStatus, networkError }: FailedToken,
  facts: Pick<FailedReply['facts'], 'operation' | 'durationMs'>,
): FailedReply {
  return { kind: 'failed', failure, facts: { ...noFacts, ...facts, httpStatus, networkError } };
}

function queryString(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
