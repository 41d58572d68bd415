import { describe, expect, it } from 'vitest';
import { readHttpDate, readRetryAfter, readTraceId } from '../../src/lean/http-headers.ts';
import {
  failureOfNetwork,
  failureOfReply,
  isBankTrouble,
  leanErrorRows,
} from '../../src/lean/lean-failures.ts';
import { wireReplySchema } from '../../src/lean/wire-reply.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';

function failure(httpStatus: number, bodyText: string | null) {
  const reply = bodyText === null ? null : wireReplySchema.parse(parseLossless(bodyText));
  return failureOfReply({ httpStatus, reply });
}

function granular(code: string) {
  return failure(200, `{"status":"FAILED","status_detail":{"granular_status_code":"${code}"}}`);
}

describe('error replies', () => {
  it.each([
    [400, 'v2-error-400-invalid-parameters', 'LEAN_REQUEST_REFUSED', 'give_up'],
    [403, 'v2-error-403-consent-expired', 'CONSENT_EXPIRED', 'stop_entity'],
    [404, 'v2-error-404-unknown-account', 'LEAN_ACCOUNT_UNKNOWN', 'give_up'],
    [404, 'v2-error-404-unknown-entity', 'LEAN_ENTITY_UNKNOWN', 'stop_entity'],
    [404, 'v2-error-404-unknown-results-id', 'LEAN_RESULTS_UNKNOWN', 'retry'],
    [409, 'v2-error-409-customer-already-exists', 'LEAN_REQUEST_REFUSED', 'give_up'],
    [429, 'v2-error-429-duplicated-request', 'LEAN_DUPLICATED_REQUEST', 'retry'],
    [500, 'v2-error-500-internal', 'LEAN_SERVER_ERROR', 'retry'],
  ])('HTTP %i %s is %s: %s', (httpStatus, name, code, action) => {
    expect(failure(httpStatus, readLeanFixture(name).bodyText)).toMatchObject({ code, action });
  });

  it.each([
    [401, 'LEAN_ACCESS_DENIED', 'stop_alert'],
    [404, 'LEAN_REQUEST_REFUSED', 'give_up'],
    [302, 'LEAN_REQUEST_REFUSED', 'give_up'],
    [429, 'LEAN_RATE_LIMITED', 'retry'],
    [502, 'LEAN_SERVER_ERROR', 'retry'],
    [503, 'LEAN_SERVER_ERROR', 'retry'],
    [504, 'LEAN_SERVER_ERROR', 'retry'],
    [200, 'LEAN_REPLY_UNREADABLE', 'retry'],
  ])('HTTP %i without a body we know is %s: %s', (httpStatus, code, action) => {
    expect(failure(httpStatus, null)).toMatchObject({ code, action });
  });

  it('has a retry class exactly where it says retry', () => {
    expect(failure(500, null).retryClass).toBe('lean_server');
    expect(failure(401, null).retryClass).toBeNull();
  });
});

/** Every row of Lean's own lists of errors, in their order: what it says, what that means, what is done. */
const documented = [
  [400, 'INVALID_PARAMETERS', 'LEAN_REQUEST_REFUSED', 'give_up', null],
  [400, 'MISSING_PARAMETERS', 'LEAN_REQUEST_REFUSED', 'give_up', null],
  [401, 'CERTIFICATE_TOKEN_MISMATCH', 'CERTIFICATE_TOKEN_MISMATCH', 'stop_alert', null],
  [403, 'INVALID_CERTIFICATE', 'LEAN_CERTIFICATE_REFUSED', 'stop_alert', null],
  [403, 'INCORRECT_ACCESS_LEVEL', 'LEAN_ACCESS_DENIED', 'stop_alert', null],
  [403, 'INSUFFICIENT_ACCESS_LEVEL', 'LEAN_ACCESS_DENIED', 'stop_alert', null],
  [403, 'CONSENT_EXPIRED', 'CONSENT_EXPIRED', 'stop_entity', null],
  [200, 'CONSENT_EXPIRED', 'CONSENT_EXPIRED', 'stop_entity', null],
  [200, 'RECONNECT_REQUIRED', 'RECONNECT_REQUIRED', 'stop_entity', null],
  [404, 'UNKNOWN_ENTITY', 'LEAN_ENTITY_UNKNOWN', 'stop_entity', null],
  [404, 'UNKNOWN_ACCOUNT', 'LEAN_ACCOUNT_UNKNOWN', 'give_up', null],
  [404, 'INVALID_URL', 'LEAN_REQUEST_REFUSED', 'give_up', null],
  [404, 'UNKNOWN_RESULTS_ID', 'LEAN_RESULTS_UNKNOWN', 'retry', 'lean_results_pending'],
  [405, 'INVALID_HTTP_METHOD', 'LEAN_REQUEST_REFUSED', 'give_up', null],
  [409, 'CUSTOMER_ALREADY_EXISTS', 'LEAN_REQUEST_REFUSED', 'give_up', null],
  [429, 'RATE_LIMIT_EXCEEDED', 'LEAN_RATE_LIMITED', 'retry', 'lean_rate_limit'],
  [429, 'DUPLICATED_REQUEST', 'LEAN_DUPLICATED_REQUEST', 'retry', 'lean_duplicate'],
  [500, 'INTERNAL_SERVER_ERROR', 'LEAN_SERVER_ERROR', 'retry', 'lean_server'],
] as const;

const granularly = [
  ['BANK_ISSUE', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', true],
  ['BANK_MAINTENANCE', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', true],
  ['UNSEEN_BANK_ERROR', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', false],
  ['LEAN_ERROR', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', false],
  ['LOGGED_IN_ELSEWHERE', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', false],
  ['ACTIVE_SESSION_EXISTS', 'LEAN_BANK_ISSUE', 'retry', 'lean_bank_issue', false],
  ['DUPLICATED_REQUEST', 'LEAN_DUPLICATED_REQUEST', 'retry', 'lean_duplicate', false],
  ['DISABLED_BY_LEAN', 'LEAN_BANK_DISABLED', 'retry', 'lean_bank_issue', true],
  ['DISABLED_BY_CLIENT', 'LEAN_BANK_DISABLED_BY_US', 'stop_alert', null, false],
  ['EU_ACCOUNT_LOCKED', 'LEAN_USER_ACTION_REQUIRED', 'stop_entity', null, false],
  ['EU_FUNCTIONALITY_RESTRICTED', 'LEAN_USER_ACTION_REQUIRED', 'stop_entity', null, false],
  ['KNOWN_UNSUPPORTED_MFA_BEHAVIOUR', 'LEAN_BANK_UNSUPPORTED', 'stop_alert', null, false],
  ['KNOWN_TRAFFIC_OUTSIDE_ALLOWED_REGION', 'LEAN_BANK_UNSUPPORTED', 'stop_alert', null, false],
] as const;

function inTable(place: string): string[] {
  return leanErrorRows.filter((row) => row.place === place).map(({ says }) => says);
}

describe('every documented error', () => {
  it.each(documented)('HTTP %i %s is %s: %s %s', (httpStatus, status, code, action, retryClass) => {
    expect(failure(httpStatus, `{"status":"${status}","metadata":null}`)).toMatchObject({
      code,
      action,
      retryClass,
      leanStatus: status,
    });
  });

  it.each(granularly)(
    'FAILED %s is %s: %s %s, of the whole bank: %s',
    (word, code, action, retryClass, isBankWide) => {
      const failed = granular(word);
      expect(failed).toMatchObject({ code, action, retryClass, granularStatus: word });
      expect(isBankTrouble(failed)).toBe(isBankWide);
    },
  );

  it('is in the table, and the table has no word that Lean does not say', () => {
    // UNKNOWN_CUSTOMER is not in the lists; a customer's entities are asked for by a customer's id.
    expect(new Set(inTable('status'))).toEqual(
      new Set([...documented.map(([, status]) => status), 'UNKNOWN_CUSTOMER']),
    );
    expect(inTable('granular')).toEqual(granularly.map(([word]) => word));
  });

  it('has a retry class exactly where the table says retry', () => {
    for (const { action, retryClass } of leanErrorRows) expect(retryClass === null).toBe(action !== 'retry');
  });

  it('is found under the name the consents API gives it', () => {
    expect(failure(403, '{"status_code":"CONSENT_EXPIRED","message":"…"}')).toMatchObject({
      code: 'CONSENT_EXPIRED',
    });
  });
});

describe('FAILED inside HTTP 200', () => {
  it('with a code that nobody has heard of is tried again later', () => {
    expect(granular('SOMETHING_NEW')).toMatchObject({ code: 'LEAN_BANK_ISSUE', action: 'retry' });
  });

  it('hands no free text of a reply to the log', () => {
    expect(granular('Account of Mae Zulauf is locked').granularStatus).toBeNull();
  });

  it.each(['AE070331234567890123456', 'SA0380000000608010167519', 'MAE_ZULAUF', 'FATIMA', 'A1', '7841990'])(
    'hands out no %s that stands where a code should',
    (word) => {
      const said = failure(403, `{"status":"${word}","status_detail":{"granular_status_code":"${word}"}}`);
      expect([said.leanStatus, said.granularStatus]).toEqual([null, null]);
      expect(JSON.stringify(said)).not.toContain(word);
    },
  );
});

describe('no reply', () => {
  it.each([
    ['UND_ERR_CONNECT_TIMEOUT', 'LEAN_TIMEOUT', 'retry'],
    ['UND_ERR_HEADERS_TIMEOUT', 'LEAN_TIMEOUT', 'retry'],
    ['ECONNREFUSED', 'LEAN_UNREACHABLE', 'retry'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'LEAN_UNREACHABLE', 'retry'],
    ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'LEAN_REPLY_TOO_LARGE', 'give_up'],
  ])('%s is %s: %s', (networkError, code, action) => {
    expect(failureOfNetwork(networkError)).toMatchObject({ code, action });
  });
});

describe('response headers', () => {
  const date = 'Wed, 13 May 2026 19:42:30 GMT';

  it('reads Retry-After as seconds and as a date against the reply’s own clock', () => {
    expect(readRetryAfter({ 'retry-after': '120' }, 0)).toBe(120_000);
    expect(readRetryAfter({ 'retry-after': 'Wed, 13 May 2026 19:43:00 GMT', date }, 0)).toBe(30_000);
    expect(readRetryAfter({ 'retry-after': date }, Date.parse(date) - 5000)).toBe(5000);
    expect(readRetryAfter({ 'retry-after': date }, Date.parse(date) + 5000)).toBe(0);
    for (const odd of ['soon', '-1', '1.5', '', '9'.repeat(20)]) {
      expect(readRetryAfter({ 'retry-after': odd }, 0)).toBeUndefined();
    }
    expect(readRetryAfter({}, 0)).toBeUndefined();
  });

  it('reads Date, and trace ids only where they fit a log line', () => {
    expect(readHttpDate({ date })).toMatchObject({ text: date, at: '2026-05-13T19:42:30.000Z' });
    expect(readHttpDate({ date: 'never' })).toBeNull();
    expect(readTraceId({ 'lean-trace-id': 'abc-1' }, 'lean-trace-id')).toBe('abc-1');
    expect(readTraceId({ 'lean-trace-id': 'a\nb' }, 'lean-trace-id')).toBeNull();
  });
});
