// The receiver's whole contract with a sender: what a delivery may come to, and how that is said over HTTP.
// Lean counts 200 alone as delivered and repeats everything else, so no other success status ever appears here.
import type { FailureCode } from './failure-codes.ts';

interface Answer {
  readonly status: number;
  /** The `Retry-After` header, in seconds; null = none is sent. */
  readonly retryAfterSeconds: number | null;
  /** Whether Lean sends the same delivery again (after 1, 2, 5, 10, 60 and 180 minutes). */
  readonly leanRetries: boolean;
}

/** What became of a POST to the webhook path. Where this process ends TLS, the first two are refused in the handshake already. */
export const deliveryOutcomes = {
  accepted: { status: 200, retryAfterSeconds: null, leanRetries: false },
  CERTIFICATE_REQUIRED: { status: 401, retryAfterSeconds: null, leanRetries: true },
  CERTIFICATE_INVALID: { status: 401, retryAfterSeconds: null, leanRetries: true },
  CERTIFICATE_NOT_LEAN: { status: 403, retryAfterSeconds: null, leanRetries: true },
  SIGNATURE_MISSING: { status: 401, retryAfterSeconds: null, leanRetries: true },
  SIGNATURE_INVALID: { status: 401, retryAfterSeconds: null, leanRetries: true },
  BODY_TOO_LARGE: { status: 413, retryAfterSeconds: null, leanRetries: true },
  // A journal that failed to fsync is reopened at once; five seconds are enough to know whether that helped.
  NOT_DURABLE: { status: 503, retryAfterSeconds: 5, leanRetries: true },
  // A backlog needs the way to Postgres to clear, so the sender is asked to stay away a little longer.
  OVERLOADED: { status: 503, retryAfterSeconds: 15, leanRetries: true },
} as const satisfies Readonly<Partial<Record<FailureCode, Answer>>> & { readonly accepted: Answer };

export type DeliveryOutcome = keyof typeof deliveryOutcomes;
export type DeliveryRefusal = Exclude<DeliveryOutcome, 'accepted'>;

/** Answers to requests that are no delivery at all: wrong address, or not HTTP that we read. */
export const requestRefusals = {
  NOT_FOUND: { status: 404, retryAfterSeconds: null, leanRetries: true },
  METHOD_NOT_ALLOWED: { status: 405, retryAfterSeconds: null, leanRetries: true },
  BAD_REQUEST: { status: 400, retryAfterSeconds: null, leanRetries: true },
  REQUEST_TIMEOUT: { status: 408, retryAfterSeconds: null, leanRetries: true },
  HEADERS_TOO_LARGE: { status: 431, retryAfterSeconds: null, leanRetries: true },
} as const satisfies Readonly<Partial<Record<FailureCode, Answer>>>;

export type RequestRefusal = keyof typeof requestRefusals;
