// What proves to Lean that a call is ours: the app token on every call and, with a client secret, an OAuth2 token
// beside it. Neither is ever part of a result, an error or a log line.
import { AppError } from '../core/app-error.ts';
import { isJsonObject, LosslessNumber } from '../core/lossless-json.ts';
import { readRetryAfter } from './http-headers.ts';
import { failureOfToken, type LeanFailure } from './lean-failures.ts';
import type { ExchangeResult } from './lean-http.ts';
import { parseBody } from './lean-reply.ts';

export type CredentialHeaders =
  | {
      readonly kind: 'ready';
      readonly headers: Readonly<Record<string, string>>;
      /** The OAuth2 token among the headers, for `refuse`; null without one. */
      readonly token: string | null;
    }
  | FailedToken;

export interface FailedToken {
  readonly kind: 'failed';
  readonly failure: LeanFailure;
  readonly httpStatus: number | null;
  readonly networkError: string | null;
}

export interface LeanCredentials {
  /** Asks for a token where none is fresh; throws LEAN_CALL_ABORTED when the signal ends the wait. */
  headers(signal?: AbortSignal): Promise<CredentialHeaders>;
  /** Lean answered 401 to this token. True where a repeat of the call would carry another one. */
  refuse(token: string): boolean;
  /** The next token is asked for with it. */
  replaceClientSecret(clientSecret: string): void;
  /** Ends a request for a token that is under way. */
  close(): void;
}

export interface LeanCredentialsOptions {
  /** The application id too: OAuth2 calls it `client_id`. */
  readonly appToken: string;
  /** Null = the app token alone. */
  readonly clientSecret: string | null;
  /** POSTs the form to the auth host's `/oauth2/token`. */
  readonly requestToken: (form: string, signal: AbortSignal) => Promise<ExchangeResult>;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

/** A token that ends under way costs a 401 and a repeat: it is replaced a minute before its end, or a tenth of a short life. */
const earlyMs = 60_000;
/** Where the reply does not say; Lean documents one hour. */
const assumedLifeMs = 5 * 60_000;
/** Tokens are not asked for more often than that where asking does not help: after a refusal, and for a new one after 401. */
const restMs = 30_000;

interface Token {
  readonly value: string;
  readonly freshUntilMs: number;
}

type TokenAnswer = { readonly kind: 'token'; readonly token: Token } | FailedToken;

export function createLeanCredentials(options: LeanCredentialsOptions): LeanCredentials {
  const { appToken, requestToken, nowMs = () => performance.now() } = options;
  const closing = new AbortController();
  let clientSecret = options.clientSecret;
  let token: Token | null = null;
  /** One request at a time: who comes meanwhile waits for its answer. */
  let asking: Promise<TokenAnswer> | null = null;
  let refusal: { readonly answer: FailedToken; readonly untilMs: number } | null = null;
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  async function ask(secret: string): Promise<TokenAnswer> {
    const askedMs = nowMs();
    const answer = readAnswer(await requestToken(formOf(appToken, secret), closing.signal), askedMs);
    // A secret that was replaced meanwhile must leave nothing behind.
    if (secret !== clientSecret) return answer;
    if (answer.kind === 'token') token = answer.token;
    else if (answer.failure.code === 'LEAN_TOKEN_REFUSED') refusal = { answer, untilMs: nowMs() + restMs };
    return answer;
  }

  function findToken(secret: string): Promise<TokenAnswer> {
    if (token && nowMs() < token.freshUntilMs) return Promise.resolve({ kind: 'token', token });
    if (refusal && nowMs() < refusal.untilMs) return Promise.resolve(refusal.answer);
    if (asking) return asking;
    const started = ask(secret).finally(() => {
      if (asking === started) asking = null;
    });
    asking = started;
    return started;
  }

  return {
    async headers(signal) {
      const own = { 'lean-app-token': appToken };
      if (clientSecret === null) return { kind: 'ready', headers: own, token: null };
      const answer = await untilAborted(findToken(clientSecret), signal);
      if (answer.kind === 'failed') return answer;
      const { value } = answer.token;
      return { kind: 'ready', headers: { ...own, authorization: `Bearer ${value}` }, token: value };
    },
    refuse(refused) {
      if (token?.value !== refused) return true;
      if (nowMs() - renewedAtMs < restMs) return false;
      renewedAtMs = nowMs();
      token = null;
      return true;
    },
    replaceClientSecret(replacement) {
      if (clientSecret === null || replacement === clientSecret) return;
      clientSecret = replacement;
      token = null;
      refusal = null;
      asking = null;
    },
    close: () => closing.abort(),
  };
}

/** RFC 6749, section 4.4, with the fields and the scope Lean documents (docs.leantech.me/docs/authentication). */
function formOf(clientId: string, clientSecret: string): string {
  return new URLSearchParams({
    client_id: clientId,
    client_secret: clientSecret,
    grant_type: 'client_credentials',
    scope: 'api',
  }).toString();
}

function readAnswer(result: ExchangeResult, askedMs: number): TokenAnswer {
  if (result.kind === 'no_reply') return failed({ httpStatus: null, networkError: result.networkError });
  const { httpStatus, headers, bodyText } = result;
  const token = httpStatus === 200 ? readToken(parseBody(bodyText), askedMs) : null;
  if (token) return { kind: 'token', token };
  return failed({ httpStatus, networkError: null, retryAfterMs: readRetryAfter(headers, Date.now()) });
}

function failed(answer: Parameters<typeof failureOfToken>[0]): FailedToken {
  const { httpStatus, networkError } = answer;
  return { kind: 'failed', failure: failureOfToken(answer), httpStatus, networkError };
}

/** Null where there is none that fits a header, or one of another type than Bearer. */
function readToken(body: unknown, askedMs: number): Token | null {
  if (!isJsonObject(body)) return null;
  const { access_token: value, token_type: type, expires_in: life } = body;
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(value)) return null;
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer') return null;
  const seconds = life instanceof LosslessNumber ? Number(life.source) : Number.NaN;
  const lifeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : assumedLifeMs;
  return { value, freshUntilMs: askedMs + Math.max(lifeMs - earlyMs, lifeMs * 0.9) };
}

/** The work goes on for the others who wait for it. */
async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return work;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(new AppError('LEAN_CALL_ABORTED', 'the wait for a token was given up'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    aborted.promise.catch(() => {});
  }
}
