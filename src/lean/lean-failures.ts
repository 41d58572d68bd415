// What a failed call to Lean means and what to do about it: one table from Lean's words to our codes. When and how
// often something is tried again is retry-policy.ts's business.
import type { FailureCode } from '../core/failure-codes.ts';
import type { Instant } from '../core/instant.ts';
import type { RetryClass } from '../core/retry-policy.ts';
import type { WireReply } from './wire-reply.ts';

/**
 * `retry` by the retry class · `stop_entity`: nothing more for this entity until its customer or Lean acts ·
 * `stop_alert`: our own set-up is wrong, an operator must act · `give_up`: this one call, nothing else.
 */
export type LeanAction = 'retry' | 'stop_entity' | 'stop_alert' | 'give_up';

interface Verdict {
  readonly code: FailureCode;
  readonly action: LeanAction;
  /** Set exactly when the action is `retry`. */
  readonly retryClass: RetryClass | null;
}

export interface LeanFailure extends Verdict {
  /** What Lean asked us to wait, not yet capped. */
  readonly retryAfterMs?: number | undefined;
  /** When Lean said so, by the reply's HTTP `Date`; left out where nothing says when. */
  readonly at?: Instant | undefined;
  /** With RECONNECT_REQUIRED: what the application hands to Lean's reconnect. */
  readonly reconnectId: string | null;
  /** Lean's own words where they are documented ones; never anything else it wrote in their place. */
  readonly leanStatus: string | null;
  readonly granularStatus: string | null;
}

const retry = (code: FailureCode, retryClass: RetryClass): Verdict => ({ code, action: 'retry', retryClass });
const stopEntity = (code: FailureCode): Verdict => ({ code, action: 'stop_entity', retryClass: null });
const stopAlert = (code: FailureCode): Verdict => ({ code, action: 'stop_alert', retryClass: null });
const giveUp = (code: FailureCode): Verdict => ({ code, action: 'give_up', retryClass: null });

/** Where Lean says what went wrong: the body's `status`, its granular code beside FAILED, or only the HTTP status. */
export type LeanErrorPlace = 'status' | 'granular' | 'http';

export interface LeanErrorRow extends Verdict {
  readonly place: LeanErrorPlace;
  /** Lean's word, or the HTTP status as digits. */
  readonly says: string;
}

const inBody = (says: string, verdict: Verdict): LeanErrorRow => ({ place: 'status', says, ...verdict });
const granularly = (says: string, verdict: Verdict): LeanErrorRow => ({
  place: 'granular',
  says,
  ...verdict,
});
const byHttp = (says: string, verdict: Verdict): LeanErrorRow => ({ place: 'http', says, ...verdict });

/**
 * Everything Lean is documented to say in place of data (docs.leantech.me/reference/general-errors and /data-errors).
 * A word means the same under every HTTP status below 500: CONSENT_EXPIRED comes with 403 and with 200.
 */
export const leanErrorRows: readonly LeanErrorRow[] = [
  inBody('INVALID_PARAMETERS', giveUp('LEAN_REQUEST_REFUSED')),
  inBody('MISSING_PARAMETERS', giveUp('LEAN_REQUEST_REFUSED')),
  inBody('CERTIFICATE_TOKEN_MISMATCH', stopAlert('CERTIFICATE_TOKEN_MISMATCH')),
  inBody('INVALID_CERTIFICATE', stopAlert('LEAN_CERTIFICATE_REFUSED')),
  inBody('INCORRECT_ACCESS_LEVEL', stopAlert('LEAN_ACCESS_DENIED')),
  inBody('INSUFFICIENT_ACCESS_LEVEL', stopAlert('LEAN_ACCESS_DENIED')),
  inBody('CONSENT_EXPIRED', stopEntity('CONSENT_EXPIRED')),
  inBody('RECONNECT_REQUIRED', stopEntity('RECONNECT_REQUIRED')),
  inBody('UNKNOWN_ENTITY', stopEntity('LEAN_ENTITY_UNKNOWN')),
  inBody('UNKNOWN_CUSTOMER', stopEntity('LEAN_ENTITY_UNKNOWN')),
  inBody('UNKNOWN_ACCOUNT', giveUp('LEAN_ACCOUNT_UNKNOWN')),
  inBody('INVALID_URL', giveUp('LEAN_REQUEST_REFUSED')),
  inBody('UNKNOWN_RESULTS_ID', retry('LEAN_RESULTS_UNKNOWN', 'lean_results_pending')),
  inBody('INVALID_HTTP_METHOD', giveUp('LEAN_REQUEST_REFUSED')),
  inBody('CUSTOMER_ALREADY_EXISTS', giveUp('LEAN_REQUEST_REFUSED')),
  inBody('RATE_LIMIT_EXCEEDED', retry('LEAN_RATE_LIMITED', 'lean_rate_limit')),
  inBody('DUPLICATED_REQUEST', retry('LEAN_DUPLICATED_REQUEST', 'lean_duplicate')),
  inBody('INTERNAL_SERVER_ERROR', retry('LEAN_SERVER_ERROR', 'lean_server')),

  granularly('BANK_ISSUE', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('BANK_MAINTENANCE', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('UNSEEN_BANK_ERROR', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('LEAN_ERROR', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('LOGGED_IN_ELSEWHERE', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('ACTIVE_SESSION_EXISTS', retry('LEAN_BANK_ISSUE', 'lean_bank_issue')),
  granularly('DUPLICATED_REQUEST', retry('LEAN_DUPLICATED_REQUEST', 'lean_duplicate')),
  granularly('DISABLED_BY_LEAN', retry('LEAN_BANK_DISABLED', 'lean_bank_issue')),
  granularly('DISABLED_BY_CLIENT', stopAlert('LEAN_BANK_DISABLED_BY_US')),
  granularly('EU_ACCOUNT_LOCKED', stopEntity('LEAN_USER_ACTION_REQUIRED')),
  granularly('EU_FUNCTIONALITY_RESTRICTED', stopEntity('LEAN_USER_ACTION_REQUIRED')),
  granularly('KNOWN_UNSUPPORTED_MFA_BEHAVIOUR', stopAlert('LEAN_BANK_UNSUPPORTED')),
  granularly('KNOWN_TRAFFIC_OUTSIDE_ALLOWED_REGION', stopAlert('LEAN_BANK_UNSUPPORTED')),

  // For bodies that say nothing we know: a proxy's page, a new status. Any 5xx is the server's trouble.
  byHttp('401', stopAlert('LEAN_ACCESS_DENIED')),
  byHttp('403', stopAlert('LEAN_ACCESS_DENIED')),
  byHttp('408', retry('LEAN_TIMEOUT', 'lean_timeout')),
  byHttp('425', retry('LEAN_SERVER_ERROR', 'lean_server')),
  byHttp('429', retry('LEAN_RATE_LIMITED', 'lean_rate_limit')),
];

function rowsOf(place: LeanErrorPlace): ReadonlyMap<string, Verdict> {
  const rows = leanErrorRows.filter((row) => row.place === place);
  return new Map(
    rows.map(({ says, code, action, retryClass }) => [says, { code, action, retryClass }] as const),
  );
}

const byStatus = rowsOf('status');
const byGranularStatus = rowsOf('granular');
const byHttpStatus = rowsOf('http');

/** Trouble of the bank as a whole, not of one customer's session: none of its customers is asked for meanwhile. */
const bankWide: ReadonlySet<string> = new Set(['BANK_ISSUE', 'BANK_MAINTENANCE', 'DISABLED_BY_LEAN']);

export function isBankTrouble({ granularStatus }: Pick<LeanFailure, 'granularStatus'>): boolean {
  return granularStatus !== null && bankWide.has(granularStatus);
}

interface FailedReply {
  readonly httpStatus: number;
  readonly reply: WireReply | null;
  readonly retryAfterMs?: number | undefined;
}

/** A reply that is not the data asked for. HTTP 5xx is the server's trouble whatever its body says. */
export function failureOfReply({ httpStatus, reply, retryAfterMs }: FailedReply): LeanFailure {
  const status = reply?.status ?? reply?.status_code ?? null;
  const granular = reply?.status_detail?.granular_status_code ?? null;
  return {
    ...judge({ httpStatus, status, granular }),
    retryAfterMs,
    reconnectId: status === 'RECONNECT_REQUIRED' ? findReconnectId(reply) : null,
    leanStatus: codeOrNull(status),
    granularStatus: codeOrNull(granular),
  };
}

function judge(said: { httpStatus: number; status: string | null; granular: string | null }): Verdict {
  const { httpStatus, status, granular } = said;
  if (httpStatus >= 500) return retry('LEAN_SERVER_ERROR', 'lean_server');
  if (status === 'FAILED') {
    return byGranularStatus.get(granular ?? '') ?? retry('LEAN_BANK_ISSUE', 'lean_bank_issue');
  }
  const known = byStatus.get(status ?? '') ?? byHttpStatus.get(String(httpStatus));
  if (known) return known;
  return httpStatus >= 300 ? giveUp('LEAN_REQUEST_REFUSED') : unreadable;
}

const unreadable = retry('LEAN_REPLY_UNREADABLE', 'lean_server');

/** A reply with HTTP 2xx that cannot be read, or lacks what it should hold. */
export function unreadableReply(reply: WireReply | null): LeanFailure {
  return {
    ...unreadable,
    reconnectId: null,
    leanStatus: codeOrNull(reply?.status ?? null),
    granularStatus: null,
  };
}

const byNetworkError = new Map<string, Verdict>([
  ['UND_ERR_CONNECT_TIMEOUT', retry('LEAN_TIMEOUT', 'lean_timeout')],
  ['UND_ERR_HEADERS_TIMEOUT', retry('LEAN_TIMEOUT', 'lean_timeout')],
  ['UND_ERR_BODY_TIMEOUT', retry('LEAN_TIMEOUT', 'lean_timeout')],
  ['ETIMEDOUT', retry('LEAN_TIMEOUT', 'lean_timeout')],
  ['CALL_DEADLINE', retry('LEAN_TIMEOUT', 'lean_timeout')],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', giveUp('LEAN_REPLY_TOO_LARGE')],
]);

/** No reply at all; `networkError` is the error's stable code (undici's or the system's). */
export function failureOfNetwork(networkError: string): LeanFailure {
  const verdict = byNetworkError.get(networkError) ?? retry('LEAN_UNREACHABLE', 'lean_network');
  return { ...verdict, reconnectId: null, leanStatus: null, granularStatus: null };
}

/** A call that the dialect does not have. */
export function unsupportedCall(): LeanFailure {
  return { ...giveUp('LEAN_CALL_UNSUPPORTED'), reconnectId: null, leanStatus: null, granularStatus: null };
}

/** v2 data replies use `results_id` as the reconnect id; v1 and refreshes name it. */
function findReconnectId(reply: WireReply | null): string | null {
  return reply?.reconnect_id ?? reply?.payload?.reconnect_id ?? reply?.results_id ?? null;
}

/** States that are no errors, beside the words of the table. */
const states = ['OK', 'PENDING', 'PROCESSING_STARTED', 'FAILED'];
const knownWords: ReadonlySet<string> = new Set([...states, ...byStatus.keys(), ...byGranularStatus.keys()]);

/** Free text could hold a customer's data, and an IBAN or a name has the form of a code: only known words pass. */
function codeOrNull(text: string | null): string | null {
  return text !== null && knownWords.has(text) ? text : null;
}

/** The auth host's own answer in place of a token (RFC 6749, section 5.2); `networkError` where there was none. */
export function failureOfToken(answer: {
  readonly httpStatus: number | null;
  readonly networkError: string | null;
  readonly retryAfterMs?: number | undefined;
}): LeanFailure {
  const { httpStatus, networkError, retryAfterMs } = answer;
  if (httpStatus === null) return failureOfNetwork(networkError ?? 'UNKNOWN');
  return {
    ...judgeToken(httpStatus),
    retryAfterMs,
    reconnectId: null,
    leanStatus: null,
    granularStatus: null,
  };
}

function judgeToken(httpStatus: number): Verdict {
  if (httpStatus >= 500) return retry('LEAN_SERVER_ERROR', 'lean_server');
  if (httpStatus < 300) return unreadable;
  const passing = httpStatus === 401 || httpStatus === 403 ? undefined : byHttpStatus.get(String(httpStatus));
  return passing ?? stopAlert('LEAN_TOKEN_REFUSED');
}
