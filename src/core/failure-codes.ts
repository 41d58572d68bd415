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

  // Starting
  ADDRESSEE_UNPROVEN: {
    level: 'warn',
    means: 'VERIFY=certificate proves that Lean sent a delivery, but not that it was meant for us.',
    cure: 'Ask Lean for a webhook secret, set LEAN_WEBHOOK_SECRET and use VERIFY=certificate+signature.',
  },
  CONFIG_INVALID: {
    level: 'error',
    means: 'Variables are missing, wrong or do not go together; the start was stopped.',
    cure: 'The message lists every one of them: set them as the table of variables says and start again.',
  },
  PORT_IN_USE: {
    level: 'error',
    means: 'The address a listener was given is taken, or may not be used.',
    cure: 'Stop the other process, or change the variable that the message names.',
  },
  TLS_MATERIAL_INVALID: {
    level: 'error',
    means:
      'A certificate, key, chain or revocation list cannot be used; at a reload the former one stays in use.',
    cure: 'The message names the file and the reason: replace that file.',
  },
  // The database
  MIGRATION_FAILED: {
    level: 'error',
    means: 'The database schema could not be brought up to date; it was left as it was.',
    cure: "Read the cause in the message: usually the role lacks rights on the schema. Then run 'npm run migrate' again.",
  },
  SCHEMA_OUTDATED: {
    level: 'error',
    means: 'A worker found a database schema older than it needs and did not start.',
    cure: "Run 'npm run migrate' and start the worker again.",
  },
  WRONG_INSTALLATION: {
    level: 'error',
    means:
      'The database or Redis belongs to another installation: another Lean application, environment or region.',
    cure: 'Give this deployment its own DATABASE_SCHEMA and QUEUE_PREFIX, or correct LEAN_ENVIRONMENT, LEAN_REGION or LEAN_APP_TOKEN.',
  },

  // The journal and sealed payloads
  JOURNAL_BATCH_UNKNOWN: {
    level: 'error',
    means:
      'A batch was asked for that the journal does not hold: it is already stored and deleted, or of another journal.',
    cure: 'Nothing when it shows once; if it repeats, two processes work on one JOURNAL_DIR: report it.',
  },
  JOURNAL_CORRUPT: {
    level: 'error',
    means: 'The journal in JOURNAL_DIR is damaged or incomplete; the receiver does not work with it.',
    cure: 'Keep the folder: restore it from its disk, or move it away and start with an empty one, then have the sweeps ask Lean for what is missing.',
  },
  JOURNAL_LOCKED: {
    level: 'error',
    means: 'Another process holds the journal in JOURNAL_DIR.',
    cure: 'Give every receiver its own JOURNAL_DIR, or stop the other process; the lock goes with it, also after kill -9.',
  },
  JOURNAL_UNWRITABLE: {
    level: 'error',
    means: 'The journal in JOURNAL_DIR could not be created, opened or written.',
    cure: 'Look at the folder: does it exist, may this user write, is the disk full or read-only?',
  },
  PAYLOAD_KEY_INVALID: {
    level: 'error',
    means: 'A key in PAYLOAD_KEYS is not the base64 text of 32 bytes, or was given twice.',
    cure: "Make one with 'openssl rand -base64 32'; separate several with commas, the newest first.",
  },
  PAYLOAD_KEY_MISSING: {
    level: 'error',
    means: 'A payload was sealed with a key that is not in PAYLOAD_KEYS.',
    cure: 'Add the old key back behind the first one, on every receiver and worker.',
  },
  PAYLOAD_UNREADABLE: {
    level: 'error',
    means: 'A sealed payload was changed, cut short, or moved from another record.',
    cure: 'Look for damage or tampering in the disk, Redis or Postgres; replay the event from Lean if it allows.',
  },
} as const satisfies Record<string, FailureFacts>;

export type FailureCode = keyof typeof failureTable;

export const failureCodes: Readonly<Record<FailureCode, FailureFacts>> = failureTable;
