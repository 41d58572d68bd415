// Every code this service answers, logs or stores, once. A code is public: it is never renamed and never reused.
// `level` is how loud its log line is: `error` means we must act, `warn` means somebody else erred.
import { connectionFailureTable } from './connection-failure-codes.ts';
import { leanFailureTable } from './lean-failure-codes.ts';
import { receiverFailureTable } from './receiver-failure-codes.ts';
import { requestFailureTable } from './request-failure-codes.ts';

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
  ...receiverFailureTable,
  ...connectionFailureTable,

  // Starting
  ADDRESSEE_UNPROVEN: {
    level: 'warn',
    means:
      'VERIFY=certificate proves that Lean sent a delivery, but not that it was meant for us. The receiver starts; an event about an unknown entity writes nothing until Lean says that it is ours.',
    cure: 'Ask Lean for a webhook secret, set LEAN_WEBHOOK_SECRET and use VERIFY=certificate+signature.',
  },
  CERTIFICATE_ALONE_BEHIND_PROXY: {
    level: 'warn',
    means:
      'VERIFY=certificate stands alone behind a proxy: a certificate is public, and anybody who reaches this port past the proxy can send it. The receiver starts all the same.',
    cure: 'Use VERIFY=certificate+signature; until then let nobody but the proxy reach the port.',
  },
  CONFIG_INVALID: {
    level: 'error',
    means: 'Variables are missing, wrong or do not go together; the start was stopped.',
    cure: 'The message lists every one of them: set them as the table of variables says and start again.',
  },
  PORT_IN_USE: {
    level: 'error',
    means: 'The address a listener was given is taken, or may not be used; the start was stopped.',
    cure: 'Stop the other process, or change the variable that the message names.',
  },
  TLS_MATERIAL_INVALID: {
    level: 'error',
    means:
      'A certificate, key, chain or revocation list cannot be used; the start was stopped, and at a reload the former one stays in use.',
    cure: 'The message names the file and the reason: replace that file.',
  },
  UNPROVEN: {
    level: 'warn',
    means:
      'The format of FORWARDED_CERT_HEADER was written from documents and samples made after them, and not tried against the real proxy. The receiver starts and refuses whatever does not fit exactly.',
    cure: "Start with VERIFY=signature and VERIFY_SHADOW=certificate: when the shadow agrees with Lean's deliveries, the format holds.",
  },
  // Events
  CHANGE_INVALID: {
    level: 'error',
    means:
      'A change for the application had other details than its schema allows; nothing of its event or step was written.',
    cure: "This is a fault of this service: report it with the log line. After a fix, replay the event; a sync's data comes with the entity's next refresh.",
  },
  CUSTOMER_ERASED: {
    level: 'info',
    means:
      'An event of a customer who was erased came in afterwards; it was concluded and its body was dropped.',
    cure: 'Nothing: the customer counts again once an entity.created dated after the erasure arrives.',
  },
  ENTITY_NOT_OURS: {
    level: 'warn',
    means:
      'An event without a signature spoke of an entity that Lean does not know as ours; nothing was written.',
    cure: 'Another customer of Lean may have registered our URL. Use VERIFY=certificate+signature; else nothing.',
  },
  EVENT_DISCARDED: {
    level: 'info',
    means:
      'An operator gave a quarantined event up: its key is kept, its body is gone, it is never acted on.',
    cure: 'Nothing. Who did it and what the event had come to is in operator_log and event_history.',
  },
  EVENT_HANDLER_FAILED: {
    level: 'error',
    means:
      'An event could not be applied in any of its attempts; it is kept with its body in quarantine as failed, and the others are not affected.',
    cure: "Read the event's log lines for the cause; after a fix, replay it from the quarantine.",
  },
  EVENT_NOT_STORABLE: {
    level: 'error',
    means: 'An event held a value that Postgres cannot store; its bytes are kept, its columns are empty.',
    cure: 'Look at it in the quarantine; replay it after an update of this service, or discard it.',
  },
  EVENT_TOO_OLD: {
    level: 'warn',
    means:
      'An event is dated longer ago than EVENT_KEY_KEEP_DAYS, so it may be a replay of one whose key is forgotten; it was not acted on.',
    cure: "Look at the clock of Postgres. If the event is real and was never applied, replay it from the quarantine with '--force'.",
  },
  EVENT_UNKNOWN: {
    level: 'warn',
    means: 'A command named an event that is not in the database, or no longer; nothing was changed.',
    cure: 'Copy the key from `npm run ops -- events list`; a forgotten event (EVENT_KEY_KEEP_DAYS) is gone for good.',
  },
  RESULTS_UNKNOWN: {
    level: 'warn',
    means:
      'Lean announced results that nothing here had asked for, and nothing asked within an hour; the event was concluded without fetching them.',
    cure: 'Nothing, unless another program uses the same Lean application: then each needs its own.',
  },

  // The database
  DATABASE_AWAY: {
    level: 'error',
    means: 'Postgres did not answer, or refused for a reason that passes; work waits and is tried again.',
    cure: 'Look at Postgres and the way to it; `npm run ops -- doctor` says what it answers. Deliveries are still acknowledged, and all goes on by itself, but for a password changed there: correct DATABASE_URL and start the workers again.',
  },
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
      'The database or Redis belongs to another installation: another Lean application, environment or region. A worker did not start and a receiver forwards nothing; what it takes stays in its journal.',
    cure: 'Correct whichever is wrong: REDIS_URL, QUEUE_PREFIX, DATABASE_SCHEMA, LEAN_ENVIRONMENT, LEAN_REGION or LEAN_APP_TOKEN; a second deployment needs a prefix and a schema of its own. For a database made anew see Several installations.',
  },

  // The queues
  BATCH_FAILED: {
    level: 'error',
    means:
      'A batch of deliveries used up its attempts on the way into Postgres; it is kept and retried without end.',
    cure: "Run `npm run ops -- doctor` where a worker runs: it names rights and migrations that are missing. Else look at the workers' log lines of that job. The deliveries are safe in Redis and in the journal, and follow within a minute or so of the cure.",
  },
  JOB_ATTEMPT_FAILED: {
    level: 'warn',
    means:
      'An attempt of a job ended with something nobody foresaw, which `error` names; it is tried again, ten times in all.',
    cure: 'Nothing while it is rare. Again and again with five digits such as `42501`: the SQLSTATE of Postgres, here a missing right; run `npm run ops -- doctor` where a worker runs. What uses up its attempts says so with a code of its own.',
  },
  JOB_MALFORMED: {
    level: 'error',
    means: 'A job holds data that no version of this service writes; it was failed without being acted on.',
    cure: 'Something else writes under QUEUE_PREFIX, or receivers are newer than workers: update the workers first.',
  },
  JOB_STUCK: {
    level: 'error',
    means:
      'A worker has held one job for more than twice its deadline. It has told the job to stop and reports itself unready.',
    cure: 'Restart that worker; the job is handed to another one. If it repeats, report the job of the log line.',
  },
  QUEUE_UNAVAILABLE: {
    level: 'error',
    means:
      'Redis did not answer in time or refused: down, frozen, full, read-only, or the way to it is cut. What was to be queued waits and is tried again.',
    cure: 'Look at REDIS_URL and the server. Deliveries wait in the journal and everything goes on by itself; only where Redis says NOAUTH or WRONGPASS, correct REDIS_URL and start receivers and workers again.',
  },
  REDIS_EVICTS: {
    level: 'error',
    means:
      'Redis is set to throw keys away when it is full, and with them jobs; in production a worker does not run on it.',
    cure: 'Set maxmemory-policy to noeviction, or give this service a Redis of its own.',
  },
  REDIS_NOT_PERSISTENT: {
    level: 'warn',
    means:
      'Redis keeps no append-only file; nothing is lost with it, but after its end all jobs are made again from journal and Postgres.',
    cure: 'Set appendonly to yes (appendfsync everysec is enough).',
  },
  REDIS_SETTINGS_UNKNOWN: {
    level: 'warn',
    means:
      'Redis does not say in INFO whether it evicts keys or keeps an append-only file; the worker runs on it.',
    cure: "See in your provider's settings that maxmemory-policy is noeviction and persistence is on.",
  },

  // The journal and sealed payloads
  JOURNAL_BATCH_UNKNOWN: {
    level: 'error',
    means:
      'A batch was asked for that the journal does not hold: it is already stored and deleted, or of another journal. The forwarder passes it over.',
    cure: 'Nothing when it shows once; if it repeats, two processes work on one JOURNAL_DIR: report it.',
  },
  JOURNAL_CORRUPT: {
    level: 'error',
    means:
      'The journal in JOURNAL_DIR is damaged or incomplete; the receiver does not start on it, changes nothing in it and makes no empty one in its place.',
    cure: 'Move the whole folder away, keep it, and start with an empty one; never put an older copy in its place. Then ask Lean to send what is missing again.',
  },
  JOURNAL_LOCKED: {
    level: 'error',
    means: 'Another process holds the journal in JOURNAL_DIR; this one did not start and touched nothing.',
    cure: 'Give every receiver its own JOURNAL_DIR, or stop the other process (`fuser -v lock.sqlite` in that folder names it); the lock goes with it, also after kill -9.',
  },
  JOURNAL_NOT_FOUND: {
    level: 'warn',
    means: 'A command named a folder that holds no journal; nothing was made there.',
    cure: "Name the receiver's JOURNAL_DIR itself: the folder with journal.sqlite and lock.sqlite in it.",
  },
  JOURNAL_NOT_PERSISTENT: {
    level: 'error',
    means:
      'JOURNAL_DIR is on a file system that ends with the container or the machine, or is reached over a network; production did not start.',
    cure: 'Mount a local disk there. JOURNAL_PERSISTENT=yes says that it outlives the container all the same; without such a disk use ACK_AFTER=stored.',
  },
  JOURNAL_UNWRITABLE: {
    level: 'error',
    means:
      'The journal in JOURNAL_DIR could not be created, opened or written; the receiver did not start, or answers 503 until it can.',
    cure: 'Look at the folder: does it exist, may this user write, is the disk full or read-only?',
  },
  PAYLOAD_KEY_INVALID: {
    level: 'error',
    means:
      'A key in PAYLOAD_KEYS is not the base64 text of 32 bytes, or was given twice; the start was stopped.',
    cure: "Make one with 'openssl rand -base64 32'; separate several with commas, the newest first.",
  },
  PAYLOAD_KEY_MISSING: {
    level: 'error',
    means:
      'A payload was sealed with a key that is not in PAYLOAD_KEYS; it is kept as it is, and a worker that would need it does not start.',
    cure: 'Add the old key back behind the first one, on every receiver and worker.',
  },
  PAYLOAD_UNREADABLE: {
    level: 'error',
    means:
      'A sealed payload was changed, cut short, or moved from another record; it was not read, and its event is in quarantine.',
    cure: 'Look for damage or tampering in the disk, Redis or Postgres; the bytes are kept in webhook_events.',
  },
  // Syncs
  ITEM_NOT_STORABLE: {
    level: 'warn',
    means: 'A list of Lean held items that could not be read or stored; the others were stored.',
    cure: "Nothing is lost at Lean. Report it with the sync's id; after a fix the entity's next refresh brings them.",
  },
  LIST_END_UNKNOWN: {
    level: 'warn',
    means:
      'Lean gave a list without saying how long it is; what it held is stored, and nothing it lacked is taken for gone.',
    cure: "Nothing is lost. If it repeats, report it to Lean with the correlation id of the sync's lean_call line.",
  },
  LIST_TOO_LONG: {
    level: 'error',
    means: 'A list had more pages than a sync reads; what was read is stored.',
    cure: 'Set TRANSACTION_HISTORY_DAYS, or report it.',
  },
  LIST_UNSTABLE: {
    level: 'warn',
    means: 'A list changed between its pages every time it was read; what was read is stored.',
    cure: 'Nothing: the next refresh starts another sync.',
  },
  RESULTS_NEVER_READY: {
    level: 'warn',
    means: 'Lean promised a result and did not deliver it within the schedule.',
    cure: 'Nothing: the next refresh starts another sync. If it repeats, ask Lean with the results id.',
  },
  SYNC_STEP_FAILED: {
    level: 'error',
    means: "Storing Lean's reply failed for a reason nobody expected; the step has used up its attempts.",
    cure: "Report it with the log line; after a fix the entity's next refresh starts another sync.",
  },
  SYNC_SUPERSEDED: {
    level: 'info',
    means: 'A sync that only waited for a retry was ended because a newer refresh has fresher data.',
    cure: 'Nothing: the sync that took its place reads everything the former one would have.',
  },

  // Requests of the application
  ...requestFailureTable,

  // What comes from Lean
  ...leanFailureTable,

  // Development and the command line
  DEVELOPMENT_NOT_RUNNING: {
    level: 'warn',
    means: "A command asked for the development database and no 'npm start' was running in this folder.",
    cure: "Run 'npm start' in another terminal, or set DATABASE_URL.",
  },
  EMBEDDED_IN_USE: {
    level: 'error',
    means: "A second 'npm start' found the embedded engines' folder owned by another process.",
    cure: 'Stop the first one, or set REDIS_URL and DATABASE_URL so that both can share real engines.',
  },
  SQL_REFUSED: {
    level: 'warn',
    means: 'A statement given to the sql command was refused, by us or by the database; nothing was changed.',
    cure: "Correct the statement; the database's own words are in the message.",
  },
} as const satisfies Record<string, FailureFacts>;

export type FailureCode = keyof typeof failureTable;

export const failureCodes: Readonly<Record<FailureCode, FailureFacts>> = failureTable;
