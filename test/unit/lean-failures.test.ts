import { describe, expect, it } from 'vitest';
import { readHttpDate, readRetryAfter, readTraceId } from '../../src/lean/http-headers.ts';
import { failureOfNetwork, failureOfReply } from '../../src/lean/lean-failures.ts';
import { leanApiUrl } from '../../src/lean/lean-hosts.ts';
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
    [401, 'CERTIFICATE_TOKEN_MISMATCH', 'CERTIFICATE_TOKEN_MISMATCH', 'stop_alert'],
    [403, 'INVALID_CERTIFICATE', 'LEAN_CERTIFICATE_REFUSED', 'stop_alert'],
    [403, 'INSUFFICIENT_ACCESS_LEVEL', 'LEAN_ACCESS_DENIED', 'stop_alert'],
    [429, 'RATE_LIMIT_EXCEEDED', 'LEAN_RATE_LIMITED', 'retry'],
    [404, 'INVALID_URL', 'LEAN_REQUEST_REFUSED', 'give_up'],
  ])('HTTP %i %s is %s: %s', (httpStatus, status, code, action) => {
    expect(failure(httpStatus, `{"status":"${status}"}`)).toMatchObject({ code, action, leanStatus: status });
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

describe('FAILED inside HTTP 200', () => {
  it.each([
    ['BANK_MAINTENANCE', 'LEAN_BANK_ISSUE', 'retry'],
    ['ACTIVE_SESSION_EXISTS', 'LEAN_BANK_ISSUE', 'retry'],
    ['DUPLICATED_REQUEST', 'LEAN_DUPLICATED_REQUEST', 'retry'],
    ['DISABLED_BY_LEAN', 'LEAN_BANK_DISABLED', 'retry'],
    ['DISABLED_BY_CLIENT', 'LEAN_BANK_DISABLED_BY_US', 'stop_alert'],
    ['EU_ACCOUNT_LOCKED', 'LEAN_USER_ACTION_REQUIRED', 'stop_entity'],
    ['KNOWN_UNSUPPORTED_MFA_BEHAVIOUR', 'LEAN_BANK_UNSUPPORTED', 'stop_alert'],
    ['SOMETHING_NEW', 'LEAN_BANK_ISSUE', 'retry'],
  ])('%s is %s: %s', (code, ours, action) => {
    expect(granular(code)).toMatchObject({ code: ours, action, granularStatus: code });
  });

  it('hands no free text of a reply to the log', () => {
    expect(granular('Account of Mae Zulauf is locked').granularStatus).toBeNull();
  });
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

describe('leanApiUrl', () => {
  it.each([
    ['sandbox', 'ae', false, false, 'https://sandbox.leantech.me'],
    ['sandbox', 'sa', true, false, 'https://mtls.sandbox.sa.leantech.me'],
    ['sandbox', 'ae', true, true, 'https://mtls.sandbox.leantech.me'],
    ['production', 'ae', true, false, 'https://api.leantech.me'],
    ['production', 'sa', true, false, 'https://api.sa.leantech.me'],
    ['production', 'sa', false, true, 'https://api2.sa.leantech.me'],
  ] as const)(
    '%s %s, certificate %s, OAuth2 %s: %s',
    (environment, region, hasCertificate, hasClientSecret, apiUrl) => {
      expect(leanApiUrl({ environment, region, hasCertificate, hasClientSecret })).toBe(apiUrl);
    },
  );

  it('lets an override win, without its last slash', () => {
    const facts = { environment: 'production', region: 'ae', hasClientSecret: false } as const;
    const apiUrl = 'https://127.0.0.1:4433/';
    expect(leanApiUrl({ ...facts, hasCertificate: true, apiUrl })).toBe('https://127.0.0.1:4433');
  });
});
