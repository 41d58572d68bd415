// Every code this service answers, logs or stores, once. A code is public: it is never renamed and never reused.
// `level` is how loud its log line is: `error` means we must act, `warn` means somebody else erred.

export type FailureLevel = 'info' | 'warn' | 'error';

interface FailureFacts {
  readonly level: FailureLevel;
  /** What happened, in one sentence, for the README's table. */
  readonly means: string;
  /** What the operator does about it. */
  readonly cure: string;
}

/** Keep in groups, alphabetical within a group; the README's table is generated from this. */
const failureTable = {
  // The receiver's refusals
  BODY_TOO_LARGE: {
    level: 'warn',
    means: 'A delivery was larger than BODY_LIMIT_BYTES and was refused with 413.',
    cure: 'Raise BODY_LIMIT_BYTES if the sender is Lean; Lean sends it again within three hours.',
  },
  CERTIFICATE_INVALID: {
    level: 'warn',
    means: 'A client certificate was presented that does not verify against LEAN_CA_FILE.',
    cure: 'Nothing if a stranger knocked. If it was Lean, download its certificate chain again.',
  },
  CERTIFICATE_NOT_LEAN: {
    level: 'warn',
    means: "A certificate of Lean's chain was presented, but it carries none of LEAN_CLIENT_NAMES.",
    cure: "Another customer of Lean knocked, or Lean renewed its certificate: compare the log line's certificate hash.",
  },
  CERTIFICATE_REQUIRED: {
    level: 'warn',
    means: 'A request came without a client certificate.',
    cure: 'Nothing if a stranger knocked. If it was Lean, it does not present certificates to you: use VERIFY=signature.',
  },
  NOT_DURABLE: {
    level: 'error',
    means: 'A delivery could not be made durable in time and was answered 503; Lean sends it again.',
    cure: "Look at the journal's disk: full, read-only or slow. Receiving resumes by itself.",
  },
  OVERLOADED: {
    level: 'error',
    means: 'IN_FLIGHT_LIMIT or 90 % of JOURNAL_LIMIT_BYTES was reached and a delivery was answered 503.',
    cure: 'Look at the way to Redis and at the workers: the journal drains when they run. Then add receivers.',
  },
  SIGNATURE_INVALID: {
    level: 'warn',
    means: 'The lean-signature header does not match the body under any secret of LEAN_WEBHOOK_SECRET.',
    cure: "Nothing if a stranger knocked. If every delivery fails, copy the secret from Lean's dashboard again.",
  },
  SIGNATURE_MISSING: {
    level: 'warn',
    means: 'A request came without a lean-signature header.',
    cure: 'Nothing if a stranger knocked. A proxy in between may strip the header.',
  },
} as const satisfies Record<string, FailureFacts>;

export type FailureCode = keyof typeof failureTable;

export const failureCodes: Readonly<Record<FailureCode, FailureFacts>> = failureTable;
