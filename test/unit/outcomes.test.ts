// The receiver's table as the contract has it.
import { expect, it } from 'vitest';
import { deliveryOutcomes, requestRefusals } from '../../src/core/outcomes.ts';

it('answers exactly these statuses, and every 503 with Retry-After', () => {
  const statuses = Object.entries({ ...deliveryOutcomes, ...requestRefusals }).map(
    ([outcome, { status, retryAfterSeconds }]) => [outcome, status, retryAfterSeconds !== null],
  );
  expect(statuses).toEqual([
    ['accepted', 200, false],
    ['CERTIFICATE_REQUIRED', 401, false],
    ['CERTIFICATE_INVALID', 401, false],
    ['CERTIFICATE_NOT_LEAN', 403, false],
    ['SIGNATURE_MISSING', 401, false],
    ['SIGNATURE_INVALID', 401, false],
    ['BODY_TOO_LARGE', 413, false],
    ['NOT_DURABLE', 503, true],
    ['OVERLOADED', 503, true],
    ['NOT_FOUND', 404, false],
    ['METHOD_NOT_ALLOWED', 405, false],
    ['BAD_REQUEST', 400, false],
    ['REQUEST_TIMEOUT', 408, false],
    ['HEADERS_TOO_LARGE', 431, false],
  ]);
});

it('is delivered for Lean with 200 and with nothing else', () => {
  for (const { status, leanRetries } of Object.values({ ...deliveryOutcomes, ...requestRefusals })) {
    expect(leanRetries).toBe(status !== 200);
    expect(status === 200 || status >= 400).toBe(true);
  }
});
